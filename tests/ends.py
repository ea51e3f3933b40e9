"""Connections over memory that nobody looks after but the test, and peers that speak raw frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import gevent

from geventws.core.codes import Side
from geventws.core.deflate import Agreed
from geventws.core.errors import ConnectionClosed
from geventws.core.protocol import Protocol
from geventws.memory import MemoryTransport, transports
from geventws.options import Options
from geventws.websocket import WebSocket
from tests.core.helpers import Raw, frame_to, read_frames

SILENT = Options(ping_interval=None)  # nothing but what the test says
SMALL = 64  # a capacity that a single message fills

W = TypeVar("W", bound=WebSocket)


class Partner:
    """The far end of a connection of *side*: says and hears raw frames, and only when told to."""

    def __init__(self, transport: MemoryTransport, side: Side) -> None:
        self.transport = transport
        self._side = side

    def say(self, opcode: int, payload: bytes = b"", fin: bool = True) -> None:
        """Send one frame."""
        self.transport.post([frame_to(self._side, opcode, payload, fin)])

    def hear(self) -> list[Raw]:
        """Take all that has been sent and not heard yet; it must be whole frames."""
        data = b""
        while more := self.transport.read_now():
            data += more
        return list(read_frames(data))


class Met(NamedTuple):
    """A connection of *side*, its transport, and its far end."""

    ws: Any
    transport: MemoryTransport
    partner: Partner
    side: Side

    def opcodes(self) -> list[int]:
        """Return the opcodes of the frames that the partner has not heard yet."""
        return [frame.opcode for frame in self.partner.hear()]

    def payloads(self) -> list[bytes]:
        """Return the payloads of the frames that the partner has not heard yet."""
        return [frame.payload for frame in self.partner.hear()]


def meet(
    side: Side = Side.SERVER,
    options: Options = SILENT,
    capacity: int | None = None,
    kind: type[WebSocket] = WebSocket,
) -> Met:
    """Return a connection of *side* whose peer is the test."""
    near, far = transports(capacity)
    return Met(open_on(near, side, options, kind=kind), near, Partner(far, side), side)


def open_on(
    transport: Any,
    side: Side,
    options: Options = SILENT,
    deflate: Agreed | None = None,
    kind: type[W] = WebSocket,  # type: ignore[assignment]
) -> W:
    """Return a connection over *transport*."""
    protocol = Protocol(side, options.max_size, options.max_fragments, deflate)
    return kind(transport, protocol, options, side)


def both(
    client: Options = SILENT,
    server: Options = SILENT,
    capacity: int | None = None,
    deflate: Agreed | None = None,
) -> tuple[WebSocket, WebSocket]:
    """Return the two ends of a connection."""
    near, far = transports(capacity)
    return (
        open_on(near, Side.CLIENT, client, deflate),
        open_on(far, Side.SERVER, server, deflate),
    )


def run() -> None:
    """Let everybody run until all wait for something that is not there."""
    for _ in range(8):
        gevent.sleep(0)


def closing(code: int) -> bytes:
    """Return the payload of a close frame."""
    return code.to_bytes(2, "big")


def caught(call: Callable[..., Any], *args: Any) -> Any:
    """Return what *call* returns or raises; 0 where that is None."""
    try:
        returned = call(*args)
    except Exception as error:
        return error
    return 0 if returned is None else returned


def code_of(error: Any) -> int:
    """Return the code of a ConnectionClosed."""
    assert isinstance(error, ConnectionClosed)
    return error.code
