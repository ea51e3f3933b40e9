"""The subprotocol resume.geventws.v1, without I/O: what was missed while a client was cut off.

a publication -> published() -> one message -> Resumption.take() -> its payload, once
where a client stands in its rooms -> Resumption.offer() -> the next opening -> positions()

docs/reference/resumption.md specifies it.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from json import dumps, loads
from typing import Any, Final, NamedTuple, TypeVar

from geventws.broker import MAX_NAME, Position, Publication
from geventws.core.errors import ProtocolError
from geventws.core.handshake import Request

RESUME: Final = "resume.geventws.v1"
POSITION: Final = "position."  # what the token begins with that says where a client stands
# What a head begins with: no text does by accident, and of random bytes one message in 2**72.
MARK: Final = '\x1e{"room":'
MAX_HEAD: Final = 4096  # characters, the mark's first one included
MAX_OFFSET: Final = 2**53 - 1  # the largest integer that JavaScript counts exactly (RFC 8259 6)
MAX_TOKEN: Final = 6144  # characters: a header line has 8192, and more is to stand on it
MAX_ROOMS: Final = 1000  # whose positions a client keeps

_MARK_BYTES: Final = MARK.encode()
_DIRECT: Final = f"{MARK}null}}\n"

_match_epoch = re.compile(r"[A-Za-z0-9_-]{1,32}").fullmatch
_match_base64 = re.compile(r"[A-Za-z0-9_-]+").fullmatch

Message = TypeVar("Message", str, bytes, str | bytes)


# A server's side


def resumes(ws: Any) -> bool:
    """Return whether *ws* is a server's end, and its client speaks resume.geventws.v1."""
    return bool(ws.subprotocol == RESUME and ws.request is not None)


def positions(request: Request) -> dict[str, Position]:
    """Return where the client that sent *request* says it stands, by room.

    A position counts for the first time that the connection joins the room, and no more. A token
    that is too long, malformed or beside the limits, or one of several, says nothing: {}. Never
    raises, for a stranger wrote it.
    """
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    tokens = [token for each in offered if (token := each.strip()).startswith(POSITION)]
    if len(tokens) != 1 or len(tokens[0]) > MAX_TOKEN:
        return {}
    try:
        return _positions_in(tokens[0].removeprefix(POSITION))
    except (ValueError, RecursionError):  # of what is nested deeper than Python goes
        return {}


def published(publication: Publication) -> str | bytes:
    """Return *publication* as a client gets it: a head, a line feed, and the message."""
    room, message, position, _ = publication
    head = f"{MARK}{dumps(room)}{_said(position)}}}\n"
    return head + message if isinstance(message, str) else head.encode() + message


def skipped(room: str, position: Position) -> str:
    """Return what a client gets in the place of a publication at *position* not meant for it."""
    return f'{MARK}{dumps(room)}{_said(position)},"skipped":true}}'


def joined(room: str, position: Position | None, recovered: bool | None) -> str:
    """Return what a client gets first when it has joined *room*, before all that it missed.

    Args:
        position: where it stands now: its own position where *recovered* is true, or else where
            the room stands; None where the room remembers nothing.
        recovered: whether all that it missed follows; None where it said no position.
    """
    return f'{MARK}{dumps(room)}{_said(position)},"recovered":{dumps(recovered)}}}'


def left(room: str) -> str:
    """Return what a client gets when it has left *room* and is still connected."""
    return f'{MARK}{dumps(room)},"left":true}}'


def direct(ws: Any, message: Message) -> Message:
    """Return *message* as ws.send() can send it, whoever wrote it.

    It is the same one, unless the client of *ws* speaks resume.geventws.v1 and would take it for
    one with a head. Only what others wrote and is sent on as it came needs this.
    """
    if not resumes(ws) or not _has_head(message):
        return message
    return _DIRECT + message if isinstance(message, str) else _DIRECT.encode() + message


def _said(position: Position | None) -> str:
    if position is None:
        return ""
    return f',"offset":{position.offset},"epoch":{dumps(position.epoch)}'


def _positions_in(token: str) -> dict[str, Position]:
    """Return what *token* says; ValueError where it is malformed or beside the limits."""
    if not _match_base64(token):
        raise ValueError("not base64url")
    found = loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    if not isinstance(found, dict):
        raise ValueError("no object")
    return {_room(room): _position(*_pair(said)) for room, said in found.items()}


