"""100,000 connections one after the other: afterwards the server is as it was."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import Any, Final

import gevent

import geventws
from loadtests.soak.figures import Figure, Plan
from loadtests.soak.processes import SOURCES, Program

CYCLES: Final = 100_000
AT_ONCE: Final = 50
WARMING: Final = 0.1  # of all
SETTLING: Final = 30.0  # seconds that the last ones may take to leave


def run(plan: Plan) -> list[Figure]:
    """Connect, talk once and close, over and over."""
    cycles = plan.count(CYCLES)
    with Program.of("serving", handler="echo") as server:
        uri = server.hear()["uri"]
        wrong = _cycle(uri, round(cycles * WARMING), 0, plan)
        before, files, memory = _settled(server), server.descriptors(), server.memory()
        wrong += _cycle(uri, cycles, WARMING, plan)
        after = _settled(server, before["greenlets"])
        return [
            Figure("connections", after["opened"]),
            Figure("that failed", wrong, 0),
            Figure("not closed with 1000", after["opened"] - after["closes"].get("1000", 0), 0),
            Figure("memory gained", server.memory() - memory, 2, "MiB"),
            Figure("greenlets gained", after["greenlets"] - before["greenlets"], 0),
            Figure("open files gained", server.descriptors() - files, 0),
        ]


def _settled(server: Program, greenlets: float = inf) -> dict[str, Any]:
    """Return the server's numbers once all connections have left it, or have had the time to.

    No more than so many *greenlets* are waited for too: the caretaker leaves after the others.
    """
    end = monotonic() + SETTLING
    found: dict[str, Any] = server.ask()
    while (found["open"] or found["greenlets"] > greenlets) and monotonic() < end:
        gevent.sleep(0.05)
        found = server.ask()
    return found


def _cycle(uri: str, count: int, done: float, plan: Plan) -> int:
    """Do so many, some at once; return how many went wrong."""
    left = iter(range(count))

    def work(source: str) -> int:
        wrong = 0
        for number in left:
            wrong += not _talk_once(uri, source, str(number))
            if number % 500 == 0:
                plan.progress(done + number / count * (1 - done))
        return wrong

    greenlets = [gevent.spawn(work, SOURCES[each % len(SOURCES)]) for each in range(AT_ONCE)]
    gevent.joinall(greenlets, raise_error=True)
    return sum(each.get() for each in greenlets)


def _talk_once(uri: str, source: str, message: str) -> bool:
    try:
        with geventws.connect(uri, source_address=(source, 0)) as ws:
            ws.send(message)
            return ws.receive(timeout=30) == message
    except (OSError, geventws.WebSocketError):
        return False
