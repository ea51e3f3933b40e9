"""100 quiet clients beside a thousand openings that drip, and beside floods: they hardly notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic
from typing import Any, Final

import gevent

from loadtests.soak.figures import Figure, Plan
from loadtests.soak.processes import Program
from tests.rawpeer import PING, TEXT, RawPeer, frame, head

QUIET: Final = 100
RATE: Final = 10  # messages a second of each
DRIPPING: Final = 1_000
OPEN_TIMEOUT: Final = 10.0
SECONDS: Final = 12.0
PINGS: Final = 20_000  # a second
MOST: Final = 20.0  # milliseconds that 99 % of the answers may take

Neighbour = Callable[[Any, Plan], Any]


def run(plan: Plan) -> list[Figure]:
    """Measure the quiet ones beside each kind of neighbour."""
    figures: list[Figure] = []
    beside = {"nobody": nobody, "slow openings": drips, "a flood": messages, "pings": pings}
    for number, (name, neighbour) in enumerate(beside.items()):
        figures += measure(name, neighbour, plan)
        plan.progress((number + 1) / len(beside))
    return figures


def measure(name: str, neighbour: Neighbour, plan: Plan) -> Iterator[Figure]:
    """Yield what the quiet ones have of one kind of neighbour."""
    limit = min(OPEN_TIMEOUT, plan.seconds)
    with ExitStack() as stack:
        server = stack.enter_context(Program.of("serving", handler="echo", open_timeout=limit))
        uri = server.hear()["uri"]
        count = plan.count(QUIET)
        quiet = stack.enter_context(Program.of("talking", uri=uri, count=count, rate=RATE))
        quiet.hear()
        before = server.memory()
        quiet.tell(seconds=min(SECONDS, plan.seconds))
        address = ("127.0.0.1", int(uri.rpartition(":")[2].strip("/")))
        late = stack.enter_context(neighbour(address, plan))
        found = quiet.hear(120)
        yield Figure(f"beside {name}: messages lost", found["sent"] - found["received"], 0)
        yield Figure(f"beside {name}: 99 % take", found["p99"] * 1000, MOST, "ms")
        yield Figure(f"beside {name}: worst", found["most"] * 1000, None, "ms")
        yield Figure(f"beside {name}: memory gained", server.memory() - before, 8, "MiB")
        if late is not None:
            gevent.joinall(late, timeout=60)
            most = max(each.get(block=False) for each in late)
            yield Figure("an opening that drips ends after", most, limit + 1, "s")


@contextmanager
def nobody(address: Any, plan: Plan) -> Iterator[None]:
    """Leave them alone."""
    yield None


@contextmanager
def drips(address: Any, plan: Plan) -> Iterator[list[Any]]:
    """Have a crowd open at a byte a second; give what returns how long each was let."""
    count = plan.count(DRIPPING)
    greenlets = [gevent.spawn_later(each / count, _drip, address) for each in range(count)]
    try:
        yield greenlets
    finally:
        gevent.killall(greenlets)


def _drip(address: Any) -> float:
    begin = monotonic()
    with suppress(OSError), RawPeer.to(address) as peer:
        peer.socket.settimeout(1.0)
        for byte in head():
            peer.send(bytes([byte]))
            with suppress(TimeoutError):  # it is that slow
                peer.read_to_end()
                break
    return monotonic() - begin


@contextmanager
def messages(address: Any, plan: Plan) -> Iterator[None]:
    """Have one client that always has more to say."""
    with _flooding(address, frame(TEXT, b"x" * 100) * 600, 0.0):
        yield None


@contextmanager
def pings(address: Any, plan: Plan) -> Iterator[None]:
    """Have one client that pings without end."""
    with _flooding(address, frame(PING, b"x" * 100) * 200, 200 / PINGS):
        yield None


@contextmanager
def _flooding(address: Any, data: bytes, pause: float) -> Iterator[None]:
    with RawPeer.to(address) as peer:
        peer.upgrade()

        def pour() -> None:
            while True:
                peer.send(data)
                gevent.sleep(pause)

        def drink() -> None:
            while peer.socket.recv(65536):
                pass

        peer.socket.settimeout(None)
        greenlets = [gevent.spawn(pour), gevent.spawn(drink)]
        try:
            yield
            assert not any(each.ready() for each in greenlets), "the flood has ended early"
        finally:
            gevent.killall(greenlets)
