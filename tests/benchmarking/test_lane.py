"""Lanes: which message goes out next, and which answer is the right one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventws.benchmarking.lane import HELD, Lane
from geventws.benchmarking.plan import Plan
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed
from tests.peers import Met, Net

pytestmark = pytest.mark.usefixtures("leaks_nothing")

ABC = ("a", "b", "c")


@pytest.fixture
def met() -> Iterator[Met]:
    with Net() as net:
        yield net.meet(side=Side.CLIENT)


def lane_of(met: Met, number: int = 0, **plan: Any) -> Lane:
    return Lane(met.ws, Plan(messages=ABC, **plan), number)


def test_lanes_begin_with_different_messages(met: Met) -> None:
    for number, expected in ((0, ["a", "b", "c", "a"]), (4, ["b", "c", "a", "b"])):
        lane = lane_of(met, number)
        for due in range(4):
            lane.ask(float(due))
        assert met.peer.receive(4) == expected
        assert list(lane.waiting) == [0.0, 1.0, 2.0, 3.0]


def test_right_answers_come_in_the_order_of_asking(met: Met) -> None:
    lane = lane_of(met, 1)
    assert [lane.is_right(each) for each in ("b", "c", "a", "a", b"c")] == [
        *(True, True, True),
        *(False, False),
    ]


def test_any_answer_is_right_where_there_is_no_echo(met: Met) -> None:
    lane = lane_of(met, echo=False)
    assert lane.is_right("x")
    assert lane.is_right(b"")


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({}, False),
        ({"in_flight": HELD}, False),
        ({"in_flight": HELD + 1}, True),
        ({"rate": 1.0}, True),
    ],
)
def test_sender_is_wanted_where_sending_may_wait(
    met: Met, plan: dict[str, Any], expected: bool
) -> None:
    assert lane_of(met, **plan).has_sender is expected


def test_sender_sends_what_was_asked_for_and_says_when_it_was_due(met: Met) -> None:
    lane = lane_of(met, rate=1.0)
    told: list[float] = []
    sender = gevent.spawn(lane.send_asked, told.append)
    try:
        lane.ask(1.5)
        lane.ask(2.5)
        assert met.peer.receive(2) == ["a", "b"]
    finally:
        sender.kill()
    assert told == [1.5, 2.5]


def test_sender_ends_with_the_connection(met: Met) -> None:
    lane = lane_of(met, rate=1.0)
    met.ws.drop()
    lane.ask(0.0)
    sender = gevent.spawn(lane.send_asked, lambda due: None)
    sender.get(timeout=10)


def test_asking_on_a_closed_connection_raises(met: Met) -> None:
    lane = lane_of(met)
    met.ws.drop()
    with pytest.raises(ConnectionClosed):
        lane.ask(0.0)


def test_greetings_are_passed_over(met: Met) -> None:
    lane = lane_of(met)
    met.peer.protocol.send_message("hello")
    met.peer.protocol.send_message("how are you")
    met.peer.answer()
    lane.pass_over()
    assert met.ws.stats.messages_received == 2
    with pytest.raises(TimeoutError):
        met.ws.receive(timeout=0)


def test_nothing_to_pass_over_is_no_error(met: Met) -> None:
    lane = lane_of(met)
    lane.pass_over()
    met.ws.drop()
    lane.pass_over()
