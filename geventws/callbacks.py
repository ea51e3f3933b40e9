"""The callback style: methods that are called with what happens on a connection.

bytes are there -> read_and_deliver() -> opened(), received_message(), ponged(), closed()
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from geventws.attending import Attended
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed
from geventws.core.protocol import TURN, Protocol
from geventws.options import Options

logger = logging.getLogger("geventws")


class Callbacks(Attended):
    """The callbacks of a connection, to be overridden, and what calls them.

    They are called one at a time: opened() first, then the others in the order of what happened,
    closed() last. Each may block, send, ping and close; only this connection then waits.
    """

    __slots__ = ("_closed_told", "_failed", "_opened_told", "_pongs")

    def __init__(self, transport: Any, protocol: Protocol, options: Options, side: Side) -> None:
        super().__init__(transport, protocol, options, side)
        self._opened_told = False
        self._failed = False  # a callback has
        self._closed_told = False
        self._pongs: list[bytes] | None = None  # payloads for ponged()

    def opened(self) -> None:
        """Called once, before any other callback."""

    def received_message(self, message: str | bytes) -> None:
        """Called with each message: str for text, bytes for binary."""

    def ponged(self, data: bytes) -> None:
        """Called with the payload of each pong."""

    def closed(self, code: int, reason: str) -> None:
        """Called once, after every other callback, with the code and reason of ConnectionClosed."""

    def unhandled_error(self, error: Exception) -> None:
        """Called with what another callback raised; the connection is closed with 1011 after that.

        Only closed() is still called then. Unless overridden it logs *error* with its
        traceback and both addresses.
        """
        logger.error("%r: a callback failed", self, exc_info=error)

    def run(self) -> None:
        """Wait for what comes and call the callbacks, until the connection is over."""
        while self.deliver():
            self._more(None, False)

    def read_and_deliver(self) -> bool:
        """Take the bytes that are here, without waiting for any, and deliver() what they bring."""
        if not self._reading:  # who waits in a read of its own must be woken by these bytes
            self._read_now()
        return self.deliver()

    def deliver(self) -> bool:
        """Call the callbacks for what has arrived; return whether more can come."""
        if not self._opened_told:
            self._opened_told = True
            self._call(self.opened, ())
        while self._deliver_next():
            pass
        self._tell()
        if not self._is_over():
            return True
        self._end()
        if not self._closed_told:
            self._closed_told = True
            self._call(self.closed, (self._protocol.close_code, self._protocol.close_reason))
        return False

    def _deliver_next(self) -> bool:
        if self._resting is not None:
            self._rest()
        message = self._protocol.next_message()
        self._look_after()
        self._deliver_pongs()
        if message is not None:
            self._deliver_to(self.received_message, message)
        elif self._protocol.frames_this_turn < TURN:
            return False
        if self._is_turn_over():
            self._breathe()
        return True

    def _ponged(self, payload: bytes) -> None:
        if self._opened_told:  # or nobody is there to be called
            if self._pongs is None:
                self._pongs = []
            self._pongs.append(payload)

    def _deliver_pongs(self) -> None:
        if self._pongs is not None:
            pongs, self._pongs = self._pongs, None
            for payload in pongs:
                self._deliver_to(self.ponged, payload)

    def _deliver_to(self, callback: Callable[[Any], None], argument: Any) -> None:
        if not self._failed:
            self._call(callback, (argument,))

    def _call(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        try:
            callback(*args)
        except ConnectionClosed:
            return  # it used a connection that was over; closed() will tell
        except Exception as error:
            self._report(error)
            self._fail(error)
        except BaseException as error:  # as gevent.Timeout: nobody else ends this connection
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        self._failed = True
        self._give_up(error, "the application failed")

    def _report(self, error: Exception) -> None:
        try:
            self.unhandled_error(error)
        except Exception:
            logger.exception("%r: unhandled_error() failed", self)
