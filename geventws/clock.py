"""The clock that deadlines go by, which a test may hold still.

Modules that wait by gevent's timers ask this one, so that geventws.testing can have both jump at
once. What blocks a thread, or measures, asks time.monotonic().
"""

from __future__ import annotations

import time

_held = -1.0  # what the clock says; below 0 it runs


def monotonic() -> float:
    """Return the seconds that time.monotonic() says, or those that the clock is held at."""
    return time.monotonic() if _held < 0.0 else _held


def hold(now: float) -> None:
    """Have the clock stand still at *now*, 0 or more, in all threads; below 0 it runs again."""
    global _held
    _held = now


def is_held() -> bool:
    """Return whether the clock stands still."""
    return _held >= 0.0
