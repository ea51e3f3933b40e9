"""The clock of the compiled modules, which a test may hold still.

Plain Python asks time.monotonic(), under whatever name a module has it, and geventws.testing
replaces that name while one of its networks is open. Compiled modules ask C, through clock.pxd,
which comes here for the time where it is held.
"""

from __future__ import annotations

_held = -1.0  # what the clock says; below 0 it is nobody's, and runs


def hold(now: float) -> None:
    """Have the clock stand still at *now*, 0 or more; below 0 it runs again."""
    global _held
    _held = now


def held() -> float:
    """Return what hold() was last called with; below 0 the clock runs."""
    return _held
