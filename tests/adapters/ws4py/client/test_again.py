"""What a client is after a connection, or one that did not come about: it may connect again."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from geventws.adapters.ws4py.client import WebSocketBaseClient
from geventws.adapters.ws4py.client.geventclient import WebSocketClient as GreenClient
from geventws.adapters.ws4py.client.threadedclient import WebSocketClient as ThreadedClient
from geventws.adapters.ws4py.client.tornadoclient import TornadoWebSocketClient
from geventws.adapters.ws4py.exc import HandshakeError
from geventws.adapters.ws4py.manager import WebSocketManager
from geventws.core.handshake import Response
from geventws.server import serve
from tests.adapters.ws4py.scene import Records, ended
from tests.loops import looped
from tests.servers import refusing_port
from tests.serving import LOCAL, echo, in_time, running
from tests.threads import PATIENCE, no_more_threads, serving, uri

KEY, OTHER = b64encode(b"0123456789abcdef"), b64encode(b"fedcba9876543210")
DROPPED = ["opened", (1006, "Going away")]


class Client(Records, WebSocketBaseClient):
    """A client that nobody runs but the test."""


class Threaded(Records, ThreadedClient):
    """A client that its thread runs."""


# After a connection


@pytest.mark.parametrize("kind", [Client, Threaded], ids=["run-by-nobody", "run-by-a-thread"])
def test_client_that_closed_its_connection_connects_again(kind: Any) -> None:
    with serving() as server:
        client = kind(uri(server))
        for _ in "123":
            client.connect()
            client.close_connection()
        client.connect()
        client.close()
        client.run() if kind is Client else client.run_forever()
    assert client.calls == [*DROPPED * 3, "opened", (1000, "")]


@pytest.mark.usefixtures("leaks_nothing")
def test_client_of_greenlets_that_closed_its_connection_connects_again() -> None:
    ends: list[Any] = []

    class Noting(GreenClient):
        def closed(self, code: int, reason: str | None = None) -> None:
            ends.append(code)
            super().closed(code, reason)

    with running(serve(echo, LOCAL)) as server:
        client = Noting(f"ws://127.0.0.1:{server.address[1]}/")
        for _ in "12":
            client.connect()
            client.close_connection()
        client.connect()
        client.send("hello")
        assert str(in_time(client.receive)) == "hello"
        client.close()
        in_time(client._th.join)
    assert ends == [1006, 1006, 1000]


class Looped(TornadoWebSocketClient):
    """A client that its loop runs."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.ends: list[int] = []
        self.over = asyncio.Event()

    def closed(self, code: int, reason: str | None = None) -> None:
        self.ends.append(code)
        self.over.set()


class Idle(Looped):
    """A client of a loop that nobody runs."""

    def handshake_ok(self) -> None:
        self.open()


@pytest.mark.parametrize("kind", [Idle, Looped])
@looped
async def test_client_of_a_loop_that_closed_its_connection_connects_again(kind: Any) -> None:
    with serving() as server:
        client = kind(uri(server))
        for _ in "12":
            await client.connect()
            with pytest.raises(RuntimeError, match="connected already"):
                await client.connect()
            client.ping("this is on its way")  # so the end takes a while
            client.close_connection()
        await client.connect()
        assert client.ends == [1006, 1006]
        client.close_connection()


@looped
async def test_client_of_a_loop_does_not_connect_while_somebody_else_runs_it() -> None:
    class Own(Looped):
        def handshake_ok(self) -> None:
            self.mine = asyncio.create_task(self.run())

    with serving() as server:
        client = Own(uri(server))
        await client.connect()
        await asyncio.sleep(0)  # so that it is run
        client.ping("this is on its way")  # so the end takes a while
        client.close_connection()
        with pytest.raises(RuntimeError, match="connected already"):
            await client.connect()
        await client.mine
    assert client.ends == [1006]


def test_client_that_lost_its_connection_connects_again() -> None:
    def leave(ws: Any) -> None:
        ws.close(4000, "bye")

    with serving(leave) as server:
        client = Client(uri(server))
        for _ in "12":
            client.connect()
            while client.once():
                assert not client.terminated
    client.terminate()
    assert client.calls == ["opened", (4000, "bye")] * 2


def test_client_does_not_connect_while_its_callbacks_run() -> None:
    refused: list[str] = []

    class Hasty(Client):
        def opened(self) -> None:
            super().opened()
            self.close_connection()
            self.try_to_connect()

        def closed(self, code: int, reason: str | None = None) -> None:
            super().closed(code, reason)
            self.try_to_connect()

        def try_to_connect(self) -> None:
            with pytest.raises(RuntimeError, match="connected already"):
                self.connect()
            refused.append(self.calls[-1])

        def handshake_ok(self) -> None:
            self.run()

    with serving() as server:
        client = Hasty(uri(server))
        for _ in "12":
            client.connect()
    assert client.calls == DROPPED * 2
    assert refused == DROPPED * 2


