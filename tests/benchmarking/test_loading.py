"""Rounds: what is counted, what is blamed on the server, and what fails."""

from __future__ import annotations

from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.benchmarking.lane import Lane
from geventws.benchmarking.loading import Round
from geventws.benchmarking.plan import messages_of
from geventws.benchmarking.tally import Tally
from geventws.core.codes import Side
from tests.benchmarking.scene import (
    IN_TIME,
    answer_all,
    answer_otherwise,
    answering,
    fail_inside,
    fleet_to,
    loaded,
    plan_of,
    say_nothing,
    send_back,
)
from tests.pairs import RawPeer
from tests.peers import Net, Peer
from tests.servers import accept, echo

pytestmark = pytest.mark.usefixtures("leaks_nothing")


# What is counted


def test_closed_loop_sends_as_many_as_are_to_count() -> None:
    tally = loaded(echo, plan_of(count=50))
    assert (tally.messages, tally.received, tally.failures) == (50, 1000, {})
    assert 0 < tally.seconds <= tally.ran
    assert tally.rate == 50 / tally.seconds
    assert tally.late.count == 0


def test_fewer_messages_than_connections_are_sent() -> None:
    assert loaded(echo, plan_of(connections=3, count=2)).messages == 2


def test_open_loop_sends_as_many_as_are_to_count() -> None:
    tally = loaded(echo, plan_of(count=50, rate=500.0))
    assert (tally.messages, tally.received, tally.failures) == (50, 1000, {})
    assert tally.seconds >= 49 / 500
    assert tally.late.count == 50


def test_open_loop_sends_what_is_due_in_the_time() -> None:
    tally = loaded(echo, plan_of(count=None, duration=0.5, rate=200.0))
    assert (tally.messages, tally.failures) == (100, {})
    assert tally.seconds >= 0.5


def test_closed_loop_lasts_as_long_as_planned() -> None:
    start = monotonic()
    tally = loaded(echo, plan_of(count=None, duration=0.3))
    assert tally.messages > 3
    assert 0.3 <= tally.seconds <= monotonic() - start


@pytest.mark.parametrize("limit", [{"count": 1}, {"count": None, "duration": 0.1}])
def test_open_loop_is_over_when_nothing_more_will_be_due(limit: dict[str, Any]) -> None:
    assert loaded(echo, plan_of(rate=0.001, **limit)).messages == 1


@pytest.mark.parametrize("rate", [None, 200.0])
def test_warm_up_does_not_count(rate: float | None) -> None:
    seen = 0

    def count(peer: RawPeer, frame: Any) -> None:
        nonlocal seen
        seen += 1
        send_back(peer, frame)

    tally = loaded(answering(count), plan_of(warm_up=0.2, rate=rate))
    assert (tally.messages, tally.failures) == (20, {})
    assert tally.late.count == (20 if rate else 0)
    assert seen > 20


def test_so_many_are_in_flight_on_each_connection() -> None:
    sizes: list[int] = []
    alone = Event()

    def gather(sock: Any) -> None:
        peer = accept(sock)
        frames = [peer.next() for _ in range(5)]
        alone.wait(0.1)
        sizes.append(len(peer._data))  # nothing of a sixth
        for frame in frames:
            assert frame is not None
            send_back(peer, frame)
        peer.answer_close()

    plan = plan_of(connections=2, in_flight=5, count=10)
    assert loaded(gather, plan).messages == 10
    assert sizes == [0, 0]


def test_many_in_flight_do_not_lock_up_where_little_fits_in_between() -> None:
    plan = plan_of(connections=1, in_flight=40, count=60, messages=messages_of(1 << 16, True))
    tally = Tally()
    with Net() as net, gevent.Timeout(IN_TIME):
        met = net.meet(side=Side.CLIENT)
        echoing = gevent.spawn(echo_one_by_one, met.peer)
        try:
            Round(plan, [Lane(met.ws, plan, 0)], tally).run()
        finally:
            echoing.kill()
    assert (tally.messages, tally.received, tally.failures) == (60, 60 << 16, {})


def echo_one_by_one(peer: Peer) -> None:
    while messages := peer.receive(1):
        peer.protocol.send_message(messages[0])
        peer.answer()


def test_answers_of_any_kind_count_where_there_is_no_echo() -> None:
    tally = loaded(answering(answer_otherwise), plan_of(echo=False))
    assert (tally.messages, tally.received, tally.failures) == (20, 100, {})


def test_messages_of_nothing_can_be_sent() -> None:
    assert loaded(echo, plan_of(messages=("",))).messages == 20


def test_greeting_is_no_answer() -> None:
    def greet(sock: Any) -> None:
        answer_all(accept(sock, then=b"\x81\x05hello"), send_back)

    tally = loaded(greet, plan_of(connections=1))
    assert (tally.messages, tally.failures) == (20, {})


# When a message was due


