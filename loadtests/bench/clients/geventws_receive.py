"""Ours."""

from __future__ import annotations

import geventws
from loadtests.bench.clients import MAX_SIZE, Plan
from loadtests.bench.clients.greenlets import measure


def _talk(plan: Plan, index: int) -> None:
    with geventws.connect(plan.url, compression=None, max_size=MAX_SIZE) as ws:
        while True:
            ws.send(plan.message)
            plan.check(ws.receive())
            plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    measure(_talk, plan)
