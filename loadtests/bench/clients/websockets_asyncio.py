"""websockets on asyncio."""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import connect

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
    asyncio.run(measure(_talk, plan))
