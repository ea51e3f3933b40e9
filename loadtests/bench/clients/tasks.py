"""Round trips in tasks of asyncio, one for each connection."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Awaitable, Callable

from loadtests.bench.clients import Plan, Stretch


async def measure(talk: Callable[[Plan, int], Awaitable[None]], plan: Plan) -> None:
    """Have *talk* make round trips on every connection of *plan*, for ever, and measure them."""

    async def guarded(index: int) -> None:
        try:
            await talk(plan, index)
        except Exception:
            traceback.print_exc()
            os._exit(1)

    tasks = [asyncio.create_task(guarded(index)) for index in plan.connections]
    while not all(plan.counts):
        await asyncio.sleep(0.01)
    await asyncio.sleep(plan.warm)
    stretch = Stretch(plan)
    await asyncio.sleep(plan.seconds)
    stretch.end()
    await asyncio.gather(*tasks)
