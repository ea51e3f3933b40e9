"""A slow reader among 1,000 who are broadcast to: nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from gevent import socket

from loadtests.soak.figures import Figure, Plan, percentile
from loadtests.soak.processes import Program
from tests.rawpeer import RawPeer

RECEIVERS: Final = 1_000
MESSAGES: Final = 150
SIZE: Final = 16 * 1024
BUFFER: Final = 64 * 1024  # bytes that the kernel holds for one, lest it hide who is slow
PAUSE: Final = 0.2  # seconds
ROUNDS: Final = 2  # with and without, in turn, for the machine is not always the same


def run(plan: Plan) -> list[Figure]:
    """Broadcast in turn without and with one who does not read, and compare."""
    without: list[float] = []
    beside: list[float] = []
    lost = missed = 0
    rounds = plan.count(ROUNDS)
    for number in range(rounds):
        for slow, into in ((0, without), (1, beside)):
            found = _broadcast(plan, slow)
            into.append(found["p99"])
            lost += found["lost"]
            missed += found["slow"]
            plan.progress((number * 2 + slow + 1) / rounds / 2)
    before, after = percentile(without, 50), percentile(beside, 50)
    return [
        Figure("messages lost or out of order", lost, 0),
        Figure("99 % arrive within, nobody slow", before * 1000, None, "ms"),
        Figure("99 % arrive within, one slow", after * 1000, None, "ms"),
        Figure("broadcasts that found the slow one closed, or closed it", missed),
        Figure("as many times as long", after / before, 1.5),
    ]


def _broadcast(plan: Plan, slow: int) -> dict[str, Any]:
    receivers, messages = plan.count(RECEIVERS), max(5, plan.count(MESSAGES))
    with ExitStack() as stack:
        server = stack.enter_context(Program.of("serving", handler="listen", send_buffer=BUFFER))
        uri = server.hear()["uri"]
        for _ in range(slow):  # it is connected, and nobody reads
            stack.enter_context(_one_who_does_not_read(uri))
        crowd = stack.enter_context(
            Program.of("hearing", uri=uri, count=receivers, messages=messages)
        )
        crowd.hear()
        server.tell(broadcast={"count": messages, "size": SIZE, "pause": min(PAUSE, plan.seconds)})
        found: dict[str, Any] = crowd.hear(300)
        server.hear(300)
        found["slow"] = server.ask()["not_sent"]
        return found


@contextmanager
def _one_who_does_not_read(uri: str) -> Iterator[None]:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        sock.connect(("127.0.0.1", int(uri.rpartition(":")[2].strip("/"))))
        peer = RawPeer(sock)
        peer.upgrade()
        yield
