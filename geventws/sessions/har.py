"""The WebSockets of a HAR file, as browsers export them from the network panel of their devtools.

entry.request, entry._webSocketMessages -> Session

Chromium has had `_webSocketMessages` since version 76; others, as Playwright and mitmproxy, write
the same.
"""

from __future__ import annotations

import json
from datetime import datetime
from os import PathLike
from typing import Any, Final

from geventws.core.codes import BINARY, TEXT
from geventws.sessions.files import CLIENT, SERVER, Event, Sender, Session, decoded
from geventws.sessions.openings import Opening, worth_replaying

MESSAGES: Final = "_webSocketMessages"
SENDERS: Final[dict[str, Sender]] = {"send": CLIENT, "receive": SERVER}
SCHEMES: Final = {"http": "ws", "https": "wss"}
OFFERED: Final = "sec-websocket-protocol"


def read_har(path: str | PathLike[str]) -> list[Session]:
    """Return the WebSocket sessions of the HAR file at *path*, in its order.

    How a session ended is not in such a file, so these have no end.

    Raises:
        ValueError: it is no HAR file, has no WebSocket, or a message is not as Chromium writes it.
        OSError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            entries = json.load(file)["log"]["entries"]
        sockets = [entry for entry in entries if MESSAGES in entry]
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{path}: not a HAR file") from None
    if not sockets:
        raise ValueError(f"{path}: no WebSocket with messages in it")
    return [_session(path, number, entry) for number, entry in enumerate(sockets, 1)]


def _session(path: str | PathLike[str], number: int, entry: dict[str, Any]) -> Session:
    name = f"{path}, WebSocket {number}"
    try:
        return Session(name, _opening(entry), _events(entry))
    except (TypeError, KeyError, AttributeError):
        raise ValueError(f"{name}: not as Chromium writes it") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _opening(entry: dict[str, Any]) -> Opening:
    scheme, colon, rest = entry["request"]["url"].partition(":")
    asked = _headers(entry["request"])
    offered = [each.strip() for each in asked.get(OFFERED, "").split(",") if each.strip()]
    return Opening(
        uri=SCHEMES.get(scheme, scheme) + colon + rest.partition("#")[0],
        offered=tuple(offered),
        subprotocol=_headers(entry.get("response", {})).get(OFFERED),
        headers=worth_replaying(_pairs(entry["request"])),
    )


def _pairs(part: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["name"], each["value"]) for each in part.get("headers", [])]


def _headers(part: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in _pairs(part)}


def _events(entry: dict[str, Any]) -> list[Event]:
    # beside the messages there are errors of Chromium's, which have another type
    messages = [each for each in entry[MESSAGES] if each["type"] in SENDERS]
    messages = [each for each in messages if each["opcode"] in (TEXT, BINARY)]
    start = _start(entry, messages)
    events = [_event(each, start) for each in messages]
    return sorted(events, key=lambda event: event.at)


def _start(entry: dict[str, Any], messages: list[dict[str, Any]]) -> float:
    """Return when the connection was open, as nearly as the file knows."""
    began = datetime.fromisoformat(entry["startedDateTime"]).timestamp()
    first = min((float(each["time"]) for each in messages), default=began)
    return min(began, first)


def _event(message: dict[str, Any], start: float) -> Event:
    text = message["data"]
    data = decoded(text) if message["opcode"] == BINARY else str(text)
    return Event(round(message["time"] - start, 6), SENDERS[message["type"]], data)
