"""Turns: one after another, and what is thrown meanwhile."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult, Event
from gevent.exceptions import BlockingSwitchOutError

from geventws.backlog import CLOSE, SlowPeers
from geventws.counts import Counts
from geventws.turns import Turns, Undisturbed

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def turns() -> Turns:
    return Turns(SlowPeers(CLOSE, 1, 1), Counts())


def test_turns_are_given_in_the_order_of_asking(turns: Turns) -> None:
    done: list[int] = []

    def work(number: int) -> None:
        with turns.in_turn():
            gevent.idle()
            done.append(number)

    gevent.joinall([gevent.spawn(work, number) for number in range(5)], raise_error=True)
    assert done == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("undisturbed", [False, True])
def test_who_is_interrupted_in_line_lets_nobody_overtake(turns: Turns, undisturbed: bool) -> None:
    done: list[str] = []
    go_on, keep = Event(), Undisturbed()

    def work(name: str, wait: Any = None) -> None:
        with turns.in_turn(wait):
            if name == "first":
                go_on.wait()
            done.append(name)

    greenlets = [
        gevent.spawn(work, "first"),
        gevent.spawn(work, "second", keep.wait if undisturbed else None),
        gevent.spawn(work, "third"),
    ]
    gevent.idle()
    greenlets[1].kill(block=False)
    gevent.idle()
    assert done == []
    go_on.set()
    gevent.joinall(greenlets)
    assert done == (["first", "second", "third"] if undisturbed else ["first", "third"])
    assert isinstance(keep.error, gevent.GreenletExit) == undisturbed


def test_undisturbed_one_keeps_the_first_of_what_is_thrown() -> None:
    go_on, keep = Event(), Undisturbed()
    waiting = gevent.spawn(keep.wait, go_on.wait)
    gevent.idle()
    first, second = ValueError("first"), ValueError("second")
    for error in (first, second):
        waiting.kill(error, block=False)
        gevent.idle()
    assert not waiting.ready()
    go_on.set()
    waiting.get()
    assert keep.error is first


def test_undisturbed_one_does_not_wait_where_nobody_can() -> None:
    outcome: Any = AsyncResult()

    def wait_in_hub() -> None:
        try:
            Undisturbed().wait(lambda: gevent.sleep(1))
        except BlockingSwitchOutError as error:
            outcome.set(error)

    gevent.get_hub().loop.run_callback(wait_in_hub)
    assert isinstance(outcome.get(timeout=10), BlockingSwitchOutError)
