"""What a scenario is asked for, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

Progress = Callable[[float], object]  # is told from 0 to 1 how far it is


class Figure(NamedTuple):
    """A number, and the one that it must not exceed; None is no bound."""

    what: str
    found: float
    most: float | None = None
    unit: str = ""

    @property
    def good(self) -> bool:
        """Whether it is within its bound."""
        return self.most is None or self.found <= self.most


class Plan(NamedTuple):
    """How long and how much.

    Attributes:
        seconds: of load, where a scenario has a length.
        scale: of all crowds and counts; 1 is what the page promises.
        progress: is told how far the scenario is.
    """

    seconds: float
    scale: float = 1.0
    progress: Progress = lambda part: None

    def count(self, number: int) -> int:
        """Return how many there are where the page promises *number*."""
        return max(1, round(number * self.scale))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def growth(samples: Sequence[float]) -> float:
    """Return by how much the end of *samples* is over their beginning, each a tenth of them."""
    tenth = max(1, len(samples) // 10)
    return median(samples[-tenth:]) - median(samples[:tenth])
