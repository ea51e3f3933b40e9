from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from geventws.adapters.threaded.care import LONGEST, SLOT, Calendar
from geventws.interfaces import ICaretaker


@pytest.fixture
def calendar() -> Calendar:
    return Calendar([].append)


def test_calendar_is_what_its_interface_says(calendar: Calendar) -> None:
    assert verifyObject(ICaretaker, calendar)


def test_calendar_returns_who_is_due(calendar: Calendar) -> None:
    now = monotonic()
    calendar.plan("soon", 1)
    calendar.plan("later", 10)
    assert calendar.due(now) == []
    assert calendar.due(now + 1 + 2 * SLOT) == ["soon"]
    assert calendar.due(now + 1 + 3 * SLOT) == []
    assert calendar.due(now + 10 + 2 * SLOT) == ["later"]


def test_calendar_keeps_the_earliest_of_several_plans(calendar: Calendar) -> None:
    now = monotonic()
    for seconds in (10, 1, 5):
        calendar.plan("it", seconds)
    assert calendar.due(now + 1 + 2 * SLOT) == ["it"]
    assert calendar.due(now + 20) == []


def test_calendar_returns_together_who_is_due_in_one_slot(calendar: Calendar) -> None:
    now = monotonic()
    for name in "abc":
        calendar.plan(name, 0)
    assert calendar.due(now + 2 * SLOT) == ["a", "b", "c"]


def test_calendar_is_never_too_late_for_a_plan(calendar: Calendar) -> None:
    now = monotonic()
    assert calendar.due(now + 5) == []  # as if it had been asked in the middle of plan()
    calendar.plan("it", -1)
    assert calendar.due(now + 5 + 2 * SLOT) == ["it"]


def test_calendar_plans_an_hour_ahead_at_most(calendar: Calendar) -> None:
    now = monotonic()
    calendar.plan("it", 10 * LONGEST)
    assert calendar.due(now + LONGEST + 2 * SLOT) == ["it"]


def test_calendar_leaves_out_who_is_cancelled(calendar: Calendar) -> None:
    now = monotonic()
    for name in "ab":
        calendar.plan(name, 0)
    calendar.cancel("a")
    calendar.cancel("a")
    assert calendar.due(now + 2 * SLOT) == ["b"]
    calendar.plan("a", 5)
    calendar.cancel("a")
    assert calendar.due(now + 10) == []


def test_calendar_says_who_is_over() -> None:
    over: list[Any] = []
    calendar = Calendar(over.append)
    calendar.plan("it", 0)
    calendar.forget("it")
    assert over == ["it"]
    assert calendar.due(monotonic() + 1) == []
