"""Sessions over hundreds of networks that fail in one way or another, each named by its seed."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from geventws.core.errors import ConnectionClosed
from geventws.testing import Link, Network
from geventws.upgrader import Handler
from geventws.websocket import EchoWebSocket, WebSocket
from tests.serving import echo

pytestmark = pytest.mark.usefixtures("leaks_nothing")

SEEDS = range(200)
MESSAGES = 20
FAULTS = ("none", "pause", "partition", "deaf", "reset", "half_open", "vanish", "stop")
# The longest that a lost peer may go unnoticed by the defaults: a ping's interval and its timeout,
# then a close that nobody answers, and what is under way.
NOTICED = 20 + 20 + 10 + 5


def spoil(fault: str, network: Network, link: Link, server: Any) -> None:
    """Have *fault* happen to *link*."""
    who: Any = network.random.choice(["client", "server"])
    if fault == "pause":
        link.partition()  # for less than close_timeout
        gevent.spawn_later(network.random.uniform(0, 8), link.heal)
    elif fault == "partition":
        link.partition()
    elif fault == "deaf":
        link.partition(who)
    elif fault == "reset":
        link.reset()
    elif fault in ("half_open", "vanish"):
        getattr(link, fault)(who)
    elif fault == "stop":
        server.stop()


def talk(ws: WebSocket) -> int:
    """Say numbers and hear them again; return how it ended."""
    try:
        for number in range(MESSAGES):
            ws.send(f"{number} " * 100)
            assert ws.receive() == f"{number} " * 100
            gevent.sleep(0.5)
        ws.close()
    except ConnectionClosed as closed:
        return closed.code
    assert ws.close_code is not None
    return ws.close_code


def session(seed: int) -> tuple[str, int]:
    """Have a session over the network of *seed*; return what went wrong, and how it ended."""
    with Network(seed, latency=0.02, jitter=0.3, pieces=100, bandwidth=50_000) as network:
        draw = network.random
        handlers: list[Handler] = [echo, EchoWebSocket]
        server = network.serve(draw.choice(handlers))
        ws = network.connect()
        began, fault = network.now, draw.choice(FAULTS)
        after = draw.uniform(0, MESSAGES)
        gevent.spawn_later(after, spoil, fault, network, network.links[0], server)
        code = talk(ws)
        assert network.now - began <= MESSAGES * 2 + 15 + NOTICED
        gevent.sleep(NOTICED)
        assert server.connections == []
    return fault, code


def test_sessions_go_on_in_order_or_end_in_time_whatever_the_network_does() -> None:
    ends: dict[str, set[int]] = {}
    for seed in SEEDS:
        try:
            fault, code = session(seed)
        except BaseException as error:
            error.add_note(f"the seed is {seed}")
            raise
        ends.setdefault(fault, set()).add(code)
    assert ends["none"] == ends["pause"] == {1000}
    assert ends["stop"] <= {1000, 1001}
    assert {1006} <= ends["vanish"] & ends["reset"] & ends["half_open"] & ends["partition"]
    assert set().union(*ends.values()) <= {1000, 1001, 1006, 1011}
