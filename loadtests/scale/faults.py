"""What breaks in the middle of a stream: Redis restarts or stands still, a node dies or is slow."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, NamedTuple, Self

import gevent

from loadtests.scale.measure import NODE
from loadtests.soak.processes import Program
from tests.redises import DURABLE, EPHEMERAL, RedisServer

PRESENCE_TTL: Final = 5.0
PAUSE: Final = 4.0
TICK: Final = 0.02

Found = dict[str, Any]


class Node(Program):
    """A node, that may be killed."""

    def __init__(self, given: str) -> None:
        super().__init__([*NODE, given])
        self.is_killed = False
        self.port = 0

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        self.is_killed = True
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*((RuntimeError, None, None) if self.is_killed else exc_info))


class Scene(NamedTuple):
    """What a fault can get at.

    Attributes:
        present: who ought to be in each room, by its name.
        progress: tells how much of the stream is published, from 0 to 1.
    """

    redis: RedisServer
    nodes: list[Node]
    present: dict[str, list[str]]
    progress: Callable[[], float]

    def reach(self, part: float) -> None:
        """Wait until so much is published."""
        while self.progress() < part:
            gevent.sleep(TICK)


class Fault(NamedTuple):
    """What breaks, and what the stream needs for it.

    Attributes:
        act: breaks it, and returns what it found.
        redis: arguments of redis-server.
        timeout: of the brokers.
        one_sided: whether everything is published at the first node.
        keeps: how many members of a room publishers wait for: the first one is at the first node.
        size: bytes of a message.
    """

    act: Callable[[Scene], Found]
    redis: tuple[str, ...] = EPHEMERAL
    timeout: float = 30.0
    one_sided: bool = False
    keeps: int = 2
    size: int = 128


def nothing(scene: Scene) -> Found:
    """Break nothing."""
    return {}


def restart(scene: Scene) -> Found:
    """Kill Redis three times and start it again, each time with all members cut off before."""
    away = []
    for part in (0.25, 0.5, 0.75):
        scene.reach(part)
        for node in scene.nodes:
            node.ask(drop=True)
        begin = monotonic()
        scene.redis.restart()
        away.append(monotonic() - begin)
    return {"restarts": len(away), "seconds without Redis": max(away)}


def kill_node(scene: Scene) -> Found:
    """Kill a node; the other one takes over its address, and presence is right after a while."""
    scene.reach(0.3)
    first, second = scene.nodes
    begin = monotonic()
    second.kill()
    first.ask(listen=second.port)
    for room, names in scene.present.items():
        while sorted(first.ask(room=room)["present"]) != sorted(names):
            gevent.sleep(TICK)
    return {"presence right after seconds": monotonic() - begin, "presence_ttl": PRESENCE_TTL}


def pause(scene: Scene) -> Found:
    """Have Redis stand still for longer than the brokers wait."""
    scene.reach(0.3)
    scene.redis.pause()
    gevent.sleep(PAUSE)
    scene.redis.resume()
    return {"seconds without Redis": PAUSE}


def slow(scene: Scene) -> Found:
    """Have a node stand still for a fifth of the stream, so that Redis cuts it off."""
    scene.reach(0.3)
    begin = monotonic()
    os.kill(scene.nodes[1].pid, signal.SIGSTOP)
    scene.reach(0.5)
    os.kill(scene.nodes[1].pid, signal.SIGCONT)
    return {"seconds that the node stood still": monotonic() - begin}


LIMIT: Final = (*EPHEMERAL, "--client-output-buffer-limit", "pubsub 1mb 512kb 1")
FAULTS: Final = {
    "none": Fault(nothing),
    "restart": Fault(restart, redis=DURABLE),
    "kill-node": Fault(kill_node, one_sided=True),
    "pause": Fault(pause, timeout=1.0),
    "slow": Fault(slow, redis=LIMIT, one_sided=True, keeps=1, size=512),
}
