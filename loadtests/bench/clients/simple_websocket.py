"""simple-websocket; gevent.monkey has to make its thread a greenlet."""

from __future__ import annotations

from simple_websocket import Client

from loadtests.bench.clients import MAX_SIZE, Plan
from loadtests.bench.clients.greenlets import measure


def _talk(plan: Plan, index: int) -> None:
    ws = Client(plan.url, max_message_size=MAX_SIZE)
    while True:
        ws.send(plan.message)
        plan.check(ws.receive())
        plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    measure(_talk, plan)
