"""How late a hub is: seconds that something kept it from what was due."""

from __future__ import annotations

from typing import Any, Final

import gevent

from geventws.clock import monotonic

TICK: Final = 0.05  # seconds between two looks
UNWATCHED: Final = 60.0  # seconds without read() after which the clock stands still


class HubLag:
    """Measures the hub of the thread that makes it, while somebody reads, or from start() on.

    One timer looks twenty times a second whether it is late. Without start() it runs from the first
    read() on, for a minute after the last one. It keeps no program alive.
    """

    def __init__(self) -> None:
        self._loop: Any = gevent.get_hub().loop
        self._timer: Any = None
        self._due = self._until = self._latest = self._worst = 0.0

    def start(self) -> None:
        """Measure until stop(); call it in the hub's thread."""
        self._until = float("inf")
        self._begin()

    def stop(self) -> None:
        """Measure no more, until the next read() or start(); call it in the hub's thread."""
        self._until = self._latest = 0.0
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.stop()
            timer.close()

    def now(self) -> float:
        """Return how late the hub is, or was when last looked at; 0.0 while nothing is measured."""
        return 0.0 if self._timer is None else max(self._latest, monotonic() - self._due)

    def read(self) -> float:
        """Return the longest delay since the last read(), in seconds; 0.0 the first time.

        May be called in any thread. A hub that is stuck just now is late already.
        """
        now = monotonic()
        worst, self._worst = self._worst, 0.0
        self._until = max(self._until, now + UNWATCHED)
        if self._timer is None:
            self._loop.run_callback_threadsafe(self._begin)
            return 0.0
        return max(worst, now - self._due)

    def _begin(self) -> None:
        if self._timer is None and self._until:  # stop() may have come first
            self._due = monotonic() + TICK
            self._worst = 0.0
            self._timer = self._loop.timer(TICK, TICK, ref=False)
            self._timer.start(self._look)

    def _look(self) -> None:
        now = monotonic()
        self._latest = max(0.0, now - self._due)
        self._worst = max(self._worst, self._latest)
        self._due = now + TICK
        if now > self._until:
            self.stop()
