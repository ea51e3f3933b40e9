"""The clock of the compiled modules."""

from __future__ import annotations

from geventws import clock


def test_clock_is_held_until_it_is_let_go() -> None:
    before = clock.held()
    clock.hold(5.0)
    now = clock.held()
    clock.hold(-1.0)
    assert (before, now, clock.held()) == (-1.0, 5.0, -1.0)
