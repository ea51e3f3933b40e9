"""Counts of times, in buckets that are as wide as the time is long, as HdrHistogram has them.

Ten times and a billion take the same memory, and every percentile is as precise as the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf, log
from typing import Final, NamedTuple

BITS: Final = 7  # 128 buckets for each doubling
PRECISION: Final = 1 / (2 << BITS)  # of a percentile, relative: half a bucket
NANOSECONDS: Final = 1_000_000_000
LONGEST: Final = (1 << 48) - 1  # nanoseconds, three days; what takes longer counts as that
_EXACT: Final = 2 << BITS  # nanoseconds that have a bucket each


class Row(NamedTuple):
    """So many times lay between *low* and *high*, in seconds."""

    low: float
    high: float
    times: int


class Histogram:
    """How often which times came.

    Attributes:
        count: how many.
        total: their sum in seconds.
        least, most: the shortest and the longest one, exact.
    """

    __slots__ = ("_buckets", "count", "least", "most", "total")

    def __init__(self) -> None:
        self._buckets = [0] * (_index(LONGEST) + 1)
        self.count = 0
        self.total = 0.0
        self.least = inf
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """Count a time, which is not negative."""
        self._buckets[_index(min(int(seconds * NANOSECONDS), LONGEST))] += 1
        self.count += 1
        self.total += seconds
        if seconds > self.most:
            self.most = seconds
        if seconds < self.least:
            self.least = seconds

    def update(self, other: Histogram) -> None:
        """Count the times of *other* as well."""
        self._buckets = [a + b for a, b in zip(self._buckets, other._buckets, strict=True)]
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    def mean(self) -> float:
        """Return the mean of the times, exact; 0 where there are none."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> float:
        """Return the time that *percent* of all did not exceed, off by PRECISION of it at most.

        That of 100 is exact; 0 where there are no times.
        """
        rank = max(1, ceil(self.count * percent / 100))
        if rank >= self.count:
            return self.most
        seen, found = 0, 0.0
        for middle, count in self._middles():
            if seen >= rank:
                break
            seen, found = seen + count, middle
        return min(max(found, self.least), self.most)

    def rows(self, most: int) -> list[Row]:
        """Return all times in at most so many rows, each reaching by the same factor further."""
        if not self.count:
            return []
        low, high = max(self.least, 1 / NANOSECONDS), self.most
        if high <= low * (1 + 2 * PRECISION):
            return [Row(self.least, high, self.count)]
        step = log(high / low) / most
        counts = [0] * most
        for middle, count in self._middles():
            counts[min(most - 1, max(0, int(log(middle / low) / step)))] += count
        bounds = [low * (high / low) ** (number / most) for number in range(most + 1)]
        return [Row(*row) for row in zip(bounds, bounds[1:], counts, strict=False)]

    def _middles(self) -> Iterator[tuple[float, int]]:
        """Yield the middle of each bucket that has anything, in seconds, and its count."""
        for index, count in enumerate(self._buckets):
            if count:
                yield _middle(index), count


def _index(nanoseconds: int) -> int:
    shift = nanoseconds.bit_length() - BITS - 1
    return nanoseconds if shift <= 0 else (shift << BITS) + (nanoseconds >> shift)


def _middle(index: int) -> float:
    if index < _EXACT:
        return (index + 0.5) / NANOSECONDS
    shift = (index >> BITS) - 1
    return ((index - (shift << BITS) + 0.5) * (1 << shift)) / NANOSECONDS