def test_latency_is_the_time_of_the_server() -> None:
    def take_time(peer: RawPeer, frame: Any) -> None:
        gevent.sleep(0.02)
        send_back(peer, frame)

    tally = loaded(answering(take_time), plan_of())
    assert 0.019 <= tally.latencies.percentile(50) < 2


def test_stall_is_seen_in_all_messages_that_were_due_meanwhile() -> None:
    tally = loaded(stalling(), plan_of(connections=1, rate=200.0, count=300))
    assert (tally.messages, tally.failures) == (300, {})
    assert tally.latencies.most >= 0.9
    assert tally.latencies.percentile(75) >= 0.3  # about 200 of 300 came due in that second


def test_stall_is_seen_once_in_the_closed_loop() -> None:
    tally = loaded(stalling(), plan_of(connections=1, count=300))
    assert tally.latencies.most >= 0.9
    assert tally.latencies.percentile(75) < 0.9


def stalling() -> Any:
    """Return a server that for a second answers nothing, once, and then catches up."""
    seen = 0

    def answer(peer: RawPeer, frame: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 50:
            gevent.sleep(1)
        send_back(peer, frame)

    return answering(answer)


# What fails


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_silence_is_a_failure(rate: float | None) -> None:
    tally = loaded(answering(say_nothing), plan_of(timeout=1.0, rate=rate))
    assert tally.failures == {"no reply in 1 s": 3}
    assert tally.messages == 0
    assert tally.unanswered == (3 if rate is None else 20)


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_close_is_a_failure(rate: float | None) -> None:
    tally = loaded(answering(fail_inside), plan_of(rate=rate))
    assert tally.failures == {"closed with 1011": 3}
    assert (tally.messages, tally.unanswered >= 3) == (0, True)


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_wrong_answers_are_failures(rate: float | None) -> None:
    tally = loaded(answering(answer_otherwise), plan_of(rate=rate))
    assert tally.failures == {"wrong answer": 20}
    assert (tally.messages, tally.unanswered) == (0, 0)


def test_answer_that_comes_twice_is_a_failure() -> None:
    def repeat(peer: RawPeer, frame: Any) -> None:
        send_back(peer, frame)
        send_back(peer, frame)

    assert "wrong answer" in loaded(answering(repeat), plan_of(connections=1)).failures


def test_message_that_nobody_asked_for_is_a_failure() -> None:
    said: list[bytes] = []

    def talk(sock: Any) -> None:
        peer = accept(sock)
        for _ in range(2):
            frame = peer.next()
            assert frame is not None
            news = b"" if said else peer.frame(1, b"news")
            sock.sendall(peer.frame(frame.opcode, frame.payload) + news)
            said.append(news)
        peer.answer_close()

    tally = loaded(talk, plan_of(connections=1, rate=5.0, count=2))
    assert tally.failures == {"a message that answers none": 1}
    assert tally.messages == 2


def test_the_others_keep_the_rate_when_a_connection_ends() -> None:
    first = True

    def one_fails(peer: RawPeer, frame: Any) -> None:
        nonlocal first
        (fail_inside if first else send_back)(peer, frame)
        first = False

    tally = loaded(answering(one_fails), plan_of(rate=200.0, count=50))
    assert tally.failures == {"closed with 1011": 1}
    assert tally.messages + tally.unanswered == 50
    assert tally.messages > 40


def test_lane_that_is_over_takes_part_no_more() -> None:
    plan = plan_of(connections=2)
    with fleet_to(echo, plan) as fleet:
        fleet.open(Tally())
        fleet.lanes[0].over = True
        tally = Tally()
        Round(plan, fleet.lanes, tally).run()
        assert (tally.messages, fleet.lanes[0].ws.stats.messages_sent) == (20, 0)


@pytest.mark.parametrize("rate", [None, 100.0])
def test_round_without_connections_is_over_at_once(rate: float | None) -> None:
    tally = Tally()
    with gevent.Timeout(IN_TIME):
        Round(plan_of(count=None, duration=1000.0, rate=rate), [], tally).run()
    assert (tally.messages, tally.failures, tally.rate) == (0, {}, 0)


@pytest.mark.parametrize("rate", [None, 50.0, 0.001])
def test_stop_ends_the_round_with_what_it_has(rate: float | None) -> None:
    plan = plan_of(count=None, duration=1000.0, rate=rate)
    answered = Event()

    def talk(peer: RawPeer, frame: Any) -> None:
        send_back(peer, frame)
        answered.set()

    with fleet_to(answering(talk), plan) as fleet:
        fleet.open(Tally())
        tally = Tally()
        current = Round(plan, fleet.lanes, tally)
        running = gevent.spawn(current.run)
        assert answered.wait(timeout=IN_TIME)
        fleet.lanes[0].ws.ping(timeout=IN_TIME)  # by then its answer is here as well
        current.stop()
        running.get(timeout=IN_TIME)
        assert tally.messages >= 1
        assert (tally.failures, tally.unanswered) == ({}, 0)
        assert 0 < tally.seconds < 900
