"""ws4py's client for gevent; gevent.monkey has to have patched its sockets."""

from __future__ import annotations

from ws4py.client.geventclient import WebSocketClient

from loadtests.bench.clients import Plan
from loadtests.bench.clients.greenlets import measure


def _talk(plan: Plan, index: int) -> None:
    ws = WebSocketClient(plan.url)
    ws.connect()
    while True:
        ws.send(plan.message, binary=True)
        plan.check(ws.receive().data)
        plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    measure(_talk, plan)
