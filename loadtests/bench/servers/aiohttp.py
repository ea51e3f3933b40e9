"""aiohttp on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import uvloop
from aiohttp import WSMsgType, web

from loadtests.bench.servers import HOST, MAX_SIZE, listening

everybody: set[web.WebSocketResponse] = set()


async def _opened(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(max_msg_size=MAX_SIZE)
    await ws.prepare(request)
    return ws


async def _echo(request: web.Request) -> web.WebSocketResponse:
    ws = await _opened(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)
    return ws


async def _share(request: web.Request) -> web.WebSocketResponse:
    ws = await _opened(request)
    everybody.add(ws)
    async for message in ws:
        for each in everybody:
            await each.send_bytes(message.data)
    return ws


async def _serve(
    handler: Callable[[web.Request], Awaitable[web.WebSocketResponse]], port: int
) -> None:
    application = web.Application()
    application.router.add_get("/", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=4096).start()
    listening()
    await asyncio.Event().wait()


def serve(port: int) -> None:
    """Echo."""
    uvloop.run(_serve(_echo, port))


def broadcast(port: int) -> None:
    """Send every message to all."""
    uvloop.run(_serve(_share, port))
