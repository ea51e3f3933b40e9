"""One timer for many deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.adapters.locust.alarm import Alarm

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    alarm = Alarm()
    yield alarm
    alarm.close()


def waited(alarm: Alarm, seconds: float) -> float:
    """Wait for the alarm and return how long that took."""
    start = monotonic()
    alarm.set(start + seconds)
    try:
        with pytest.raises(TimeoutError, match="nothing arrived in time"):
            Event().wait(20)
    finally:
        alarm.clear()
    return monotonic() - start


def test_alarm_raises_in_who_waits_too_long(alarm: Alarm) -> None:
    assert waited(alarm, 0.1) >= 0.1


def test_alarm_is_set_anew_for_a_later_and_an_earlier_time(alarm: Alarm) -> None:
    alarm.set(monotonic() + 0.05)
    assert waited(alarm, 0.2) >= 0.2
    alarm.set(monotonic() + 1000)
    assert waited(alarm, 0.1) >= 0.1


def test_alarm_that_is_cleared_raises_nothing(alarm: Alarm) -> None:
    alarm.set(monotonic() + 0.05)
    alarm.clear()
    gevent.sleep(0.1)
    assert waited(alarm, 0.1) >= 0.1


def test_alarm_that_is_closed_raises_nothing(alarm: Alarm) -> None:
    alarm.set(monotonic() + 0.05)
    alarm.close()
    done: Any = Event()
    assert not done.wait(0.2)


def test_alarm_raises_in_the_greenlet_that_set_it(alarm: Alarm) -> None:
    waiting = gevent.spawn(waited, alarm, 0.1)
    gevent.sleep(0)
    assert waiting.get(timeout=10) >= 0.1
