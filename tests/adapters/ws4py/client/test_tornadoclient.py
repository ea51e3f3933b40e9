from __future__ import annotations

import asyncio
from queue import Queue
from typing import Any, ClassVar

import pytest
from tornado.ioloop import IOLoop

from geventws.adapters.ws4py.client.tornadoclient import TornadoWebSocketClient
from geventws.adapters.ws4py.exc import HandshakeError, StreamClosed
from geventws.adapters.ws4py.messaging import PingControlMessage
from geventws.core.errors import ConnectionClosed
from geventws.options import Options
from tests.loops import looped
from tests.servers import refusing_port
from tests.threads import PATIENCE, contexts, saying, serving, uri


class Client(TornadoWebSocketClient):
    """Records its callbacks."""

    options: ClassVar[Options] = Options(ping_interval=None, open_timeout=1.0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[Any] = []
        self.over = asyncio.Event()

    def opened(self) -> None:
        self.calls.append("opened")

    def received_message(self, message: Any) -> None:
        self.calls.append(message)

    def ponged(self, pong: Any) -> None:
        self.calls.append(pong.data)
        self.close(4000, "bye")

    def closed(self, code: int, reason: str | None = None) -> None:
        self.calls.append((code, reason))
        self.over.set()


class Talking(Client):
    """Says much, and leaves after the last answer."""

    def opened(self) -> None:
        for size in range(0, 200, 25):
            self.send("*" * size)

    def received_message(self, message: Any) -> None:
        self.calls.append(len(message))
        if len(message) == 175:
            self.close(reason="Bye bye")


@looped
async def test_callbacks_are_called_by_the_loop() -> None:
    with serving(subprotocols=["chat"]) as server:
        client = Talking(uri(server), protocols=["chat"])
        for _ in "12":
            client.over.clear()
            await client.connect()
            assert (client.protocols, client.started) == (["chat"], True)
            assert client.peer_address == server.address
            with pytest.raises(RuntimeError, match="once"):
                client.once()
            await client.over.wait()
            assert client.terminated
    assert client.calls == [*range(0, 200, 25), (1000, "")] * 2


@looped
async def test_client_of_tls_pings() -> None:
    theirs, ours = contexts()
    with serving(ssl=ours) as server:
        client = Client(uri(server, secure=True), ssl_options=theirs)
        await client.connect()
        client.ping("are you there")
        await client.over.wait()
        assert client.calls == ["opened", b"are you there", (4000, "")]
        with pytest.raises(StreamClosed):
            client.send("late")


def test_connect_may_be_called_before_the_loop_runs() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
    loop = IOLoop.current()

    class Stopping(Talking):
        def closed(self, code: int, reason: str | None = None) -> None:
            super().closed(code, reason)
            IOLoop.current().stop()

    try:
        with serving() as server:
            client = Stopping(uri(server), io_loop=loop)
            client.connect()
            loop.start()
    finally:
        loop.close(all_fds=True)
        asyncio.set_event_loop(None)
    assert client.calls[-1] == (1000, "")


@looped
async def test_connection_that_does_not_come_about_is_told_twice() -> None:
    client = Client(f"ws://127.0.0.1:{refusing_port()}/")
    with pytest.raises(OSError, match=r".+"):
        await client.connect()
    assert client.calls[0][0] == 1006
    with saying() as port:
        silent = Client(f"ws://127.0.0.1:{port}/")
        silent.connect()
        await silent.over.wait()
        assert "opening handshake" in silent.calls[0][1]
    with saying(b"HTTP/1.1 200 OK\r\n\r\n") as port, pytest.raises(HandshakeError, match="200"):
        await Client(f"ws://127.0.0.1:{port}/").connect()


@looped
async def test_header_that_cannot_be_sent_is_logged_and_raised(caplog: Any) -> None:
    with pytest.raises(ValueError, match="header"):
        await Client("ws://localhost/", headers=[("A", "b\r\nC: d")]).connect()
    await asyncio.sleep(0)
    assert "no connection came about" in caplog.text


@looped
async def test_callback_that_fails_closes_with_1011(caplog: Any) -> None:
    class Failing(Client):
        def opened(self) -> None:
            raise LookupError("so it goes")

    ends: Queue[str] = Queue()

    def note(ws: Any) -> None:
        with pytest.raises(ConnectionClosed) as raised:
            list(ws)
        ends.put(str(raised.value))

    with serving(note) as server:
        client = Failing(uri(server))
        await client.connect()
        await client.over.wait()
        assert client.calls == [(1006, "Going away")]
        end = await asyncio.to_thread(ends.get, True, PATIENCE)
        assert end == "connection closed: 1011 the application failed"
    while not caplog.text:
        await asyncio.sleep(0.001)
    assert "a callback failed" in caplog.text


@looped
async def test_ping_may_be_a_message_object() -> None:
    with serving() as server:
        client = Client(uri(server))
        await client.connect()
        client.send(PingControlMessage("x"))
        await client.over.wait()
        assert client.calls[-1] == (4000, "")
