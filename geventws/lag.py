"""How late a hub is: seconds that something kept it from what was due."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

import gevent

TICK: Final = 0.05  # seconds between two looks
UNWATCHED: Final = 60.0  # seconds without read() after which the clock stands still


class HubLag:
    """Measures the hub of the thread that makes it, while somebody reads.

    One timer looks twenty times a second whether it is late. It runs from the first read() on, for
    a minute after the last one, and keeps no program alive.
    """

    def __init__(self) -> None:
        self._loop: Any = gevent.get_hub().loop
        self._timer: Any = None
        self._due = self._until = self._worst = 0.0

    def read(self) -> float:
        """Return the longest delay since the last read(), in seconds; 0.0 the first time.

        May be called in any thread. A hub that is stuck just now is late already.
        """
        now = monotonic()
        worst, self._worst = self._worst, 0.0
        self._until = now + UNWATCHED
        if self._timer is None:
            self._loop.run_callback_threadsafe(self._start)
            return 0.0
        return max(worst, now - self._due)

    def stop(self) -> None:
        """Measure no more, until the next read()."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()

    def _start(self) -> None:
        if self._timer is None:
            self._due = monotonic() + TICK
            self._timer = self._loop.timer(TICK, TICK, ref=False)
            self._timer.start(self._look)

    def _look(self) -> None:
        now = monotonic()
        self._worst = max(self._worst, now - self._due)
        self._due = now + TICK
        if now > self._until:
            self.stop()
