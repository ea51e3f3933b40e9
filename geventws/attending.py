"""What sleeping applications would miss: pings to answer, peers that went, deadlines.

caretaker -> attend() -> seconds until the next time
"""

from __future__ import annotations

from typing import Final

from geventws.connection import Connection
from geventws.core.codes import ABNORMAL_CLOSURE, INTERNAL_ERROR, State
from geventws.core.protocol import TURN

LONGEST: Final = 3600.0  # seconds between two calls of attend(): no plan has a place for "never"


class Attended(Connection):
    """A Connection that somebody looks after: an ICaretaker, or a test with a clock of its own."""

    __slots__ = ()

    def attend(self, now: float) -> float | None:
        """Do what a sleeping application would miss; return the seconds until the next time.

        None says that the connection is over. Never waits. *now* is the monotonic clock's.
        """
        if self._transport.closed:
            return None
        if not self._reading and self._parked is None:
            self._read_for_nobody()
        if self._protocol.state != State.OPEN:
            return self._attend_end(now)
        if self._is_stuck(now):
            self._lose(TimeoutError("the peer takes no more bytes"))
            return None
        return self._keep_alive(now)

    def neglected(self) -> None:
        """Have the caretaker call attend() soon: bytes came, and nobody reads."""
        self._caretaker.hurry(self)

    def _keep_alive(self, now: float) -> float | None:
        keepalive = self._keepalive
        signs = self._signs()
        if keepalive.is_missed(now, signs, self._is_behind):
            error = TimeoutError("no pong in time")
            self._protocol.abort(ABNORMAL_CLOSURE, "no pong in time", error, INTERNAL_ERROR)
            self._post()
            self._drop()
            return None
        payload = keepalive.due(now, signs, not self._protocol.has_data())
        if payload is not None:
            self._protocol.send_ping(payload)
            self._post()
        soon = 0.0 if self._is_behind() else keepalive.next_at() - now
        return min(max(soon, 0.0), LONGEST)

    def _signs(self) -> int:
        """Return a number that changes when the peer shows life, by its bytes or by taking ours."""
        taken: int = self._transport.written if self._transport.unsent() else 0
        return self._protocol.wire_received + taken

    def _is_behind(self) -> bool:
        """Return whether the peer may have said something that this side has not looked at."""
        if self._reading or self._parked is not None:
            readable: bool = self._transport.readable()
            return readable
        return not self._protocol.wants_data() or self._protocol.frames_this_turn >= TURN

    def _attend_end(self, now: float) -> float | None:
        if self._protocol.state == State.CLOSED:
            self._end()
        ended = self._protocol.eof and not self._transport.unsent()
        if ended or now >= self._over_by:
            self._protocol.abort(ABNORMAL_CLOSURE, "no close frame in time")
            self._drop()
            return None
        return 0.0 if self._protocol.frames_this_turn >= TURN else self._over_by - now
