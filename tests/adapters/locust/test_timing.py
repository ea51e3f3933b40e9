"""The stopwatch of an opening."""

from __future__ import annotations

from geventws.adapters.locust.timing import Stopwatch, Timing
from geventws.client import CREDENTIALS, NAME_LOOKUP, PROXY, TCP, TLS
from geventws.opening import PHASE


def test_stopwatch_gives_each_phase_its_time() -> None:
    watch = Stopwatch()
    for phase in (NAME_LOOKUP, TCP, TLS, PHASE):
        watch.begin(phase)
        assert watch.now == phase
    timing = watch.stop()
    assert all(passed is not None and passed >= 0 for passed in timing)


def test_stopwatch_that_is_stopped_early_has_no_time_for_the_rest() -> None:
    watch = Stopwatch()
    assert watch.stop() == Timing(None, None, None, None)
    watch.begin(NAME_LOOKUP)
    watch.begin(TCP)
    timing = watch.stop()
    assert [passed is None for passed in timing] == [False, False, True, True]


def test_stopwatch_adds_up_what_comes_again() -> None:
    watch = Stopwatch()
    for phase in (CREDENTIALS, NAME_LOOKUP, TCP, PROXY, TLS, PHASE) * 2:
        watch.begin(phase)
    first = watch.stop()
    watch.begin(TCP)
    again = watch.stop()
    assert None not in first
    assert (again.tcp or 0) >= (first.tcp or 0)
    assert again.tls == first.tls
