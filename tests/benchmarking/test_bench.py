"""Whole measurements: opened, loaded in turn, closed."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.benchmarking.bench import Bench
from geventws.benchmarking.fleet import Fleet
from geventws.core.errors import InvalidURI
from tests.benchmarking.scene import (
    IN_TIME,
    answer_otherwise,
    answering,
    fleet_to,
    plan_of,
    say_nothing,
    send_back,
)
from tests.pairs import RawPeer
from tests.servers import Serve, accept, echo, read_head, silent

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def ran(*servers: Serve, rounds: int = 1, **changes: Any) -> Bench:
    """Return what is left of a measurement."""
    plan = plan_of(**changes)
    with gevent.Timeout(IN_TIME), ExitStack() as stack:
        fleets = [stack.enter_context(fleet_to(serve, plan)) for serve in servers]
        bench = Bench(plan, fleets, rounds)
        bench.run()
    return bench


def test_one_target_is_loaded_once() -> None:
    bench = ran(echo)
    (target,) = bench.targets
    assert (target.tally.messages, len(target.rounds), target.failed) == (20, 1, False)
    assert not bench.interrupted


def test_two_targets_take_turns() -> None:
    order: list[str] = []

    def noting(name: str) -> Serve:
        def note(peer: RawPeer, frame: Any) -> None:
            order.append(name)
            send_back(peer, frame)

        return answering(note)

    bench = ran(noting("a"), noting("b"), rounds=3, count=9)
    assert "".join(order) == "aaabbb" * 3
    for target in bench.targets:
        assert [tally.messages for tally in target.rounds] == [3, 3, 3]
        assert target.tally.messages == 9


def test_connections_stay_open_from_round_to_round() -> None:
    opened = 0

    def count(sock: Any) -> None:
        nonlocal opened
        opened += 1
        echo(sock)

    ran(count, count, rounds=4, connections=2)
    assert opened == 4


def test_each_target_has_its_own_failures() -> None:
    well, ill = ran(echo, answering(answer_otherwise), rounds=2).targets
    assert (well.failed, ill.failed) == (False, True)
    assert ill.tally.failures == {"wrong answer": 20}


def test_connections_are_closed_at_the_end() -> None:
    codes = []

    def note(sock: Any) -> None:
        peer = accept(sock)
        while (frame := peer.next()) is not None:
            peer.send(frame.opcode, frame.payload)
            if frame.opcode == 8:
                codes.append(frame.payload)
                return

    ran(note, connections=2)
    assert codes == [b"\x03\xe8"] * 2


def test_wrong_arguments_are_raised() -> None:
    with pytest.raises(InvalidURI):
        Bench(plan_of(), [Fleet("http://a", plan_of(), {})]).run()


def test_nothing_that_came_back_is_a_failure() -> None:
    (target,) = ran(echo, count=None, duration=0.001, warm_up=0.001, rate=1.0).targets
    assert (target.tally.messages, dict(target.tally.failures), target.failed) == (0, {}, True)


def test_stop_while_loading_keeps_what_was_found() -> None:
    answered = Event()

    def tell(peer: RawPeer, frame: Any) -> None:
        send_back(peer, frame)
        answered.set()

    plan = plan_of(count=None, duration=1000.0)
    with fleet_to(answering(tell), plan) as fleet:
        bench = Bench(plan, [fleet], rounds=2)
        running = gevent.spawn(bench.run)
        assert answered.wait(timeout=IN_TIME)
        fleet.lanes[0].ws.ping(timeout=IN_TIME)
        assert bench.status().startswith("round 1 of 2, ")
        assert bench.status().endswith(", 0 failures")
        bench.stop()
        running.get(timeout=IN_TIME)
        (target,) = bench.targets
        assert (target.tally.messages > 0, target.failed) == (True, False)
        assert (len(target.rounds), bench.interrupted) == (1, True)


def test_stop_while_opening_leaves_nothing() -> None:
    asked = Event()

    def stall(sock: Any) -> None:
        read_head(sock)
        asked.set()
        silent(sock)

    plan = plan_of()
    with fleet_to(stall, plan) as fleet, fleet_to(stall, plan) as other:
        bench = Bench(plan, [fleet, other])
        assert bench.status() == "not begun"
        running = gevent.spawn(bench.run)
        assert asked.wait(timeout=IN_TIME)
        assert bench.status() == "opened 0 of 3 connections"
        bench.stop()
        running.get(timeout=IN_TIME)
        assert [target.tally.messages for target in bench.targets] == [0, 0]
        assert bench.status() == "not begun"


def test_status_names_failures() -> None:
    bench = ran(answering(say_nothing), timeout=0.1)
    assert bench.status() == "closing"
    assert bench.targets[0].tally.failures == {"no reply in 0.1 s": 3}
