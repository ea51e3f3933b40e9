"""Tornado."""

from __future__ import annotations

import asyncio

from tornado.websocket import websocket_connect

from loadtests.bench.clients import MAX_SIZE, Plan
from loadtests.bench.clients.tasks import measure


async def _talk(plan: Plan, index: int) -> None:
    ws = await websocket_connect(plan.url, max_message_size=MAX_SIZE)
    while True:
        await ws.write_message(plan.message, binary=True)
        plan.check(await ws.read_message())
        plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    asyncio.run(measure(_talk, plan))
