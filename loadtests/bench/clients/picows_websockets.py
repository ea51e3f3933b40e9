"""picows' double of websockets on uvloop."""

from __future__ import annotations

import uvloop
from picows.websockets.asyncio.client import connect

from loadtests.bench.clients import MAX_SIZE, Plan
from loadtests.bench.clients.tasks import measure


async def _talk(plan: Plan, index: int) -> None:
    async with connect(plan.url, compression=None, max_size=MAX_SIZE, proxy=None) as ws:
        while True:
            await ws.send(plan.message)
            plan.check(await ws.recv())
            plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    uvloop.run(measure(_talk, plan))