def test_client_does_not_connect_while_a_manager_calls_it() -> None:
    begun, going_on = Event(), Event()

    class Slow(Client):
        def handshake_ok(self) -> None:
            manager.add(self)

        def received_message(self, message: Any) -> None:
            begun.set()
            assert going_on.wait(PATIENCE)

    def greet(ws: Any) -> None:
        ws.send("hello")
        list(ws)

    manager = WebSocketManager()
    manager.start()
    try:
        with serving(greet) as server:
            client = Slow(uri(server))
            client.connect()
            assert begun.wait(PATIENCE)
            client.close_connection()
            with pytest.raises(RuntimeError, match="connected already"):
                client.connect()
            going_on.set()
            assert ended(client) == (1006, "Going away")
    finally:
        going_on.set()
        manager.stop()
        manager.join(PATIENCE)


# After a connect() that failed


@contextmanager
def choosy() -> Iterator[tuple[str, list[str]]]:
    """Give the address of a server that refuses every other request, and the keys that it saw."""
    keys: list[str] = []

    def refuse(request: Any) -> Response | None:
        keys.append(request.headers["Sec-WebSocket-Key"])
        return Response(403) if len(keys) % 2 else None

    with serving(process_request=refuse) as server:
        yield uri(server), keys


def test_key_is_another_one_for_each_attempt() -> None:
    with choosy() as (url, keys):
        client = Client(url)
        for _ in "12":
            with pytest.raises(HandshakeError, match="403"):
                client.connect()
            client.connect()
            assert client.key.decode() == keys[-1]
            client.close()
            client.run()
            assert client.key.decode() not in keys
    assert len(set(keys)) == 4


def test_key_is_another_one_after_nobody_listened() -> None:
    client = Client(f"ws://127.0.0.1:{refusing_port()}/")
    key = client.key
    with pytest.raises(ConnectionRefusedError):
        client.connect()
    assert client.key != key


def test_key_is_another_one_when_closed_is_called() -> None:
    keys: list[bytes] = []

    class Noting(Client):
        def closed(self, code: int, reason: str | None = None) -> None:
            keys.append(self.key)

    with serving() as server:
        client = Noting(uri(server))
        keys.append(client.key)
        client.connect()
        client.close()
        client.run()
        keys.append(client.key)
    assert keys[0] != keys[1] == keys[2]


@looped
async def test_key_of_a_loops_client_is_another_one_for_each_attempt() -> None:
    with choosy() as (url, keys):
        client = Idle(url)
        for _ in "12":
            with pytest.raises(HandshakeError, match="403"):
                await client.connect()
            await client.connect()
            client.close_connection()
    assert len(set(keys)) == 4


@pytest.mark.parametrize("connected", [True, False])
def test_key_that_was_set_is_sent_once(connected: bool) -> None:
    with choosy() as (url, keys):
        client = Client(url)
        with pytest.raises(HandshakeError):
            client.connect()
        client.key = KEY
        client.connect()
        if connected:  # the next one may be set already
            client.key = OTHER
        client.close_connection()
        if not connected:
            assert client.key != KEY
            client.key = OTHER
        with pytest.raises(HandshakeError):
            client.connect()
        client.connect()
        assert keys[1:3] == [KEY.decode(), OTHER.decode()]
        assert keys[3] not in keys[:3]
        client.close_connection()


def test_subprotocols_may_be_others_after_a_connect_that_failed() -> None:
    with choosy() as (url, _):
        client = Client(url, protocols=["no"])
        with pytest.raises(HandshakeError):
            client.connect()
        client.protocols = ["other"]
        client.connect()
        client.close_connection()
        with pytest.raises(HandshakeError):
            client.connect()
        assert client.protocols == ["other"]


def test_client_connects_after_there_was_no_thread_for_it() -> None:
    class Unlucky(Threaded):
        def handshake_ok(self) -> None:
            if self.calls:
                super().handshake_ok()
                return
            with no_more_threads():
                super().handshake_ok()

    with serving() as server:
        client = Unlucky(uri(server))
        with pytest.raises(RuntimeError, match="thread"):
            client.connect()
        client.connect()
        client.close()
        client.run_forever()
    assert client.calls == [(1006, "Going away"), "opened", (1000, "")]
