"""The connection under a ws4py WebSocket: it is read by hand, and its callbacks are another's.

WebSocket.once -> Driver.read -> WebSocket.process -> Driver.take -> WebSocket.received_message
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Final

from geventws.adapters.threaded import ThreadedWebSocket
from geventws.adapters.ws4py.messaging import (
    BinaryMessage,
    CloseControlMessage,
    PongControlMessage,
    TextMessage,
)
from geventws.adapters.ws4py.transports import look_after
from geventws.core.codes import ABNORMAL_CLOSURE, PONG, Side, State
from geventws.core.errors import ConnectionClosed
from geventws.core.protocol import Protocol
from geventws.keepalive import Keepalive
from geventws.options import Options

logger = logging.getLogger("geventws")

GOING_AWAY: Final = "Going away"  # what ws4py says where the peer said nothing


def message_of(received: str | bytes) -> TextMessage | BinaryMessage:
    """Return what was received as an object."""
    made = TextMessage(received) if isinstance(received, str) else BinaryMessage(received)
    made.completed = True
    return made


class Driver(ThreadedWebSocket):
    """A connection of *owner*, whose methods once(), process() and terminate() drive it.

    Whoever drives a ThreadedWebSocket, a manager or a thread, drives the owner by it. *polled* says
    that a manager does, which knows when bytes are there: then nothing here waits.
    """

    __slots__ = ("_has_runner", "fresh", "owner", "polled")

    def __init__(
        self, transport: Any, protocol: Protocol, options: Options, side: Side, **agreed: Any
    ) -> None:
        super().__init__(transport, protocol, options, side, **agreed)
        self.owner: Any = None
        self.polled = False
        self._has_runner = False
        self.fresh = False  # what came with the opening handshake is not looked at

    def begin(self, rest: bytes) -> None:
        """Take the bytes that came with the opening handshake: they are the first frames."""
        super().begin(rest)
        self.fresh = bool(rest)

    # What drives a ThreadedWebSocket

    def run(self) -> None:
        """Run the owner."""
        self.owner.run()

    def read_and_deliver(self) -> bool:
        """Have the owner look at the bytes that are here; return whether more can come.

        What a callback raises is logged, and ends this connection alone.
        """
        self.polled = True
        try:
            self.owner.open()
            if self.owner.once():
                return True
        except Exception:
            logger.exception("%r: a callback failed", self.owner)
        try:
            self.owner.terminate()
        except Exception:
            logger.exception("%r: closed() failed", self.owner)
        return False

    # What the owner does

    @property
    def transport(self) -> Any:
        """The ITransport under it."""
        return self._transport

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self._is_over()

    @property
    def is_run(self) -> bool:
        """Whether there is somebody who runs the owner, and will terminate() it."""
        return self.polled or self._has_runner

    def be_run(self) -> None:
        """Take note that run() has begun."""
        self._has_runner = True

    def look_after(self) -> None:
        """Have somebody look after this while the owner does something else."""
        look_after(self._transport, self)

    def open(self) -> None:
        """Call opened(). What it raises passes, after the connection has been failed with 1011."""
        with self._transport.monitor:
            self._call(self.owner.opened, ())

    def read(self) -> bytes | None:
        """Wait for bytes, b"" at their end; None where there may be messages to deliver instead.

        Raises:
            OSError: the stream is lost.
        """
        with self._transport.monitor:
            if self.fresh:
                self.fresh = False
                return None
            if self.polled:
                data: bytes | None = self._transport.read_now()
                return data
            self._reading = True
            try:
                data = self._transport.read(self._patience())
            except TimeoutError:
                self._reading = False
                self.attend(monotonic())
                return None
            finally:
                self._reading = False
            return data

    def _patience(self) -> float | None:
        """Return the seconds until this end has something to do of its own accord."""
        is_open = self._protocol.state == State.OPEN
        due = self._keepalive.next_at() if is_open else self._over_by or inf
        return None if due == inf else max(due - monotonic(), 0.0)

    def take(self, data: bytes) -> bool:
        """Take bytes off the wire, b"" at their end, and deliver; return whether more can come."""
        with self._transport.monitor:
            self._take_in(data)
            return self.deliver_all()

    def deliver_all(self) -> bool:
        """Deliver what has come; return whether more can come.

        What a callback raises passes, after the connection has been failed with 1011.
        """
        with self._transport.monitor:
            while self._deliver_next():
                pass
            self._tell()
            if self._is_over():
                self._end()
            return not self._is_over()

    def lose(self, error: OSError) -> None:
        """Give the connection up, for reading has failed with *error*."""
        with self._transport.monitor:
            self._lose(error)

    def beat(self, frequency: float | None) -> None:
        """Ping every *frequency* seconds from now on, and give a peer up that says nothing."""
        self._opened_told = True  # as pongs are delivered only then
        timeout = self._options.ping_timeout
        self._keepalive = Keepalive(frequency or None, timeout, monotonic())
        if frequency:
            self._plan(frequency)

    def send_control(self, opcode: int, data: bytes) -> None:
        """Send a ping, or a pong that nobody asked for; it may go between fragments.

        Raises:
            ConnectionClosed: the connection is closed.
            ValueError: *data* is over 125 bytes.
        """
        with self._transport.monitor:
            if opcode != PONG:
                self._protocol.send_ping(data)
            elif self._protocol.state == State.OPEN:
                self._protocol.writer.frame(PONG, data, True, False)
            else:
                raise self._protocol.closed_error()
            self._post()

    def closing(self) -> CloseControlMessage | None:
        """Return the peer's close frame; None where it sent none."""
        protocol = self._protocol
        if not protocol.close_received:
            return None
        return CloseControlMessage(protocol.close_code, protocol.close_reason)

    def finish(self) -> None:
        """End TCP, which may wait for the peer until close_timeout; not where it is polled."""
        with self._transport.monitor:
            self._protocol.abort(ABNORMAL_CLOSURE, GOING_AWAY)
            if self.polled:
                self._end()
            else:
                self._hang_up()

    # What the base class calls

    def _drop(self) -> None:
        try:
            super()._drop()
        except OSError as error:  # of a close() that fails: the stream is closed all the same
            logger.debug("%r: closing the socket failed: %s", self, error)
            super()._drop()  # the rest of it

    def received_message(self, message: str | bytes) -> None:
        """Hand *message* on, as an object."""
        self.owner.received_message(message_of(message))

    def ponged(self, data: bytes) -> None:
        """Hand a pong on, as an object."""
        self.owner.ponged(PongControlMessage(data))

    def _call(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        try:
            with self._transport.monitor.outside():
                callback(*args)
        except ConnectionClosed:
            return  # it used a connection that was over; closed() will tell
        except BaseException as error:
            self._fail(error)
            raise
