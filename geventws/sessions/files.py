"""Session files: what was said over one WebSocket, by whom and when, as JSON Lines.

SessionWriter -> header, message, message, ..., end -> read_session -> Session

docs/reference/session-files.md has the format.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from os import PathLike
from time import monotonic
from typing import Any, Final, Literal, NamedTuple, TextIO

from geventws.core.codes import NORMAL_CLOSURE
from geventws.sessions.openings import Opening

FORMAT: Final = "geventws session"
VERSION: Final = 1
MICROSECONDS: Final = 6  # digits

Sender = Literal["client", "server"]
CLIENT: Final = "client"
SERVER: Final = "server"


class Event(NamedTuple):
    """One message, or the end of a session.

    Attributes:
        at: seconds since the connection was open.
        sender: who sent the message, or closed first.
        message: str for text, bytes for binary; None at the end.
        code: how it ended, 1005 and 1006 included; None for a message.
        reason: the close reason.
    """

    at: float
    sender: Sender
    message: str | bytes | None
    code: int | None = None
    reason: str = ""


class Session(NamedTuple):
    """What was said over one connection.

    Attributes:
        name: where it is from, for people.
        opening: how it began.
        events: the messages in their order, and the end where that is known.
    """

    name: str
    opening: Opening
    events: list[Event]


class SessionWriter:
    """Writes one session, line by line: what was written is whole, whatever happens after.

    Args:
        file: what is written to; close() closes it.
        opening: how the session began; its clock starts now.
    """

    def __init__(self, file: TextIO, opening: Opening) -> None:
        self._file = file
        self._start = monotonic()
        self._ended = False
        self._write({"format": FORMAT, "version": VERSION, **asdict(opening)})

    def message(self, sender: Sender, message: str | bytes) -> None:
        """Write that *sender* said *message*; after the end nothing is written."""
        if isinstance(message, str):
            self._note(sender, text=message)
        else:
            self._note(sender, data=b64encode(message).decode())

    def end(self, sender: Sender, code: int, reason: str) -> None:
        """Write that *sender* closed, or was lost with 1006; the first end is the one."""
        self._note(sender, close=code, reason=reason)
        self._ended = True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _note(self, sender: Sender, **fields: object) -> None:
        if not self._ended:
            at = round(monotonic() - self._start, MICROSECONDS)
            self._write({"at": at, "from": sender, **fields})

    def _write(self, fields: dict[str, object]) -> None:
        self._file.write(json.dumps(fields, ensure_ascii=False) + "\n")
        self._file.flush()


def read_session(path: str | PathLike[str]) -> Session:
    """Read the session file at *path*.

    Raises:
        ValueError: a line is not what it has to be; it names the file, the line and the rule.
        OSError: it cannot be read.
    """
    opening: Opening | None = None
    events: list[Event] = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                if opening is None:
                    opening = _opening(_fields(line))
                elif line.strip():
                    events.append(_event(_fields(line), events[-1] if events else None))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    if opening is None:
        raise ValueError(f"{path}, line 1: no header")
    return Session(str(path), opening, events)


def decoded(text: str) -> bytes:
    """Return what *text* is in base64.

    Raises:
        ValueError: it is not base64.
    """
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise ValueError("data: not base64") from None


def _fields(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:
        raise ValueError("not JSON") from None
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    return fields


def _opening(fields: Mapping[str, Any]) -> Opening:
    if fields.get("format") != FORMAT:
        raise ValueError(f"format: not {FORMAT!r}")
    if fields.get("version") != VERSION:
        raise ValueError(f"version: not {VERSION}, which is all that is known here")
    subprotocol = fields.get("subprotocol")
    if subprotocol is not None and not isinstance(subprotocol, str):
        raise ValueError("subprotocol: not a text or null")
    return Opening(
        uri=_text(fields, "uri"),
        offered=_texts(fields, "offered"),
        subprotocol=subprotocol,
        headers=_headers(fields.get("headers", [])),
        redacted=_texts(fields, "redacted"),
    )


def _text(fields: Mapping[str, Any], name: str, default: str | None = None) -> str:
    text = fields.get(name, default)
    if not isinstance(text, str):
        raise ValueError(f"{name}: not a text")
    return text


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = fields.get(name, [])
    if not (isinstance(given, list) and all(isinstance(each, str) for each in given)):
        raise ValueError(f"{name}: not a list of texts")
    return tuple(given)


def _headers(given: Any) -> tuple[tuple[str, str], ...]:
    match given:
        case [*pairs]:
            return tuple(_pair(each) for each in pairs)
    raise ValueError("headers: not a list of pairs")


def _pair(given: Any) -> tuple[str, str]:
    match given:
        case [str(name), str(value)]:
            return name, value
    raise ValueError("headers: not a list of pairs")


def _event(fields: Mapping[str, Any], before: Event | None) -> Event:
    at, sender = _at(fields, before), fields.get("from")
    if sender not in (CLIENT, SERVER):
        raise ValueError(f"from: neither {CLIENT!r} nor {SERVER!r}")
    kinds = [name for name in ("text", "data", "close") if name in fields]
    match kinds:
        case ["text"]:
            return Event(at, sender, _text(fields, "text"))
        case ["data"]:
            return Event(at, sender, decoded(_text(fields, "data")))
        case ["close"]:
            return Event(at, sender, None, _code(fields["close"]), _text(fields, "reason", ""))
    raise ValueError("not one of text, data and close")


def _at(fields: Mapping[str, Any], before: Event | None) -> float:
    at = fields.get("at")
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not (isfinite(at) and at >= 0):
        raise ValueError("at: not a number of seconds")
    if before is not None and before.code is not None:
        raise ValueError("a line after the end")
    if before is not None and at < before.at:
        raise ValueError("at: before the line above")
    return float(at)


def _code(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError("close: not a code")
    if not NORMAL_CLOSURE <= given < 5000:
        raise ValueError("close: not a code from 1000 to 4999")
    return given
