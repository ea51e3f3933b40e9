"""The asyncio event loop."""

from __future__ import annotations

import asyncio

from geventws.adapters.asyncio import AsyncWebSocket, connect
from geventws.adapters.asyncio import serve as listen
from geventws.core.errors import ConnectionClosed
from tests.conformance.doors import MAX_SIZE


async def _echo(ws: AsyncWebSocket) -> None:
    async for message in ws:
        await ws.send(message)


async def _serve(port: int) -> None:
    server = await listen(_echo, "127.0.0.1", port, max_size=MAX_SIZE)
    print("listening", flush=True)
    await server.serve_forever()


async def _visit(url: str, echo: bool) -> list[str | bytes]:
    heard = []
    async with await connect(url, max_size=MAX_SIZE) as ws:
        try:
            async for message in ws:
                heard.append(message)
                if echo:
                    await ws.send(message)
        except ConnectionClosed:
            return heard
    return heard


def serve(port: int) -> None:
    """Echo."""
    asyncio.run(_serve(port))


def visit(url: str, echo: bool) -> list[str | bytes]:
    """Return what the server says, having sent it back where *echo* is true."""
    return asyncio.run(_visit(url, echo))
