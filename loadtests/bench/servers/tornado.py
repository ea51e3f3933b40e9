"""Tornado."""

from __future__ import annotations

import asyncio

from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from loadtests.bench.servers import HOST, MAX_SIZE, listening

everybody: set[WebSocketHandler] = set()


class _Echo(WebSocketHandler):
    def get_compression_options(self) -> dict[str, object]:
        return {}

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, isinstance(message, bytes))


class _Share(_Echo):
    def open(self, *args: str, **kwargs: str) -> None:
        everybody.add(self)

    def on_close(self) -> None:
        everybody.discard(self)

    async def on_message(self, message: str | bytes) -> None:
        for each in list(everybody):
            try:
                each.write_message(message, isinstance(message, bytes))
            except WebSocketClosedError:
                everybody.discard(each)


async def _serve(handler: type[_Echo], port: int) -> None:
    application = Application([("/", handler)], websocket_max_message_size=MAX_SIZE)
    application.listen(port, HOST, backlog=4096, max_buffer_size=2 * MAX_SIZE)
    listening()
    await asyncio.Event().wait()


def serve(port: int) -> None:
    """Echo."""
    asyncio.run(_serve(_Echo, port))


def broadcast(port: int) -> None:
    """Send every message to all."""
    asyncio.run(_serve(_Share, port))
