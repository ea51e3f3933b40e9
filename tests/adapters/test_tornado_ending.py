"""How connections to a Tornado application end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from geventws.adapters.tornado import AsyncWebSocket, close_all, connect
from geventws.core.codes import CLOSE, TEXT
from geventws.core.errors import ConnectionClosed
from tests.core.helpers import Raw
from tests.loops import PATIENCE, closed, looped
from tests.tornados import Echo, asked, served


@looped
async def test_peer_that_says_no_more_is_still_answered() -> None:
    async with served() as port:
        peer = await asked(port)
        peer.send(TEXT, b"last")
        peer.send(CLOSE, b"\x0f\xa0")
        peer.writer.write_eof()
        assert await peer.until_end() == [Raw(TEXT, b"last"), Raw(CLOSE, b"\x0f\xa0")]
        peer.writer.close()


@looped
async def test_closing_all_says_1001_and_waits_for_the_handlers() -> None:
    ends: list[str] = []

    class Ending(Echo):
        def initialize(self) -> None:
            applications.append(self.application)

        def on_close(self) -> None:
            ends.append("closed")

    class Stuck(Ending):
        async def handle(self, ws: AsyncWebSocket) -> None:
            await asyncio.sleep(PATIENCE)

    applications: list[Any] = []
    async with served(("/", Ending), ("/stuck", Stuck)) as port:
        url = f"ws://127.0.0.1:{port}/"
        clients = [await connect(url + path) for path in ("", "", "stuck")]
        closing = asyncio.create_task(close_all(applications[0], 2))
        assert [(await closed(ws)).code for ws in clients] == [1001] * 3
        await closing
        await asyncio.gather(*(ws.close() for ws in clients))
        await connect_and_close(url)
    assert ends == ["closed"] * 4


async def connect_and_close(url: str) -> None:
    """Show that a server is still at work."""
    async with await connect(url) as ws:
        assert await ws.ping() > 0


@looped
async def test_closing_all_of_an_application_without_connections_is_no_error() -> None:
    async with served() as port:
        assert port
    with pytest.raises(TypeError, match="timeout"):
        await close_all(Any, None)  # type: ignore[arg-type]


@looped
async def test_connection_is_over_when_the_peer_is_lost() -> None:
    over = asyncio.get_running_loop().create_future()

    class Ending(Echo):
        def on_close(self) -> None:
            over.set_result((self.ws.close_code, self.ws.stats.messages_received))

    async with served(("/", Ending)) as port:
        ws = await connect(f"ws://127.0.0.1:{port}/")
        await ws.send("x")
        await ws.receive()
        ws._transport.abort()
        assert await over == (1006, 1)
        with pytest.raises(ConnectionClosed):
            await ws.send("y")
