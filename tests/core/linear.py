"""Whether work grows with its input and no faster, judged by processor time."""

from __future__ import annotations

import time
from collections.abc import Callable

SMALL = 8192
TIMES = 16


def is_linear(work: Callable[[int], object]) -> bool:
    """Return whether work(size) takes far less than the square of TIMES for TIMES the size.

    A machine that is busy with something else may make it look so once, but not each time.
    """
    return any(_looks_linear(work) for _ in range(5))


def _looks_linear(work: Callable[[int], object]) -> bool:
    return _seconds(work, TIMES * SMALL) < TIMES * 5 * _seconds(work, SMALL)


def _seconds(work: Callable[[int], object], size: int) -> float:
    """Return the least of several tries: others can only make one longer."""
    spent = []
    for _ in range(3):
        before = time.thread_time()
        work(size)
        spent.append(time.thread_time() - before)
    return max(min(spent), 1e-5)
