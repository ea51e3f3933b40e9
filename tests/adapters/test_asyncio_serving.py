"""How a server of asyncio lets in, turns away and ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from typing import Any

import pytest

from geventws.adapters.asyncio import AsyncWebSocket, Server, WebSocketProtocol, connect, serve
from geventws.core.errors import ConnectionClosed, InvalidHandshake, Rejected
from geventws.core.handshake import Response
from geventws.limits import Limits
from tests.loops import PATIENCE, REQUEST, closed, looped
from tests.threads import LOCAL, contexts


async def echo(ws: AsyncWebSocket) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


async def wait(ws: AsyncWebSocket) -> None:
    """Use no connection at all."""
    await asyncio.sleep(PATIENCE)


def url(server: Server, secure: bool = False) -> str:
    """Return the address to connect to."""
    host = "wss://localhost" if secure else "ws://127.0.0.1"
    return f"{host}:{server.sockets[0].getsockname()[1]}/"


# Clients that leave too early


@looped
@pytest.mark.parametrize(
    "lingers", [b"\0\0\0\0\0\0\0\0", b"\1\0\0\0\0\0\0\0"], ids=["end", "reset"]
)
@pytest.mark.parametrize("sent", [REQUEST, REQUEST[:20], b"GET / HTTP/1.1\r\n\r\n"])
async def test_client_that_leaves_before_its_answer_is_no_failure(
    sent: bytes, lingers: bytes, caplog: Any
) -> None:
    async with await serve(echo, *LOCAL) as server:
        for _ in range(10):  # one that has ended too resets the connection, when it is answered
            with socket.create_connection(server.sockets[0].getsockname()) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers)
                sock.sendall(sent)
        async with await connect(url(server)) as ws:
            assert await ws.ping() > 0
    gc.collect()
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


# Ending


@looped
async def test_closing_says_1001_to_everyone() -> None:
    server = await serve(echo, *LOCAL)
    clients = [await connect(url(server)) for _ in range(20)]
    assert server.is_serving()
    assert server.protocol.connections == 20
    await clients[0].send("before")
    assert await clients[0].receive() == "before"
    server.close()
    server.close()
    assert not server.is_serving()
    assert server.sockets == ()
    assert {(await closed(ws)).code for ws in clients} == {1001}
    await server.wait_closed()
    assert server.protocol.connections == 0
    await asyncio.gather(*(ws.close() for ws in clients))


@looped
async def test_closing_waits_for_handlers_no_longer_than_close_timeout() -> None:
    ends: list[str] = []

    async def linger(ws: AsyncWebSocket) -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ends.append("cancelled")

    async with await serve(linger, *LOCAL, close_timeout=0.1) as server:
        ws = await connect(url(server))
    assert ends == ["cancelled"]
    assert (await closed(ws)).code == 1001
    await ws.close()


@looped
async def test_closing_drops_peers_that_do_not_answer() -> None:
    async with await serve(echo, *LOCAL, close_timeout=0.1) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    assert server.protocol.connections == 0
    assert await reader.read() == b"\x88\x02\x03\xe9"
    writer.close()


@looped
async def test_closing_drops_who_has_not_asked_yet() -> None:
    async with await serve(echo, *LOCAL) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        async with await connect(url(server)) as ws:  # by then the first is accepted
            assert await ws.ping() > 0
    assert await reader.read() == b""
    writer.close()


@looped
async def test_handler_may_close_its_server() -> None:
    async def stop(ws: AsyncWebSocket) -> None:
        await ws.receive()
        server.close()
        await server.wait_closed()

    server = await serve(stop, *LOCAL)
    async with await connect(url(server)) as ws:
        await ws.send("stop")
        assert (await closed(ws)).code == 1001
    await server.wait_closed()


@looped
async def test_serving_for_ever_closes_when_it_is_cancelled() -> None:
    server = await serve(echo, *LOCAL)
    await server.start_serving()
    assert server.get_loop() is asyncio.get_running_loop()
    forever = asyncio.create_task(server.serve_forever())
    async with await connect(url(server)) as ws:
        forever.cancel()
        assert (await closed(ws)).code == 1001
    with pytest.raises(asyncio.CancelledError):
        await forever
    assert not server.is_serving()


@looped
async def test_serving_for_ever_returns_when_the_server_is_closed() -> None:
    server = await serve(echo, *LOCAL)
    forever = asyncio.create_task(server.serve_forever())
    async with await connect(url(server)) as ws:
        server.close()
        assert (await closed(ws)).code == 1001
    await forever


# Turning away


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@looped
async def test_refusal_reaches_a_client_that_goes_on_talking(secure: bool) -> None:
    theirs, ours = contexts()
    refuse: Any = {"process_request": lambda _: Response(401, body="who?" * 1000)}
    tls: Any = {"ssl": theirs, "server_hostname": "localhost"} if secure else {}
    async with await serve(echo, *LOCAL, ssl=ours if secure else None, **refuse) as server:
        port = server.sockets[0].getsockname()[1]
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
            writer.write(REQUEST + b"x" * 30_000)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401 ")
            assert await reader.readexactly(4000) == b"who?" * 1000
            writer.close()


@looped
async def test_refused_client_that_never_ends_is_dropped() -> None:
    async def go_on() -> None:
        while True:
            await loop.sock_sendall(sock, b"x" * 1000)
            await asyncio.sleep(0.01)

    loop = asyncio.get_running_loop()
    async with await serve(echo, *LOCAL) as server:
        with socket.create_connection(server.sockets[0].getsockname()) as sock:
            sock.setblocking(False)
            await loop.sock_sendall(sock, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await loop.sock_recv(sock, 65536)).startswith(b"HTTP/1.1 426 ")
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await go_on()


@looped
async def test_connections_over_the_limit_are_refused() -> None:
    async with await serve(echo, *LOCAL, limits=Limits(max_connections=2)) as server:
        async with await connect(url(server)), await connect(url(server)):
            with pytest.raises(Rejected) as raised:
                await connect(url(server))
            assert (raised.value.status, raised.value.headers["Retry-After"]) == (503, "5")
        while server.protocol.connections:
            await asyncio.sleep(0)
        async with await connect(url(server)) as ws:
            assert await ws.ping() > 0


@looped
async def test_connections_of_one_address_are_limited() -> None:
    limits = Limits(per_address=1)
    async with await serve(echo, *LOCAL, limits=limits) as server, await connect(url(server)):
        with pytest.raises(Rejected) as raised:
            await connect(url(server))
        assert raised.value.status == 429


@looped
async def test_crowd_of_openings_is_not_listened_to() -> None:
    async with await serve(echo, *LOCAL, limits=Limits(max_connections=1)) as server:
        address = server.sockets[0].getsockname()
        crowd = [await asyncio.open_connection(*address) for _ in range(34)]
        assert await crowd[-1][0].read() == b""
        for _, writer in crowd:
            writer.close()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"limits": 5}, TypeError),
        ({"max_size": 0}, ValueError),
        ({"origin": "a"}, TypeError),
    ],
)
@looped
async def test_serve_refuses_wrong_arguments(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"limits|max_size|origin"):
        await serve(echo, *LOCAL, **arguments)
    with pytest.raises(TypeError, match="handler"):
        await serve(None, *LOCAL)  # type: ignore[arg-type]


# Protocols without our server


@looped
async def test_protocol_serves_what_the_loop_listens_to(tmp_path: Any) -> None:
    path = str(tmp_path / "socket")
    protocol = WebSocketProtocol(echo, subprotocols=["chat"])
    loop = asyncio.get_running_loop()
    listening = await loop.create_unix_server(protocol, path)
    async with await connect(f"ws+unix://{path}", subprotocols=["chat"]) as ws:
        await ws.send("x")
        assert await ws.receive() == "x"
        assert ws.subprotocol == "chat"
        assert protocol.connections == 1
    listening.close()
    protocol.close()
    await protocol.wait_closed()
    assert protocol.connections == 0


@looped
async def test_protocol_lets_nobody_in_once_it_is_closed() -> None:
    protocol = WebSocketProtocol(echo)
    listening = await asyncio.get_running_loop().create_server(protocol, *LOCAL)
    protocol.close()
    port = listening.sockets[0].getsockname()[1]
    with pytest.raises((OSError, InvalidHandshake)):
        await connect(f"ws://127.0.0.1:{port}/")
    listening.close()


# Clients


@looped
async def test_connect_begins_at_the_source_address() -> None:
    seen: list[Any] = []

    async def see(ws: AsyncWebSocket) -> None:
        seen.append(ws.peer_address)

    with socket.create_server(("127.0.0.2", 0)) as free:
        source = free.getsockname()
    async with await serve(see, *LOCAL) as server:
        ws = await connect(url(server), source_address=source)
        assert ws.local_address == source
        with pytest.raises(ConnectionClosed):
            await ws.receive()
        await ws.close()
    assert seen == [source]


@looped
async def test_connect_refuses_source_and_context_of_wrong_kinds() -> None:
    with pytest.raises(TypeError, match="source_address"):
        await connect("ws://localhost/", source_address="127.0.0.1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="source_address"):
        await connect("ws+unix:///socket", source_address=LOCAL)
    with pytest.raises(TypeError, match="ssl"):
        await connect("wss://localhost/", ssl=True)  # type: ignore[arg-type]
