"""websocket-client; gevent.monkey has to have patched its sockets."""

from __future__ import annotations

from websocket import create_connection

from loadtests.bench.clients import Plan
from loadtests.bench.clients.greenlets import measure


def _talk(plan: Plan, index: int) -> None:
    ws = create_connection(plan.url)
    while True:
        ws.send_binary(plan.message)
        plan.check(ws.recv())
        plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    measure(_talk, plan)
