"""Rounds of load on two nodes: ours with and without history, and python-socketio's Redis manager.

Every round has all of them in turn, with the same members, messages and Redis, so that all get the
same noise; ratios are of one round.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

from loadtests.scale import stores
from loadtests.scale.crowd import Crowd, Load, Plain, SocketIO
from loadtests.soak.processes import Program
from tests.redises import RedisServer, redis_server

NODE: Final = ["-m", "loadtests.scale.node"]
PEER: Final = ["-m", "gevent.monkey", "--module", "loadtests.scale.peer"]
SIZES: Final = (128, 1024)
ROOMS: Final = (10, 100, 1000)
CLIENTS: Final = 500  # at each node
PACE: Final = 4000  # deliveries a second, of the phase that tells latencies
FULL: Final = "full"
PACED: Final = "paced"


class Contender(NamedTuple):
    """Who is measured: a command, and what it is told besides where Redis is."""

    name: str
    command: list[str]
    dialect: Plain
    given: dict[str, Any]


OURS: Final = Contender("geventws, history 100", NODE, Plain(), {"history": 100})
FORGETFUL: Final = Contender("geventws, no history", NODE, Plain(), {"history": 0})
OTHER: Final = Contender("python-socketio", PEER, SocketIO(), {})
ALL: Final = (OURS, FORGETFUL, OTHER)


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        seconds: of each phase of load.
        clients: at each node.
    """

    seconds: float = 2.0
    rounds: int = 3
    clients: int = CLIENTS
    rooms: tuple[int, ...] = ROOMS
    sizes: tuple[int, ...] = SIZES


class Sample(NamedTuple):
    """What one phase of load has found; processor times are in seconds.

    Attributes:
        phase: "full", with as many messages as were heard, or "paced".
        first: of the node where everything is published.
        second: of the other node.
        redis: of redis-server.
    """

    contender: str
    round: int
    members: int
    size: int
    phase: str
    publications: int
    deliveries: int
    lost: int
    seconds: float
    p50: float
    p99: float
    first: float
    second: float
    redis: float

    @property
    def per_delivery(self) -> float:
        """Microseconds of both nodes for each delivery, publishing included."""
        return (self.first + self.second) / max(1, self.deliveries) * 1e6

    @property
    def per_publication(self) -> float:
        """Microseconds of both nodes for each publication, deliveries included."""
        return (self.first + self.second) / max(1, self.publications) * 1e6

    @property
    def redis_per_publication(self) -> float:
        """Microseconds of redis-server for each publication, which goes to two nodes."""
        return self.redis / max(1, self.publications) * 1e6


def run(plan: Plan) -> Iterator[Sample]:
    """Yield what each phase of each contender finds, round by round."""
    for number in range(plan.rounds):
        turn = ALL if number % 2 == 0 else ALL[::-1]
        for contender in turn:
            print(f"round {number + 1}: {contender.name}", file=sys.stderr, flush=True)
            with redis_server() as redis:
                yield from _samples(plan, number, contender, redis)


def _samples(plan: Plan, number: int, contender: Contender, redis: RedisServer) -> Iterator[Sample]:
    with ExitStack() as stack:
        nodes = [stack.enter_context(started(contender, redis)) for _ in range(2)]
        ports = [node.hear()["port"] for node in nodes]
        for members in plan.rooms:
            crowd = Crowd(contender.dialect, ports, plan.clients, members, f"room{members}")
            stack.callback(crowd.close)
            crowd.load(128, min(0.5, plan.seconds), None)  # so that everything is warm
            for size in plan.sizes:
                for phase in (PACED, FULL):
                    rate = PACE / members if phase == PACED else None
                    before = _processors(nodes, redis)
                    load = crowd.load(size, plan.seconds, rate)
                    after = _processors(nodes, redis)
                    used = [b - a for a, b in zip(before, after, strict=True)]
                    yield _sample(contender, number, members, size, phase, load, used)
            crowd.close()


def started(contender: Contender, redis: RedisServer) -> Program:
    """Start a node; it says its port."""
    given = {"redis": redis.url, **contender.given}
    return Program([*contender.command, json.dumps(given)])


def _processors(nodes: list[Program], redis: RedisServer) -> list[float]:
    return [*(node.ask()["processor"] for node in nodes), stores.processor(redis)]


def _sample(
    contender: Contender,
    number: int,
    members: int,
    size: int,
    phase: str,
    load: Load,
    used: list[float],
) -> Sample:
    return Sample(contender.name, number, members, size, phase, *load, *used)
