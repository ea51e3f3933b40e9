"""What the page is told once a second: the numbers of a manager as they stand.

Manager, HubLag -> snapshot() -> JSON

Rates are for the page to work out, from two of them; so the server keeps nothing in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest
from typing import Any, Final

from geventws.clock import monotonic
from geventws.counts import add_up
from geventws.lag import HubLag
from geventws.logs import connection_id
from geventws.manager import Manager
from geventws.transport import breathe
from geventws.version import __version__
from geventws.websocket import Stats, WebSocket

SLOWEST: Final = 8  # peers that are shown
SHARE: Final = 0.005  # seconds of work before others run


def snapshot(manager: Manager, lag: HubLag) -> dict[str, Any]:
    """Return the numbers of *manager*, as JSON has them. Others run while many are counted.

    Of a slow peer it has the number in the log, the address, and what waits for it; of nobody what
    was said, asked or sent along.
    """
    survey = Survey()
    counts = manager.counts
    past, connections = counts.divide(manager)
    total = add_up(past, survey.look_at(connections))
    return {
        "version": __version__,
        "time": monotonic(),
        "connections": len(connections),
        "opened": counts.opened,
        "total": total._asdict(),
        "closes": {str(code): count for code, count in sorted(counts.closes.items())},
        "refused": {str(status): count for status, count in sorted(counts.refused.items())},
        "slow": {
            "buffered": counts.buffered,
            "dropped": counts.dropped,
            "not_sent": counts.not_sent,
        },
        "latency": quantiles(survey.latencies),
        "lag": lag.read(),
        "slowest": [_peer(*found) for found in survey.slowest()],
    }


class Survey:
    """What one look at all connections finds."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self._unsent: list[tuple[int, float, WebSocket]] = []

    def look_at(self, connections: list[WebSocket]) -> Iterator[Stats]:
        """Yield the stats of each connection, and take note of the rest."""
        since = monotonic()
        for ws in connections:
            self._note(ws)
            yield ws.stats
            if monotonic() - since > SHARE:
                breathe()
                since = monotonic()

    def slowest(self) -> list[tuple[int, float, WebSocket]]:
        """Return those for whom the most waits; among others, those with the longest latency."""
        return nlargest(SLOWEST, self._unsent, key=lambda found: found[:2])

    def _note(self, ws: WebSocket) -> None:
        latency = ws.latency
        if latency is not None:
            self.latencies.append(latency)
        backlog = ws._backlog
        unsent = ws._transport.unsent() + (0 if backlog is None else backlog.size)
        if unsent or latency is not None:
            self._unsent.append((unsent, latency or 0.0, ws))


def quantiles(latencies: list[float]) -> dict[str, float] | None:
    """Return the median, the 95th percentile and the worst; None where there are none."""
    if not latencies:
        return None
    ordered = sorted(latencies)
    last = len(ordered) - 1
    return {"p50": ordered[last // 2], "p95": ordered[last * 95 // 100], "worst": ordered[last]}


def _peer(unsent: int, latency: float, ws: WebSocket) -> dict[str, Any]:
    return {
        "connection": connection_id(ws),
        "address": _address(ws.peer_address),
        "unsent": unsent,
        "messages": 0 if ws._backlog is None else len(ws._backlog),
        "latency": latency,
    }


def _address(address: Any) -> str:
    if not isinstance(address, tuple):
        return str(address or "unix socket")
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
