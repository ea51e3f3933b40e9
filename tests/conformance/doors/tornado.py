"""Tornado."""

from __future__ import annotations

import asyncio

from tornado.web import Application

from geventws.adapters.tornado import Upgrader, WebSocketHandler, connect
from geventws.core.errors import ConnectionClosed
from tests.conformance.doors import MAX_SIZE


class _Echo(WebSocketHandler):
    upgrader = Upgrader(max_size=MAX_SIZE)

    async def on_message(self, message: str | bytes) -> None:
        await self.ws.send(message)


async def _serve(port: int) -> None:
    Application([("/.*", _Echo)]).listen(port, "127.0.0.1")
    print("listening", flush=True)
    await asyncio.Event().wait()


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
