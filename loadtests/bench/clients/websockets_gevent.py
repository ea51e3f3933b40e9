"""websockets' threads; gevent.monkey has to make them greenlets."""

from __future__ import annotations

from websockets.sync.client import connect

from loadtests.bench.clients import MAX_SIZE, Plan
from loadtests.bench.clients.greenlets import measure


def _talk(plan: Plan, index: int) -> None:
    with connect(plan.url, compression=None, max_size=MAX_SIZE, proxy=None) as ws:
        while True:
            ws.send(plan.message)
            plan.check(ws.recv())
            plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    measure(_talk, plan)
