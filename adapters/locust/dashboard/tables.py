"""The tables that the web page, the report and the CSV files show: the processes, the close codes.

Line -> Row, with all there is to tell -> the columns of one Table
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from geventws.adapters.locust.dashboard.board import Line
from geventws.adapters.locust.gauges import FLOWS, Totals, percentile
from geventws.core import codes

Row = dict[str, Any]

MEANINGS: Final = {
    codes.NORMAL_CLOSURE: "normal closure",
    codes.GOING_AWAY: "going away",
    codes.PROTOCOL_ERROR: "protocol error",
    codes.UNSUPPORTED_DATA: "unsupported data",
    codes.NO_STATUS_RECEIVED: "no code was sent",
    codes.ABNORMAL_CLOSURE: "connection lost",
    codes.INVALID_DATA: "invalid data",
    codes.POLICY_VIOLATION: "policy violation",
    codes.MESSAGE_TOO_BIG: "message too big",
    codes.MANDATORY_EXTENSION: "mandatory extension",
    codes.INTERNAL_ERROR: "internal error",
    codes.SERVICE_RESTART: "service restart",
    codes.TRY_AGAIN_LATER: "try again later",
    codes.BAD_GATEWAY: "bad gateway",
}


class Table(NamedTuple):
    """What a table is called, in addresses as *key*, and the titles of its columns."""

    key: str
    title: str
    columns: dict[str, str]

    def head(self) -> list[str]:
        """Return the titles."""
        return list(self.columns.values())

    def cells(self, row: Row) -> list[Any]:
        """Return what *row* has in each column."""
        return [row[key] for key in self.columns]


PROCESS: Final = {"worker": "Worker", "state": "State"}
CONNECTIONS: Final = {"open": "Open", "opened": "Opened", "closed": "Closed"}
MESSAGES: Final = {"messages_sent": "#\u00a0Sent", "messages_received": "#\u00a0Received"}
FILED: Final = {
    "messages_sent": "Messages Sent",
    "messages_received": "Messages Received",
    "bytes_sent": "Bytes Sent",
    "bytes_received": "Bytes Received",
}
PINGS: Final = {
    "ping_median": "Ping Median (ms)",
    "ping_95": "Ping 95%ile (ms)",
    "ping_max": "Ping Max (ms)",
}


def _rates(kind: str) -> dict[str, str]:
    return {
        f"messages_sent_{kind}": "Sent/s",
        f"messages_received_{kind}": "Received/s",
        f"kilobytes_sent_{kind}": "kB/s Sent",
        f"kilobytes_received_{kind}": "kB/s Received",
    }


def _filed(kind: str) -> dict[str, str]:
    return {f"{key}_{kind}": f"{title}/s" for key, title in FILED.items()}


LIVE: Final = Table(
    "websockets", "WebSockets", {**PROCESS, **CONNECTIONS, **MESSAGES, **_rates("rate"), **PINGS}
)
REPORTED: Final = LIVE._replace(
    columns={**PROCESS, **CONNECTIONS, **MESSAGES, **_rates("average"), **PINGS}
)
CLOSES: Final = Table(
    "websocket-closes",
    "Close Codes",
    {"code": "Close Code", "meaning": "Meaning", "count": "# Connections", "share": "% of Closed"},
)

FILE: Final = LIVE._replace(
    columns={
        **PROCESS,
        **CONNECTIONS,
        **FILED,
        **_filed("average"),
        "pings": "Ping Count",
        **PINGS,
    }
)
HISTORY: Final = LIVE._replace(
    columns={
        **{"timestamp": "Timestamp", "users": "User Count", "open": "Open"},
        **_filed("rate"),
        **{"opened": "Total Opened", "closed": "Total Closed"},
        **{key: f"Total {title}" for key, title in FILED.items()},
        "pings": "Total Ping Count",
        **PINGS,
    }
)


def row_of(line: Line) -> Row:
    """Return all there is to tell of *line*."""
    flows, pings = line.totals.flows, line.totals.pings
    row: Row = {"worker": line.worker, "state": line.state, "open": line.open}
    row.update((name, flows[name]) for name in ("opened", "closed", *FLOWS))
    for kind, rates in (("rate", line.rates), ("average", line.averages)):
        row.update((f"{name}_{kind}", round(rates[name], 1)) for name in FLOWS)
        for way in ("sent", "received"):
            row[f"kilobytes_{way}_{kind}"] = round(rates[f"bytes_{way}"] / 1000, 1)
    row["pings"] = pings.total()
    for key, share in (("ping_median", 0.5), ("ping_95", 0.95), ("ping_max", 1.0)):
        row[key] = percentile(pings, share)
    return row


def closes_of(totals: Totals) -> list[Row]:
    """Return a row for each close code, the most frequent first."""
    count = totals.codes.total()
    return [
        {
            "code": code,
            "meaning": MEANINGS.get(code, "of the application"),
            "count": ended,
            "share": round(100 * ended / count, 1),
        }
        for code, ended in totals.codes.most_common()
    ]
