"""picows' double of websockets on uvloop: coroutines, whole messages, text decoded."""

from __future__ import annotations

import asyncio

import uvloop
from picows.websockets.asyncio.server import ServerConnection
from picows.websockets.asyncio.server import serve as listen

from loadtests.bench.servers import HOST, MAX_SIZE, listening


async def _echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def _serve(port: int) -> None:
    async with listen(_echo, HOST, port, max_size=MAX_SIZE, backlog=4096):
        listening()
        await asyncio.Event().wait()


def serve(port: int) -> None:
    """Echo."""
    uvloop.run(_serve(port))
