"""The connections that reconnect() gives, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from geventws.clock import monotonic
from geventws.core.codes import NORMAL_CLOSURE
from geventws.core.errors import ConnectionClosed, ProtocolError
from geventws.options import seconds
from geventws.resuming import Resumption
from geventws.websocket import WebSocket


class Returning(WebSocket):
    """Remembers that it was closed normally, which a peer that does not answer would hide."""

    __slots__ = ("is_done",)

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.is_done = False

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection; see WebSocket."""
        if code == NORMAL_CLOSURE and self.close_code is None:
            self.is_done = True
        super().close(code, reason)

    def ending(self) -> ConnectionClosed:
        """Return how it ended."""
        return self._protocol.closed_error()


class ResumingWebSocket(Returning):
    """A connection of reconnect(resume=True): each message that was published comes once, in order.

    What is received is what the server's application sent, and what was published in the rooms that
    it had us join; of the latter also what was published while no connection was open, as far as
    the server remembers. A server that breaks the rules of that is failed with 1002.

    Attributes:
        heard_in: the room where the message received last was published; None where it was sent to
            this client alone.
        unrecovered: the rooms where something was missed for good, as far as is known from what was
            received. It is the same set on all connections of one reconnect(); whoever has dealt
            with a room takes it out.
    """

    __slots__ = ("_failure", "_resumption", "heard_in", "unrecovered")

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._failure: ConnectionClosed | None = None
        self.heard_in: str | None = None
        self.resume(Resumption())

    def resume(self, resumption: Resumption) -> None:
        """Go on from what is known by the connections before this one."""
        self._resumption = resumption
        self.unrecovered = resumption.unrecovered

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message and return it; see WebSocket."""
        deadline = None if timeout is None else monotonic() + seconds(timeout)
        message = None
        while message is None:
            left = None if deadline is None else max(0.0, deadline - monotonic())
            message = self._take(super().receive(left))
        return message

    def receive_pieces(self) -> Iterator[str | bytes]:
        """Wait for the next message and yield it, in one piece; see WebSocket."""
        yield self.receive()

    def ending(self) -> ConnectionClosed:
        """Return how it ended."""
        return self._failure or super().ending()

    def _take(self, message: str | bytes) -> str | bytes | None:
        """Return what *message* brings, if it brings anything."""
        if self._failure is not None:
            raise self._failure
        try:
            received = self._resumption.take(message)
        except ProtocolError as error:
            raise self._refuse(error) from error
        self.heard_in = received.room
        return received.message

    def _refuse(self, error: ProtocolError) -> ConnectionClosed:
        """Fail the connection, also where it was over and this read late; return how it ended."""
        self._failure = ConnectionClosed(error.code, str(error), False)
        self._protocol.fail(error)
        self._end()
        return self._failure
