"""What the connections of one process have done: read from them when asked, added up at their end.

connection.stats, as long as it is open -> Gauges -> Report -> the master
"""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from gevent.event import Event

from geventws.adapters.locust.tapped import Tapped

DIGITS: Final = 2  # of a latency: that makes no more than 90 keys from a power of ten to the next
MICROSECONDS: Final = 1_000_000
FLOWS: Final = ("messages_sent", "messages_received", "bytes_sent", "bytes_received")


class Totals(NamedTuple):
    """Numbers that only grow; those of several processes add up to those of all, exactly.

    *flows* are counts of connections, messages and bytes, *codes* how many connections ended with
    which close code, *pings* how many took how long: microseconds, to two digits.
    """

    flows: Counter[str]
    codes: Counter[int]
    pings: Counter[int]

    def plus(self, other: Totals) -> Totals:
        """Return these and *other* together."""
        return Totals(self.flows + other.flows, self.codes + other.codes, self.pings + other.pings)

    def minus(self, other: Totals) -> Totals:
        """Return what came after *other*, which these were once."""
        return Totals(self.flows - other.flows, self.codes - other.codes, self.pings - other.pings)


NOTHING: Final = Totals(Counter(), Counter(), Counter())


class Report(NamedTuple):
    """What one process tells: the Totals of its test so far, and how it stands.

    *test* is how many tests it has begun, *at* when this is by its own clock, *seconds* how long
    the test has run, *open* how many connections are open, *over* whether no users are running.
    """

    test: int
    at: float
    seconds: float
    open: int
    over: bool
    totals: Totals

    def plain(self) -> list[Any]:
        """Return it in lists, dicts and numbers, as it can be sent."""
        return [*self[:-1], [dict(each) for each in self.totals]]

    @classmethod
    def of(cls, plain: list[Any]) -> Report:
        """Return what plain() was called of."""
        *fields, (flows, codes, pings) = plain
        return cls(*fields, totals=Totals(Counter(flows), Counter(codes), Counter(pings)))  # type: ignore[misc]


class Gauges:
    """Counts for one Environment, in one process."""

    def __init__(self) -> None:
        self._open: set[Tapped] = set()
        self._all_ended = Event()
        self._ended = Totals(Counter(), Counter(), Counter())  # of connections that have
        self._zero = NOTHING  # what was there when the test began
        self._test = 0
        self._began_at = monotonic()
        self._stopped_at: float | None = self._began_at

    # What connections tell

    def opened(self, connection: Tapped) -> None:
        """Count *connection* from now on."""
        self._ended.flows["opened"] += 1
        self._open.add(connection)

    def ended(self, connection: Tapped) -> None:
        """Count *connection* for the last time; all of its messages have been taken."""
        self._open.remove(connection)
        self._ended.flows["closed"] += 1
        self._ended.flows.update(flows_of(connection))
        self._ended.codes[connection.ending().code] += 1
        if not self._open:
            self._all_ended.set()

    def ponged(self, latency: float) -> None:
        """Count a ping that was answered after *latency* seconds."""
        self._ended.pings[rounded(latency)] += 1

    # What Locust tells

    def begin_test(self) -> None:
        """Count from zero again; connections that are open stay so."""
        self._zero = self._totals()
        self._test += 1
        self._began_at = monotonic()
        self._stopped_at = None

    def end_test(self, patience: float) -> None:
        """Wait at most *patience* seconds for the connections that the users have left to end."""
        self._stopped_at = monotonic()
        if self._open:
            self._all_ended.clear()
            self._all_ended.wait(patience)

    def report(self) -> Report:
        """Return how things stand."""
        now = monotonic()
        over = self._stopped_at is not None
        seconds = (self._stopped_at or now) - self._began_at
        totals = self._totals().minus(self._zero)
        return Report(self._test, now, seconds, len(self._open), over, totals)

    def _totals(self) -> Totals:
        flows = self._ended.flows.copy()
        for connection in self._open:
            flows.update(flows_of(connection))
        return Totals(flows, self._ended.codes.copy(), self._ended.pings.copy())


_all: WeakKeyDictionary[Any, Gauges] = WeakKeyDictionary()


def gauges_of(environment: Any) -> Gauges:
    """Return the Gauges of *environment*, always the same."""
    if environment not in _all:
        _all[environment] = Gauges()
    return _all[environment]


def flows_of(connection: Tapped) -> dict[str, int]:
    """Return what went over *connection* so far."""
    stats = connection.stats
    return {name: getattr(stats, name) for name in FLOWS}


def rounded(latency: float) -> int:
    """Return the microseconds of *latency*, in seconds, to two digits."""
    exact = max(round(latency * MICROSECONDS), 0)
    return round(exact, DIGITS - len(str(exact)))


def percentile(pings: Counter[int], share: float) -> float | None:
    """Return the milliseconds that a *share* of *pings* took at most; None where there are none."""
    wanted = share * pings.total()
    passed = 0
    for microseconds in sorted(pings):
        passed += pings[microseconds]
        if passed >= wanted:
            return microseconds / 1000
    return None