def _room(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME:
        raise ValueError("room")
    return name


def _pair(said: object) -> list[Any]:
    if not isinstance(said, list) or len(said) != 2:
        raise ValueError("no pair of offset and epoch")
    return said


# A client's side


class Received(NamedTuple):
    """What a message brings to the application.

    Attributes:
        message: without its head; None where there is nothing for the application.
        room: where it was published; None where it was sent to this client alone.
    """

    message: str | bytes | None
    room: str | None


class Resumption:
    """What a client keeps from one connection to the next.

    Attributes:
        positions: where it stands, by room, the one heard of last at the end; None in a room that
            remembers nothing. Of more than MAX_ROOMS the one heard of longest ago is forgotten.
        unrecovered: rooms of those where something was missed for good. Whoever has dealt with
            that takes the room out.
    """

    def __init__(self) -> None:
        self.positions: dict[str, Position | None] = {}
        self.unrecovered: set[str] = set()

    def offer(self) -> list[str]:
        """Return the subprotocols to offer; positions that do not fit are those of longest ago."""
        entries: list[str] = []
        budget = (MAX_TOKEN - len(POSITION)) // 4 * 3 - len("{")
        for room, position in reversed(self.positions.items()):
            if position is None:
                continue
            entry = f'{dumps(room)}:[{position.offset},"{position.epoch}"]'
            budget -= len(entry) + len(",")
            if budget < 0:
                break
            entries.append(entry)
        if not entries:
            return [RESUME]
        said = urlsafe_b64encode(f"{{{','.join(entries)}}}".encode())
        return [RESUME, POSITION + said.decode().rstrip("=")]

    def take(self, message: str | bytes) -> Received:
        """Return what *message*, as the server sent it, brings, and take note of where it stands.

        Raises:
            ProtocolError: its head is none.
        """
        if not _has_head(message):
            return Received(message, None)
        head, payload = _split(message)
        room = head["room"]
        if room is None:
            return Received(payload, None)
        if not isinstance(room, str) or not 1 <= len(room) <= MAX_NAME:
            raise _wrong("room")
        if payload is None:
            self._note(room, head)
            return Received(None, room)
        position = _position_of(head)
        is_new = position is None or self._is_next(room, position)
        return Received(payload if is_new else None, room)

    def _note(self, room: str, head: dict[str, Any]) -> None:
        """Take note of a *head* without payload; of one that is not known nothing."""
        if "recovered" in head:
            self._join(room, _position_of(head), head["recovered"])
        elif head.get("left") is True:
            self.positions.pop(room, None)
            self.unrecovered.discard(room)
        elif head.get("skipped") is True:
            position = _position_of(head)
            if position is None:
                raise _wrong("offset")
            self._is_next(room, position)

    def _join(self, room: str, position: Position | None, recovered: object) -> None:
        if not isinstance(recovered, bool | None):
            raise _wrong("recovered")
        known = self.positions.get(room)
        if known is not None and recovered is not True:
            self.unrecovered.add(room)
        elif known is not None:
            position = known  # its own; a connection before this one may have brought more since
        self._stand(room, position)

    def _is_next(self, room: str, position: Position) -> bool:
        """Return whether *position* is new; what is between is missed."""
        known = self.positions.get(room)
        if known is not None:
            if known.epoch == position.epoch and position.offset <= known.offset:
                return False
            if position != (known.offset + 1, known.epoch):
                self.unrecovered.add(room)
        self._stand(room, position)
        return True

    def _stand(self, room: str, position: Position | None) -> None:
        self.positions.pop(room, None)
        self.positions[room] = position
        if len(self.positions) > MAX_ROOMS:
            oldest = next(iter(self.positions))
            del self.positions[oldest]
            self.unrecovered.discard(oldest)


def _has_head(message: str | bytes) -> bool:
    return message.startswith(MARK) if isinstance(message, str) else message.startswith(_MARK_BYTES)


def _split(message: str | bytes) -> tuple[dict[str, Any], str | bytes | None]:
    """Return the head of *message*, which begins with MARK, and its payload, None without one."""
    if isinstance(message, str):
        end = message.find("\n", 0, MAX_HEAD + 1)
    else:
        end = message.find(b"\n", 0, MAX_HEAD + 1)
    if end < 0 and len(message) > MAX_HEAD:
        raise _wrong("size")
    head = message if end < 0 else message[:end]
    try:
        found: dict[str, Any] = loads(head[1:])
    except (ValueError, RecursionError) as error:
        raise _wrong("JSON") from error
    return found, None if end < 0 else message[end + 1 :]


def _position_of(head: dict[str, Any]) -> Position | None:
    if "offset" not in head and "epoch" not in head:
        return None
    try:
        return _position(head.get("offset"), head.get("epoch"))
    except ValueError as error:
        raise _wrong(str(error)) from error


def _wrong(what: str) -> ProtocolError:
    return ProtocolError(f"{what} of a head is wrong ({RESUME})")


# Both sides


def _position(offset: object, epoch: object) -> Position:
    """Return the position that a peer wrote; ValueError with what is wrong."""
    if type(offset) is not int or not 0 <= offset <= MAX_OFFSET:
        raise ValueError("offset")
    if not isinstance(epoch, str) or not _match_epoch(epoch):
        raise ValueError("epoch")
    return Position(offset, epoch)
