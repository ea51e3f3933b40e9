from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from geventws.adapters.ws4py.async_websocket import EchoWebSocket, WebSocket
from geventws.adapters.ws4py.server.tulipserver import WebSocketProtocol
from tests.rawpeer import BINARY, TEXT, RawPeer, close_frame, frame
from tests.threads import PATIENCE


class Echo(EchoWebSocket):
    """Records its callbacks and sends messages back."""

    made: list[Any]

    def __init__(self, proto: Any) -> None:
        super().__init__(proto)
        self.calls: list[Any] = []
        self.over = Event()
        self.made.append(self)

    def opened(self) -> None:
        self.calls.append("opened")

    def closed(self, code: int, reason: str | None = None) -> None:
        self.calls.append((code, reason))
        self.over.set()


@contextmanager
def serving(kind: Any = Echo, **arguments: Any) -> Iterator[tuple[Any, Any, list[Any]]]:
    """Give the address of a server in a thread of its own, its loop, and what it made."""
    made: list[Any] = []
    handler = type("Handler", (kind,), {"made": made})
    loop = asyncio.new_event_loop()

    async def begin() -> asyncio.Server:
        return await loop.create_server(
            lambda: WebSocketProtocol(handler, **arguments), "127.0.0.1", 0
        )

    server = loop.run_until_complete(begin())
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname(), loop, made
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def end(server: asyncio.Server) -> None:
    """Close *server*, and wait for what is still at work."""
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def visited(kind: Any = Echo, **arguments: Any) -> Iterator[tuple[RawPeer, Any, list[Any]]]:
    """Give a client of such a server."""
    with serving(kind, **arguments) as (address, loop, made), RawPeer.to(address) as peer:
        yield peer, loop, made


def test_protocol_serves_a_websocket() -> None:
    with visited(subprotocols=["chat"]) as (peer, _, made):
        reply = peer.upgrade(sec_websocket_protocol="chat")
        assert reply.headers["sec-websocket-protocol"] == "chat"
        peer.send(frame(TEXT, b"text"), frame(BINARY, b"bytes"))
        assert [peer.read_frame() for _ in "12"] == [(TEXT, b"text"), (BINARY, b"bytes")]
        peer.end(4000)
        (ws,) = made
        assert ws.over.wait(PATIENCE)
        assert ws.calls == ["opened", (4000, "")]
        assert (ws.protocols, ws.extensions, ws.started) == (["chat"], [], True)
        assert ws.headers["Host"] == "example.org"
        assert ws.peer_address == peer.socket.getsockname()
        assert ws.terminated


def test_protocol_refuses_what_is_no_opening_handshake() -> None:
    with visited() as (peer, _, made):
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.read_response().status == 426
        assert made[0].calls == []


def test_messages_leave_in_the_order_they_were_sent() -> None:
    class Chatty(Echo):
        def opened(self) -> None:
            for number in range(100):
                self.send(str(number) * 100)
            self.close(4000, "enough")

    with visited(Chatty) as (peer, _, _):
        peer.upgrade()
        got = [peer.read_frame()[1].decode() for _ in range(100)]
        assert got == [str(number) * 100 for number in range(100)]
        assert peer.read_close() == (4000, "enough")
        peer.send(close_frame(4000))


def test_protocol_can_be_closed_and_dropped() -> None:
    with visited() as (peer, loop, made):
        peer.upgrade()
        peer.send(frame(TEXT, b"x"))
        peer.read_frame()
        loop.call_soon_threadsafe(made[0].proto.close)
        assert peer.read_close() == (1000, "")
        loop.call_soon_threadsafe(made[0].proto.timeout)
        assert made[0].over.wait(PATIENCE)
        assert made[0].calls[-1] == (1006, "Going away")


def test_protocol_that_serves_nobody_yet_has_nothing_to_close() -> None:
    async def make() -> None:
        protocol = WebSocketProtocol(WebSocket)
        protocol.close()
        protocol.timeout()
        assert not protocol.ws.started

    asyncio.run(make())
