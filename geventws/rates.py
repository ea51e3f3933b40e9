"""How much in how much time: token buckets; no clock and no I/O."""

from __future__ import annotations

from math import inf
from typing import Any, Final, NamedTuple, TypeAlias

# Seconds' worth that may come at once: what a peer says while its network is down comes all at once
# afterwards, and that is no reason to close it.
BURST: Final = 10.0

RateArgument: TypeAlias = "float | tuple[float, float] | None"


class Rate(NamedTuple):
    """What may come: so much per second in the long run, and so much at once."""

    per_second: float
    burst: float


def rate_of(name: str, given: Any) -> Rate | None:
    """Return the Rate that *given* asks for: a number per second, or a pair with the burst too.

    The burst is ten seconds' worth where nobody says, and at least 1. None is no limit.

    Raises:
        TypeError, ValueError: *given*, the argument called *name*, is neither.
    """
    if given is None:
        return None
    pair = given if isinstance(given, tuple) else (given, given)
    if len(pair) != 2 or not all(_is_number(each) for each in pair):
        raise TypeError(f"{name}: a number per second, a pair of it and a burst, or None")
    if not all(0 < each < inf for each in pair):
        raise ValueError(f"{name}: must be greater than 0 and finite")
    if pair is given and pair[1] < 1:
        raise ValueError(f"{name}: a burst of at least 1")
    return Rate(pair[0], pair[1] if pair is given else max(BURST * pair[0], 1.0))


class Bucket:
    """What is left of a Rate. *now* is the monotonic clock's seconds, everywhere."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._left = rate.burst
        self._at = now

    def spend(self, count: float, now: float) -> bool:
        """Take *count* out, which has come already; return whether so much was there."""
        rate = self._rate
        # not by a call of _refill(), for this is done at every read
        self._left = min(self._left + (now - self._at) * rate[0], rate[1]) - count
        self._at = now
        return self._left >= 0

    def take(self, now: float) -> float:
        """Take 1 out and return 0.0; where it is not there, the seconds until it is."""
        self._refill(now)
        if self._left < 1:
            return (1 - self._left) / self._rate.per_second
        self._left -= 1
        return 0.0

    def is_full(self, now: float) -> bool:
        """Return whether it is as if nothing had ever been taken."""
        self._refill(now)
        return self._left >= self._rate.burst

    def _refill(self, now: float) -> None:
        come = (now - self._at) * self._rate.per_second
        self._left = min(self._left + come, self._rate.burst)
        self._at = now


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool)
