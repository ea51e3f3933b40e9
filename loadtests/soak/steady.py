"""10,000 idle connections and 1,000 that chat, for long: nothing is lost, and nothing grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any, Final

import gevent

from loadtests.soak.figures import Figure, Plan, growth
from loadtests.soak.processes import SOURCES, Program

IDLE, CHATTING = 10_000, 1_000
IDLERS: Final = 2  # processes of them
STEP: Final = 1.0  # seconds between two looks at memory


def run(plan: Plan) -> list[Figure]:
    """Have them chat for *plan.seconds*."""
    idle, chatting = plan.count(IDLE), plan.count(CHATTING)
    with ExitStack() as stack:
        server = stack.enter_context(
            Program.of("serving", handler="echo", max_connections=idle + chatting + 64)
        )
        uri = server.hear()["uri"]
        before, begin = server.memory(), monotonic()
        crowds = [
            stack.enter_context(Program.of("talking", uri=uri, sources=SOURCES[:4], **each))
            for each in [*[{"count": idle // IDLERS}] * IDLERS, {"count": chatting, "rate": 1}]
        ]
        opened = sum(each.hear(300)["open"] for each in crowds)
        opening = monotonic() - begin
        each_takes = (server.memory() - before) * 1024 / max(1, opened)
        found, samples, used = _talk(server, crowds, plan)
        told = server.ask()
        return [
            *_lost(opened, idle // IDLERS * IDLERS + chatting, found, told),
            # whoever leaves one without an answer is lost
            Figure("pings answered", sum(each["pings"] for each in found)),
            Figure("seconds until all were open", opening),
            Figure("memory of each connection", each_takes, 14, "KiB"),
            Figure(
                "memory gained in the last half", growth(samples[len(samples) // 2 :]), 1, "MiB"
            ),
            Figure("processor of the server", used * 100, None, "% of a core"),
            Figure("an answer takes, median", found[-1]["p50"] * 1000, None, "ms"),
            Figure("an answer takes, 99 %", found[-1]["p99"] * 1000, None, "ms"),
        ]


def _talk(
    server: Program, crowds: list[Program], plan: Plan
) -> tuple[list[Any], list[float], float]:
    """Return what the crowds found, the memory each second, and the share of a core."""
    for each in crowds:
        each.tell(seconds=plan.seconds)
    begin, processor = monotonic(), server.processor()
    samples = []
    while (passed := monotonic() - begin) < plan.seconds:
        samples.append(server.memory())
        plan.progress(passed / plan.seconds)
        gevent.sleep(min(STEP, plan.seconds / 20))
    used = (server.processor() - processor) / (monotonic() - begin)
    return [each.hear(120) for each in crowds], samples, used


def _lost(opened: int, wanted: int, found: list[Any], told: Any) -> Iterator[Figure]:
    yield Figure("connections not opened", wanted - opened, 0)
    yield Figure("connections lost", opened - sum(each["open"] for each in found), 0)
    yield Figure("messages sent", sum(each["sent"] for each in found))
    yield Figure("messages lost", sum(each["sent"] - each["received"] for each in found), 0)
    yield Figure("messages out of order", sum(each["wrong"] for each in found), 0)
    missed = sum(each["sent"] for each in found) - told["messages_received"]
    yield Figure("messages the server has not counted", missed, 0)
