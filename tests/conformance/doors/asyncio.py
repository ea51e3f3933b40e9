"""The asyncio event loop."""

from __future__ import annotations

import asyncio

from geventws.adapters.asyncio import AsyncWebSocket, connect
from geventws.adapters.asyncio import serve as listen
from tests.conformance.doors import MAX_SIZE, heard_by_task


async def _echo(ws: AsyncWebSocket) -> None:
    async for message in ws:
        await ws.send(message)


async def _serve(port: int) -> None:
    server = await listen(_echo, "127.0.0.1", port, max_size=MAX_SIZE)
    print("listening", flush=True)
    await server.serve_forever()


async def _visit(url: str, echo: bool) -> list[str | bytes]:
    async with await connect(url, max_size=MAX_SIZE) as ws:
        return await heard_by_task(ws, echo)


def serve(port: int) -> None:
    """Echo."""
    asyncio.run(_serve(port))


def visit(url: str, echo: bool) -> list[str | bytes]:
    """Return what the server says, having sent it back where *echo* is true."""
    return asyncio.run(_visit(url, echo))
