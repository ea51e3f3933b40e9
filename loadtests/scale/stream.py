"""A million messages through Redis to members on two nodes, each of them accounted for."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from time import monotonic
from typing import Any, Final

import gevent

from loadtests.scale.account import Verdict, judge
from loadtests.scale.faults import FAULTS, PRESENCE_TTL, TICK, Fault, Found, Node, Scene
from loadtests.scale.streaming import HISTORY, Member, Publisher, Room
from tests.redises import RedisServer, redis_server

MESSAGES: Final = 1_000_000
ROOMS: Final = 20
STALLED: Final = 60.0  # seconds without a message, after which the rest is lost


class Stream:
    """Rooms with a member at each of two nodes, and two publishers each.

    Args:
        messages: how many are published, in all rooms together.
    """

    def __init__(self, nodes: list[Node], fault: Fault, messages: int) -> None:
        self._messages = messages
        self._fault = fault
        self.rooms: list[Room] = []
        self._publishers: list[Publisher] = []
        homes = [nodes[0], nodes[0] if fault.one_sided else nodes[1]]
        for number in range(ROOMS):
            names = [f"{number}a", f"{number}b"]
            room = Room(f"room{number}", names, fault.keeps)
            room.members = [
                Member(node.port, room, f"{number}-{index}") for index, node in enumerate(nodes)
            ]
            self.rooms.append(room)
            total = messages // ROOMS // 2
            for node, name in zip(homes, names, strict=True):
                self._publishers.append(Publisher(node.port, room, name, total, fault.size))

    @property
    def members(self) -> list[Member]:
        """Everybody."""
        return [each for room in self.rooms for each in room.members]

    def progress(self) -> float:
        """Return how much of it is published."""
        return self.published() / self._messages

    def published(self) -> int:
        """Return how many messages are published."""
        return sum(sum(room.published.values()) for room in self.rooms)

    def run(self, redis: RedisServer, nodes: list[Node]) -> tuple[float, Found]:
        """Publish all, and break what is to break; return how long it took, and what was found."""
        listening = [gevent.spawn(each.run) for each in self.members]
        for each in self.members:
            if not each.ready.wait(STALLED):
                raise TimeoutError("a member did not get into its room")
        present = {room.name: [each.name for each in room.members] for room in self.rooms}
        breaking = gevent.spawn(self._fault.act, Scene(redis, nodes, present, self.progress))
        begin = monotonic()
        publishing = [gevent.spawn(each.run) for each in self._publishers]
        try:
            self._wait(publishing)
            took = monotonic() - begin
            gevent.joinall([breaking], timeout=STALLED)
            return took, breaking.get(block=False)
        finally:
            gevent.killall([*publishing, *listening, breaking])

    def _wait(self, publishing: list[Any]) -> None:
        """Wait until all is published and has come, or nothing comes any more."""
        taken, last = -1, monotonic()
        while monotonic() < last + STALLED:
            gevent.sleep(TICK)
            if all(each.ready() for each in publishing) and all(
                each.done.is_set() for each in self.members
            ):
                return
            now = sum(each.account.taken for each in self.members)
            if now != taken:
                taken, last = now, monotonic()
                _show(self.progress())

    def verdict(self) -> Verdict:
        """Return what came of it."""
        unsure = {(room.name, *each) for room in self.rooms for each in room.unsure}
        published = {room.name: room.published for room in self.rooms}
        return judge((each.account for each in self.members), published, unsure)


def _show(part: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{part:4.0%}", end="", file=sys.stderr, flush=True)


def run(name: str, messages: int) -> tuple[bool, dict[str, Any]]:
    """Run the stream with the fault *name*; return whether all is well, and what was found."""
    fault = FAULTS[name]
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(*fault.redis))
        nodes = [stack.enter_context(_node(redis, fault)) for _ in range(2)]
        for node in nodes:
            node.port = node.hear()["port"]
        stream = Stream(nodes, fault, messages)
        took, found = stream.run(redis, nodes)
        answers = [node.ask() for node in nodes if not node.is_killed]
    verdict = stream.verdict()
    counts = {
        f"broker.counts.{key}": sum(each[key] for each in answers)
        for key in ("losses", "unrecovered", "lost", "foreign")
    }
    return verdict.good, {
        "published": stream.published(),
        "seconds": took,
        "members": len(stream.members),
        "connections": sum(each.openings for each in stream.members),
        **verdict._asdict(),
        **counts,
        **found,
    }


def _node(redis: RedisServer, fault: Fault) -> Node:
    given = {"redis": redis.url, "history": HISTORY, "timeout": fault.timeout}
    return Node(json.dumps({**given, "presence_ttl": PRESENCE_TTL}))
