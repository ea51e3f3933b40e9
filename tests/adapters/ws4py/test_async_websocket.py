from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from geventws.adapters.asyncio import connect, serve
from geventws.adapters.ws4py.async_websocket import WebSocket
from geventws.adapters.ws4py.exc import StreamClosed
from geventws.adapters.ws4py.messaging import PongControlMessage
from geventws.core.errors import ConnectionClosed
from tests.loops import looped


@asynccontextmanager
async def visited(handle: Any) -> AsyncIterator[Any]:
    """Give a client of a server that runs *handle*."""
    async with await serve(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with await connect(f"ws://127.0.0.1:{port}") as ws:
            yield ws


class Recorder(WebSocket):
    """Records its callbacks."""

    def __init__(self, proto: Any = None) -> None:
        super().__init__(proto)
        self.calls: list[Any] = []

    def opened(self) -> None:
        self.calls.append("opened")

    def received_message(self, message: Any) -> None:
        self.calls.append(message.data)

    def closed(self, code: int, reason: str | None = None) -> None:
        self.calls.append((code, reason))


@looped
async def test_run_calls_the_callbacks_until_the_connection_is_over() -> None:
    made: list[Recorder] = []

    async def handle(connection: Any) -> None:
        made.append(Recorder())
        made[0].carry(connection)
        assert await made[0].run()

    async with visited(handle) as ws:
        await ws.send("text")
        await ws.send(b"bytes")
        await ws.close(4000, "bye")
    assert made[0].calls == ["opened", b"text", b"bytes", (4000, "bye")]
    assert (made[0].terminated, made[0].started) == (True, True)


@looped
async def test_send_takes_what_it_takes_elsewhere() -> None:
    async def handle(connection: Any) -> None:
        ws = Recorder()
        ws.carry(connection)
        ws.send("text")
        ws.send("bytes", binary=True)
        ws.send(chunk for chunk in ("in ", "fragments"))
        with pytest.raises(ValueError, match="payload"):
            ws.send(PongControlMessage("beep"))
        with pytest.raises(UnicodeDecodeError):
            ws.send(b"\xff")
        await ws.run()

    async with visited(handle) as ws:
        assert [await ws.receive() for _ in "123"] == ["text", b"bytes", "in fragments"]


@looped
async def test_what_cannot_be_sent_is_refused_at_once() -> None:
    async def handle(connection: Any) -> None:
        ws = Recorder()
        ws.carry(connection)
        for text in (b"\xff", "\ud800"):
            with pytest.raises(UnicodeError):
                ws.send(text)
        with pytest.raises(ValueError, match="125 bytes"):
            ws.ping("x" * 126)
        ws.send("next")
        await ws.run()

    async with visited(handle) as ws:
        assert await ws.receive() == "next"


@looped
async def test_iterable_that_cannot_be_sent_is_logged(caplog: Any) -> None:
    async def handle(connection: Any) -> None:
        ws = Recorder()
        ws.carry(connection)
        ws.send([])
        ws.send("next")
        await ws.run()

    async with visited(handle) as ws:
        assert await ws.receive() == "next"
    assert "sending failed" in caplog.text


@looped
async def test_send_refuses_when_the_connection_is_closed() -> None:
    async def handle(connection: Any) -> None:
        ws = Recorder()
        ws.carry(connection)
        await connection.close()
        with pytest.raises(StreamClosed):
            ws.send("late")
        ws.close_connection()

    async with visited(handle) as ws:
        with pytest.raises(ConnectionClosed):
            await ws.receive()
