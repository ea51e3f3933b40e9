"""How late the hub is, while somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import gevent
import pytest

from geventws.lag import TICK, UNWATCHED, HubLag
from tests.pairs import burn
from tests.rawpeer import PATIENCE

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def lag() -> Iterator[HubLag]:
    found = HubLag()
    yield found
    found.stop()


def test_lag_is_the_longest_that_the_hub_was_kept_from_its_work(lag: HubLag) -> None:
    assert lag.read() == 0.0
    gevent.sleep(TICK * 2)  # the clock runs
    burn(0.3)
    gevent.sleep(TICK * 2)
    assert 0.2 < lag.read() < 10


def test_lag_is_told_while_the_hub_is_still_stuck(lag: HubLag) -> None:
    lag.read()
    gevent.sleep(TICK * 2)
    burn(0.3)
    assert lag.read() > 0.2


def test_lag_may_be_read_in_another_thread(lag: HubLag) -> None:
    found: list[float] = []
    thread = Thread(target=lambda: found.append(lag.read()))
    thread.start()
    thread.join()
    gevent.sleep(TICK * 2)
    burn(0.3)
    thread = Thread(target=lambda: found.append(lag.read()))
    thread.start()
    thread.join()
    assert found[0] == 0.0
    assert found[1] > 0.2


def test_lag_runs_no_timer_before_it_is_read() -> None:
    lag = HubLag()
    gevent.sleep(0)
    assert lag._timer is None


def test_lag_stops_when_nobody_reads_any_more(lag: HubLag) -> None:
    lag.read()
    gevent.sleep(TICK * 2)
    lag.stop()
    assert lag.read() == 0.0  # it begins anew


def test_lag_is_measured_no_more_when_nobody_has_read_it_for_long(lag: HubLag) -> None:
    lag.read()
    lag._until -= UNWATCHED
    with gevent.Timeout(PATIENCE):
        while lag._until:
            gevent.sleep(TICK)
    assert lag._timer is None
    assert lag.read() == 0.0


def test_lag_that_is_stopped_at_once_never_begins(lag: HubLag) -> None:
    lag.read()
    lag.stop()
    gevent.sleep(TICK)
    assert lag._timer is None


def test_lag_that_was_started_is_measured_until_it_is_stopped(lag: HubLag) -> None:
    assert lag.now() == 0.0
    lag.start()
    timer = lag._timer
    lag.start()
    assert lag._timer is timer
    burn(0.3)
    assert lag.now() > 0.2
    with gevent.Timeout(PATIENCE):
        while lag.now() > 0.2:  # it is not late any more
            gevent.sleep(TICK)
    assert lag.read() > 0.2  # but was
    lag.stop()
    assert lag.now() == 0.0
