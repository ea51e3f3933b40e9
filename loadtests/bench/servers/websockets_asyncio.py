"""websockets on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import broadcast as send_to_all
from websockets.asyncio.server import serve as listen

from loadtests.bench.servers import HOST, MAX_SIZE, listening

everybody: set[ServerConnection] = set()


async def _echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def _share(ws: ServerConnection) -> None:
    everybody.add(ws)
    async for message in ws:
        send_to_all(everybody, message)


async def _serve(handler: Callable[[ServerConnection], Awaitable[None]], port: int) -> None:
    async with listen(handler, HOST, port, max_size=MAX_SIZE, backlog=4096):
        listening()
        await asyncio.Event().wait()


def serve(port: int) -> None:
    """Echo."""
    asyncio.run(_serve(_echo, port))


def broadcast(port: int) -> None:
    """Send every message to all."""
    asyncio.run(_serve(_share, port))
