"""Tallies add up."""

from __future__ import annotations

from geventws.benchmarking.tally import Tally


def test_tally_of_nothing_has_no_rate() -> None:
    tally = Tally()
    assert (tally.messages, tally.rate, tally.busy) == (0, 0, 0)


def test_update_adds_all() -> None:
    both, other = Tally(), Tally()
    for tally, failure in ((both, "a"), (other, "b")):
        tally.seconds, tally.ran, tally.processor = 2.0, 4.0, 1.0
        tally.received, tally.unanswered = 10, 3
        tally.latencies.add(0.5)
        tally.late.add(0.25)
        tally.failures.update(["c", failure])
    both.update(other)
    assert (both.messages, both.rate, both.busy) == (2, 0.5, 0.25)
    assert (both.seconds, both.received, both.unanswered) == (4.0, 20, 6)
    assert both.late.total == 0.5
    assert both.failures == {"a": 1, "b": 1, "c": 2}
