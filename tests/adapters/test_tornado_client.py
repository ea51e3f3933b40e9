"""The client of the Tornado door, in the callback style."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketHandler as TheirHandler

from geventws.adapters.tornado import AsyncWebSocket, TornadoWebSocketClient, WebSocketHandler
from geventws.core.errors import ConnectionClosed, Rejected
from tests.loops import looped
from tests.threads import BIG, contexts
from tests.tornados import served


class Noting(TornadoWebSocketClient):
    """Takes note of what happens."""

    def __init__(self, url: str, **arguments: Any) -> None:
        super().__init__(url, **arguments)
        self.seen: list[Any] = []
        self.errors: list[Exception] = []
        self.over = asyncio.get_running_loop().create_future()

    def opened(self) -> None:
        """Say so."""
        self.seen.append("opened")

    def received_message(self, message: str | bytes) -> Any:
        """Note it."""
        self.seen.append(message)

    def closed(self, code: int, reason: str) -> None:
        """Note it, and that this is the end."""
        self.seen.append((code, reason))
        self.over.set_result(None)

    def unhandled_error(self, error: Exception) -> None:
        """Note it."""
        self.errors.append(error)


class Talking(Noting):
    """The client of ws4py's documentation."""

    def opened(self) -> None:
        """Say much at once, and wait for nothing."""
        for size in range(0, 200, 25):
            self.send("*" * size)

    def received_message(self, message: str | bytes) -> None:
        """Leave after the last one."""
        self.seen.append(len(message))
        if len(message) == 175:
            self.close(reason="Bye bye")


@looped
async def test_client_talks_and_leaves_without_waiting_for_anything() -> None:
    async with served() as port:
        client = Talking(f"ws://127.0.0.1:{port}/echo", subprotocols=["chat"])
        assert IOLoop.current() is not None
        await client.connect()
        await client.over
    assert client.seen == [*range(0, 200, 25), (1000, "")]
    assert client.errors == []


@looped
async def test_client_closes_after_what_it_sent_before() -> None:
    class Leaving(Noting):
        def opened(self) -> None:
            for number in range(100):
                self.send(f"{number}")
            self.close(4000)

    got: list[Any] = []

    class Listening(WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            got.append(message)

    async with served(("/", Listening)) as port:
        client = Leaving(f"ws://127.0.0.1:{port}/")
        await client.connect()
        await client.over
    assert got == [f"{number}" for number in range(100)]
    assert client.seen == [(4000, "")]


@looped
async def test_callbacks_may_await_and_the_next_one_waits_for_them() -> None:
    class Slow(Noting):
        async def received_message(self, message: str | bytes) -> None:
            self.seen.append(message)
            await asyncio.sleep(0)
            await self.send(message)
            self.seen.append("sent")

    async with served(("/", Saying)) as port:
        client = Slow(f"ws://127.0.0.1:{port}/")
        await client.connect()
        await client.over
    assert client.seen == ["opened", "one", "sent", "two", "sent", (1001, "")]


class Saying(WebSocketHandler):
    """Says two things, and that it goes away once it has heard as many."""

    async def handle(self, ws: AsyncWebSocket) -> None:
        """Do so."""
        await ws.send("one")
        await ws.send("two")
        assert [await ws.receive(), await ws.receive()] == ["one", "two"]
        await ws.close(1001)


@looped
async def test_client_whose_callback_fails_is_closed_with_1011() -> None:
    class Failing(Noting):
        def received_message(self, message: str | bytes) -> None:
            raise LookupError(message)

    async with served() as port:
        client = Failing(f"ws://127.0.0.1:{port}/echo")
        await client.connect()
        await client.send("x")
        await client.over
    assert client.seen == ["opened", (1011, "")]
    assert [type(error) for error in client.errors] == [LookupError]


@looped
async def test_client_hears_of_what_its_closed_raised() -> None:
    class Failing(Noting):
        def closed(self, code: int, reason: str) -> None:
            raise LookupError(reason)

        def unhandled_error(self, error: Exception) -> None:
            super().unhandled_error(error)
            self.over.set_result(None)

    async with served() as port:
        client = Failing(f"ws://127.0.0.1:{port}/echo")
        await client.connect()
        await client.close()
        await client.over
    assert [type(error) for error in client.errors] == [LookupError]


@looped
async def test_failures_are_logged_where_nobody_wants_them(caplog: Any) -> None:
    class Failing(Noting):
        def opened(self) -> None:
            self.send(5)  # type: ignore[arg-type]

        unhandled_error = TornadoWebSocketClient.unhandled_error

    async with served() as port:
        client = Failing(f"ws://127.0.0.1:{port}/echo")
        await client.connect()
        assert await client.ws.ping() > 0
        await client.close()
        await client.over
        with pytest.raises(ConnectionClosed):
            await client.send("too late")
    assert caplog.text.count("a callback failed") == 1


@looped
async def test_connect_raises_what_went_wrong() -> None:
    async with served() as port:
        with pytest.raises(Rejected):
            await TornadoWebSocketClient(f"ws://127.0.0.1:{port}/nowhere").connect()
    with pytest.raises(ConnectionRefusedError):
        await TornadoWebSocketClient(f"ws://127.0.0.1:{port}/echo").connect()


def test_connect_needs_a_loop_that_runs() -> None:
    with pytest.raises(RuntimeError):
        TornadoWebSocketClient("ws://127.0.0.1/").connect()


@looped
async def test_client_without_callbacks_lets_everything_pass() -> None:
    async with served() as port:
        client = TornadoWebSocketClient(f"ws://127.0.0.1:{port}/echo")
        await client.connect()
        await client.send("x")
        assert await client.ws.ping() > 0
        await client.close()


class TheirEcho(TheirHandler):
    """Sends every message back, in Tornado's own way."""

    def on_message(self, message: str | bytes) -> None:
        """Do so."""
        self.write_message(message, isinstance(message, bytes))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@looped
async def test_client_talks_to_tornados_own_server(secure: bool) -> None:
    theirs, ours = contexts()
    arguments: Any = {"ssl": theirs} if secure else {}
    scheme = "wss://localhost" if secure else "ws://127.0.0.1"
    async with served(("/", TheirEcho), secure=ours if secure else None) as port:
        client = Noting(f"{scheme}:{port}/", max_size=None, **arguments)
        await client.connect()
        for message in ("text", b"binary", BIG):
            await client.send(message)
        assert await client.ws.ping() > 0
        await client.close(4000)
        await client.over
    assert client.seen == ["opened", "text", b"binary", BIG, (4000, "")]
