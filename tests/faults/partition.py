"""Two hosts, Redis at one of them, and a wire between that goes down: part of `make faults-net`.

What is promised then: who is cut off from Redis is told so when it publishes, and hears nothing.
The others go on, and see in presence_ttl that its people are not there. Once the wire is up again
it hears what it has missed, in order and once, as far as the history goes, and knows how much is
missing; and its people are seen. Whether what it could not publish was published, nobody knows.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import gevent
from gevent.queue import Queue
from gevent.subprocess import PIPE, Popen

from geventws.adapters.redis import RedisBroker
from setup import ROOT
from tests.faults.wires import HERE, PATIENCE, entering, seconds_until, turn, wire
from tests.redises import EPHEMERAL, redis_server

ROOM: Final = "both"
HISTORY: Final = 100
TTL, TIMEOUT = 3.0, 1.0  # of presence, and how long Redis may take, in seconds
LOST: Final = "said while cut off"


class There:
    """The host at the other end of the wire, and what it tells."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self._heard: list[str] = []
        self._told: Queue[list[Any]] = Queue()
        self._reader = gevent.spawn(self._read)

    def _read(self) -> None:
        for line in self._process.stdout:
            kind, *words = json.loads(line)
            if kind == "heard":
                self._heard += words
            else:
                self._told.put([kind, *words])

    def say(self, text: str) -> None:
        """Have it publish something."""
        self._process.stdin.write(f"{text}\n".encode())
        self._process.stdin.flush()

    def counts(self) -> tuple[int, int]:
        """Return how often its broker has lost Redis, and how many publications it misses."""
        self.say("?")
        kind, losses, lost = self._told.get(timeout=PATIENCE)
        assert kind == "counts", kind
        return losses, lost

    def fails(self, text: str) -> None:
        """Have it publish what it cannot, and be told so."""
        self.say(text)
        told = self._told.get(timeout=PATIENCE)
        assert told == ["failed", text], told

    def hears(self, texts: list[str]) -> None:
        """Wait until it has heard all of *texts*; nothing else, and in this order."""
        seconds_until(lambda: len(self.heard()) >= len(texts))
        assert self.heard() == texts, (self.heard(), texts)
        self._heard.clear()

    def heard(self) -> list[str]:
        """Return what it has heard; what failed may have been published or not."""
        return [text for text in self._heard if text != LOST]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.kill()
        self._process.stdin.close()
        self._process.stdout.close()


@contextmanager
def hosts(namespace: int) -> Iterator[tuple[RedisBroker, list[Any], There]]:
    """Have a Redis here, a broker here and what it hears, and a host there."""
    with redis_server(*EPHEMERAL, "--bind", HERE, "--protected-mode", "no") as redis:
        url = f"redis://{HERE}:{redis.port}"
        broker = RedisBroker(url, history=HISTORY, presence_ttl=TTL, timeout=TIMEOUT)
        heard: list[Any] = []
        broker.subscribe(ROOM, lambda publication: heard.append(publication.message))
        broker.enter(ROOM, "here", "here")
        arguments = (url, str(TTL), str(TIMEOUT), ROOM)
        command = entering(namespace, sys.executable, "-m", "tests.faults.host", *arguments)
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        there = There(Popen(command, stdin=PIPE, stdout=PIPE, cwd=ROOT, env=environ))
        try:
            yield broker, heard, there
        finally:
            there.close()
            broker.close()


def people(broker: RedisBroker) -> list[str]:
    """Return who is in the room, seen from here."""
    return sorted(broker.presence(ROOM).values())


def separate(namespace: int, broker: RedisBroker, there: There) -> None:
    """Take the wire down, and check what becomes of the host there."""
    losses, _ = there.counts()
    turn(namespace, "down")
    there.fails(LOST)
    gone = seconds_until(lambda: people(broker) == ["here"])
    assert there.counts()[0] > losses or seconds_until(lambda: there.counts()[0] > losses)
    print(
        f"the hosts are separated: publishing fails there, its people are gone {gone:.2f} s later"
    )


def rejoin(namespace: int, broker: RedisBroker, there: There, texts: list[str]) -> int:
    """Have the wire up again; check that *texts* are heard there, and return how many of them."""
    assert not there.heard(), there.heard()
    turn(namespace, "up")
    back = seconds_until(lambda: texts[-1] in there.heard())
    heard = len(there.heard())
    assert heard >= min(len(texts), HISTORY - 1), heard  # LOST may be one of those remembered
    there.hears(texts[-heard:])
    seen = seconds_until(lambda: people(broker) == ["here", "there"])
    print(f"the wire is up: {heard} heard after {back:.2f} s, people seen {seen:.2f} s later")
    return heard


def meet(broker: RedisBroker, heard: list[Any], there: There, text: str) -> None:
    """Check that both hear each other, and everything once."""
    heard.clear()
    broker.publish(ROOM, f"{text} here")
    there.hears([f"{text} here"])
    there.say(f"{text} there")
    there.hears([f"{text} there"])
    seconds_until(lambda: f"{text} there" in heard)
    assert [each for each in heard if each != LOST] == [f"{text} here", f"{text} there"], heard


def separate_and_rejoin(namespace: int) -> None:
    """Separate the hosts for less and for more than the history remembers."""
    with hosts(namespace) as (broker, heard, there):
        seconds_until(lambda: people(broker) == ["here", "there"])
        meet(broker, heard, there, "before")
        for missed in (HISTORY // 2, HISTORY + 30):
            separate(namespace, broker, there)
            texts = [f"{number} of {missed}" for number in range(missed)]
            for text in texts:
                broker.publish(ROOM, text)
            known = rejoin(namespace, broker, there, texts)
            meet(broker, heard, there, f"after {missed}")
            lost = there.counts()[1]
            print(f"of {missed} missed {known} were heard, {lost} are known to be missing")
            assert lost == missed - known, lost


def main() -> int:
    """Do it alone; return 0 where everything held."""
    with wire() as namespace:
        separate_and_rejoin(namespace)
    return 0


if __name__ == "__main__":
    sys.exit(main())
