"""One timer for the deadlines of many reads: a timer for each costs a tenth of the round trip."""

from __future__ import annotations

from time import monotonic
from typing import Any

import gevent
from greenlet import getcurrent


class Alarm:
    """Raises TimeoutError in who waits too long; one waits at a time.

    Its timer goes on when a read ends, and when it rings looks whether somebody waits now.
    """

    __slots__ = ("_deadline", "_rings_at", "_timer", "_waiting")

    def __init__(self) -> None:
        self._waiting: Any = None
        self._deadline = 0.0
        self._timer: Any = None
        self._rings_at = 0.0

    def set(self, deadline: float) -> None:
        """Raise in the calling greenlet at *deadline*, unless clear() is called before."""
        self._waiting = getcurrent()
        self._deadline = deadline
        if self._timer is None or deadline < self._rings_at:
            self._start()

    def clear(self) -> None:
        """Raise nothing."""
        self._waiting = None

    def close(self) -> None:
        """Let go of the timer; who waits is not raised in any more."""
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _start(self) -> None:
        self.close()
        self._rings_at = self._deadline
        # a timer that nobody waits for must not keep the hub from ending
        self._timer = gevent.get_hub().loop.timer(max(self._deadline - monotonic(), 0.0), ref=False)
        self._timer.start(self._ring, update=True)

    def _ring(self) -> None:
        self.close()
        if self._waiting is None:
            return
        if monotonic() < self._deadline:
            self._start()
        else:
            self._waiting.throw(TimeoutError("nothing arrived in time"))
