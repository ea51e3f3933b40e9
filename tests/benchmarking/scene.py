"""Servers to be loaded, and loads on them that take no longer than a test may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent

from geventws.benchmarking.fleet import Fleet
from geventws.benchmarking.loading import Round
from geventws.benchmarking.plan import Plan, messages_of
from geventws.benchmarking.tally import Tally
from tests.pairs import RawPeer
from tests.servers import Serve, accept, serving

IN_TIME = 20.0  # seconds; what takes longer hangs
MESSAGES = messages_of(20, False)
Answer = Callable[[RawPeer, Any], None]


def plan_of(**changes: Any) -> Plan:
    """Return a plan that ends after twenty messages, but for *changes*."""
    plan: dict[str, Any] = {"messages": MESSAGES, "connections": 3, "duration": None, "count": 20}
    return Plan(**{**plan, **changes})


def answering(answer: Answer) -> Serve:
    """Return a server that has *answer* do something about each message."""

    return lambda sock: answer_all(accept(sock), answer)


def answer_all(peer: RawPeer, answer: Answer) -> None:
    """Have *answer* do something about each message, until the connection is closed."""
    while (frame := peer.next()) is not None:
        if frame.opcode == 8:
            peer.send(8, frame.payload)
            return
        answer(peer, frame)


def send_back(peer: RawPeer, frame: Any) -> None:
    peer.send(frame.opcode, frame.payload)


def say_nothing(peer: RawPeer, frame: Any) -> None:
    pass


def fail_inside(peer: RawPeer, frame: Any) -> None:
    peer.send(8, b"\x03\xf3oh no")


def answer_otherwise(peer: RawPeer, frame: Any) -> None:
    peer.send(1, b"other")


@contextmanager
def fleet_to(talk: Serve, plan: Plan, **how: Any) -> Iterator[Fleet]:
    """Have connections to a server that does *talk*; they are not open yet."""
    with serving(talk) as server:
        fleet = Fleet(f"ws://127.0.0.1:{server.port}/", plan, {"compression": None, **how})
        try:
            yield fleet
        finally:
            fleet.close()


def loaded(talk: Serve, plan: Plan) -> Tally:
    """Load a server that does *talk* for one round, and return what came of it."""
    tally = Tally()
    with gevent.Timeout(IN_TIME), fleet_to(talk, plan) as fleet:
        fleet.open(tally)
        Round(plan, fleet.lanes, tally).run()
    return tally
