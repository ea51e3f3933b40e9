"""Frames in the log: a transport around another one, that reads what passes both ways.

transport -> Tap -> connection            Tap -> FrameReader -> the logger "geventws.frames"

A line says which connection, which way, opcode and length; of a close frame its code. What peers
say to each other is not in it unless that is asked for.
"""

from __future__ import annotations

import logging
import random
from typing import Any, Final

from zope.interface import classImplements

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from geventws.core.errors import ProtocolError
from geventws.core.frame import Frame, FrameReader, parse_close
from geventws.events import Group, follow
from geventws.interfaces import ITransport
from geventws.logs import connection_id
from geventws.websocket import WebSocket

logger = logging.getLogger(__name__)

SHOWN: Final = 80  # bytes of a payload that are shown, where they are
NAMES: Final = {
    CONTINUATION: "continuation",
    TEXT: "text",
    BINARY: "binary",
    CLOSE: "close",
    PING: "ping",
    PONG: "pong",
}


def log_frames(subject: WebSocket | Group, *, share: float = 1.0, payloads: bool = False) -> None:
    """Log the frames of *subject*: one connection, or those that a Manager takes in from now on.

    They go to the logger "geventws.frames", at DEBUG, one line each: when the first of a frame has
    come, or when it is handed on to be sent. All that passes is cut into frames a second time for
    that. What had arrived before, as with the opening handshake, is not shown.

    Args:
        subject: a connection, client or server, of greenlets or threads; or a Manager.
        share: the part of a Manager's connections to log, drawn by chance: 0.01 is one in 100.
        payloads: whether the first 80 bytes of payloads are shown as well. They may hold secrets.

    Raises:
        TypeError: *subject* is neither.
        ValueError: *share* is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError("share: from 0 to 1")

    def tap(connection: WebSocket) -> None:
        if random.random() < share:
            connection._transport = Tap(connection, payloads)

    follow(subject, tap)


class Tap:
    """The transport of *connection*, and a log of what passes through it."""

    __slots__ = ("_incoming", "_outgoing", "_protocol", "_transport")

    def __init__(self, connection: WebSocket, payloads: bool) -> None:
        self._transport: Any = connection._transport
        self._protocol = connection._protocol
        number = connection_id(connection)
        is_client = not connection._is_server
        self._outgoing = Direction(number, "sent", is_client, payloads)
        self._incoming = Direction(number, "received", not is_client, payloads)
        if self._protocol.wire_received:
            self._incoming.lose()

    def __getattr__(self, name: str) -> Any:
        """Return what this does nothing to: all that carries no bytes."""
        return getattr(self._transport, name)

    def read(self, timeout: float | None) -> bytes:
        """Wait for bytes, log their frames and return them."""
        self._find_boundary()
        data: bytes = self._transport.read(timeout)
        self._incoming.feed(data)
        return data

    def read_now(self) -> bytes | None:
        """Log the frames of what is here and return it."""
        self._find_boundary()
        data: bytes | None = self._transport.read_now()
        self._incoming.feed(data or b"")
        return data

    def write(self, buffers: list[bytes], timeout: float | None, more: bool = False) -> None:
        """Log the frames of *buffers*, then write them."""
        self._outgoing.feed(b"".join(buffers))
        self._transport.write(buffers, timeout, more)

    def post(self, buffers: list[bytes]) -> None:
        """Log the frames of *buffers*, then post them."""
        self._outgoing.feed(b"".join(buffers))
        self._transport.post(buffers)

    def _find_boundary(self) -> None:
        """Begin to read what comes where it is a frame's begin, should that not be known."""
        protocol = self._protocol
        # what arrives by pieces, or deflated, may leave nothing behind
        if self._incoming.is_lost() and not (protocol.buffered() or protocol._messages.arriving()):
            self._incoming.begin()


class Direction:
    """What one peer says to the other: cut into frames, a line for each."""

    __slots__ = ("_masked", "_number", "_payloads", "_reader", "_verb")

    def __init__(self, number: int, verb: str, masked: bool, payloads: bool) -> None:
        self._number = number
        self._verb = verb
        self._masked = masked
        self._payloads = payloads
        self._reader: FrameReader | None
        self.begin()

    def begin(self) -> None:
        """Take what comes next for the begin of a frame."""
        self._reader = FrameReader(self._masked, compression=True)

    def lose(self) -> None:
        """Say nothing of what comes until begin()."""
        self._reader = None

    def is_lost(self) -> bool:
        """Return whether it is not known where a frame begins."""
        return self._reader is None

    def feed(self, data: bytes) -> None:
        """Log the frames that begin in *data*."""
        if self._reader is None or not data:
            return
        self._reader.feed(data)
        try:
            while (frame := self._reader.next_frame()) is not None:
                if frame.starts and logger.isEnabledFor(logging.DEBUG):
                    self._log(self._describe(frame))
        except ProtocolError as error:
            self._log(f"what is no frame: {error}")
            self.lose()

    def _log(self, what: str) -> None:
        logger.debug(
            "connection %d %s %s",
            self._number,
            self._verb,
            what,
            extra={"connection": self._number},
        )

    def _describe(self, frame: Frame) -> str:
        size = len(frame.payload) + frame.left
        said = [NAMES[frame.opcode], f"{size} bytes"]
        if frame.rsv1:
            said.append("compressed")
        if not frame.fin and not frame.left:
            said.append("more follows")
        if frame.opcode == CLOSE:
            said.append(str(parse_close(frame.payload)[0]))
        if self._payloads:
            said.append(repr(frame.payload[:SHOWN]))
        return ", ".join(said)


classImplements(Tap, ITransport)
