"""Tornado."""

from __future__ import annotations

import asyncio

from tornado.web import Application

from geventws.adapters.tornado import Upgrader, WebSocketHandler, connect
from tests.conformance.doors import MAX_SIZE, heard_by_task


class _Echo(WebSocketHandler):
    upgrader = Upgrader(max_size=MAX_SIZE)

    async def on_message(self, message: str | bytes) -> None:
        await self.ws.send(message)


async def _serve(port: int) -> None:
    Application([("/.*", _Echo)]).listen(port, "127.0.0.1")
    print("listening", flush=True)
    await asyncio.Event().wait()


async def _visit(url: str, echo: bool) -> list[str | bytes]:
    async with await connect(url, max_size=MAX_SIZE) as ws:
        return await heard_by_task(ws, echo)


def serve(port: int) -> None:
    """Echo."""
    asyncio.run(_serve(port))


def visit(url: str, echo: bool) -> list[str | bytes]:
    """Return what the server says, having sent it back where *echo* is true."""
    return asyncio.run(_visit(url, echo))
