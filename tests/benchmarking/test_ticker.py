"""Tickers wait until a moment, not shorter, and let others run meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import gevent
import pytest

from geventws.benchmarking.ticker import HAS_TIMERFD, Ticker

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture(params=[False, pytest.param(True, id="timerfd")])
def ticker(request: pytest.FixtureRequest) -> Iterator[Ticker]:
    made = Ticker(request.param and HAS_TIMERFD)
    yield made
    made.close()


def test_ticker_waits_until_the_moment(ticker: Ticker) -> None:
    for wait in (0.02, 0.001, 0.0):
        moment = monotonic() + wait
        ticker.sleep_until(moment)
        assert monotonic() >= moment - 0.001  # the hub's timers may be early by that


def test_ticker_lets_others_run_though_the_moment_has_passed(ticker: Ticker) -> None:
    other = gevent.spawn(lambda: None)
    ticker.sleep_until(monotonic() - 5)
    assert other.ready()


def test_ticker_can_be_used_after_who_waited_was_killed(ticker: Ticker) -> None:
    waiting = gevent.spawn(ticker.sleep_until, monotonic() + 1000)
    gevent.idle()
    waiting.kill()
    moment = monotonic() + 0.005
    ticker.sleep_until(moment)
    assert moment - 0.001 <= monotonic() < moment + 900


def test_closing_twice_is_no_error() -> None:
    ticker = Ticker()
    ticker.close()
    ticker.close()
