"""aiohttp on uvloop."""

from __future__ import annotations

import uvloop
from aiohttp import ClientSession

from loadtests.bench.clients import MAX_SIZE, Plan
from loadtests.bench.clients.tasks import measure


async def _talk(plan: Plan, index: int) -> None:
    async with (
        ClientSession() as session,
        session.ws_connect(plan.url, max_msg_size=MAX_SIZE) as ws,
    ):
        while True:
            await ws.send_bytes(plan.message)
            plan.check(await ws.receive_bytes())
            plan.counts[index] += 1


def main(plan: Plan) -> None:
    """Make round trips."""
    uvloop.run(measure(_talk, plan))
