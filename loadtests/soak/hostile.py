"""1,000,000 malformed or hostile inputs, for the core and for a server: nothing raised but ours."""

from __future__ import annotations

import random
from contextlib import ExitStack, suppress
from typing import Any, Final

import gevent

from loadtests.soak.breaking import mutated, seeds
from loadtests.soak.figures import Figure, Plan
from loadtests.soak.processes import Program
from tests.rawpeer import TEXT, RawPeer, frame, head

CORE: Final = 980_000
SERVER: Final = 20_000
PROCESSES: Final = 2
AT_ONCE: Final = 50
WARMING: Final = 0.2  # of the server's
KINDS: Final = ("headers", "handshake", "frame", "protocol")


def run(plan: Plan) -> list[Figure]:
    """Put them to the core first, then to a server."""
    return [*_core(plan), *_server(plan)]


def _core(plan: Plan) -> list[Figure]:
    share = plan.count(CORE) // PROCESSES
    with ExitStack() as stack:
        programs = [
            stack.enter_context(Program.of("breaking", count=share, seed=seed))
            for seed in range(PROCESSES)
        ]
        found = [_followed(each, share, plan) for each in programs]
    for each in found:
        for said in each["first"]:
            print(said)
    return [
        Figure("inputs for the core", share * PROCESSES),
        Figure("that raised anything but ours", sum(each["failed"] for each in found), 0),
        Figure("the slowest took", max(each["slowest"] for each in found) * 1000, None, "ms"),
    ]


def _followed(program: Program, share: int, plan: Plan) -> Any:
    """Wait until *program* is done, and return what it found."""
    while "failed" not in (found := program.hear()):
        plan.progress(0.8 * found["done"] / share)
    return found


def _server(plan: Plan) -> list[Figure]:
    count = plan.count(SERVER)
    with Program.of("serving", handler="echo", open_timeout=2.0, close_timeout=2.0) as server:
        address = ("127.0.0.1", int(server.hear()["uri"].rpartition(":")[2].strip("/")))
        _attack(address, round(count * WARMING), 0)
        before = server.memory()
        _attack(address, count, 1)
        gained = server.memory() - before
        with gevent.Timeout(30):
            while (found := server.ask())["open"]:
                gevent.sleep(0.05)
        served = _is_served(address)
    plan.progress(1)
    errors = found["closes"].get("1011", 0) + found["refused"].get("500", 0)
    return [
        Figure("inputs for a server", count),
        Figure("answered 500 or closed with 1011", errors, 0),
        Figure("connections left", found["open"], 0),
        Figure("memory of the server gained", gained, 4, "MiB"),
        Figure("no client is served afterwards", not served, 0),
    ]


def _attack(address: Any, count: int, seed: int) -> None:
    dice = random.Random(seed)
    known = {kind: seeds(kind) for kind in KINDS}
    inputs = iter(
        [
            (kind := KINDS[at % len(KINDS)], mutated(dice.choice(known[kind]), known[kind], dice))
            for at in range(count)
        ]
    )

    def work() -> None:
        for kind, data in inputs:
            with suppress(OSError, EOFError), RawPeer.to(address) as peer:
                _say(peer, kind, data)

    gevent.joinall([gevent.spawn(work) for _ in range(AT_ONCE)], raise_error=True)


def _say(peer: RawPeer, kind: str, data: bytes) -> None:
    """Say *data*, as a handshake or after one, and listen to all that it brings."""
    if kind in ("frame", "protocol"):
        peer.upgrade(Sec_WebSocket_Extensions="permessage-deflate")
    elif kind == "handshake":  # a request with something wrong in it
        at = len(data) * 7 % len(head())
        data = head()[:at] + data + head()[at:]
    peer.send(data)
    peer.socket.shutdown(1)
    peer.read_to_end()


def _is_served(address: Any) -> bool:
    with RawPeer.to(address) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"still there?"))
        answer = peer.read_frame()
        peer.end()
    return answer == (TEXT, b"still there?")
