from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.server

from geventws.adapters.asyncio import AsyncWebSocket, connect, serve
from geventws.core.errors import ConnectionClosed, InvalidHandshake, InvalidURI, Rejected
from geventws.core.handshake import Request, Response
from setup import ROOT
from tests.loops import PATIENCE, looped
from tests.threads import BIG, LOCAL, contexts


async def echo(ws: AsyncWebSocket) -> None:
    """Send every message back."""
    async for message in ws:
        await ws.send(message)


@asynccontextmanager
async def serving(handler: Any = echo, **arguments: Any) -> AsyncIterator[int]:
    """Have a server run, and give its port; afterwards wait until its handlers have ended."""
    running: set[asyncio.Task[Any] | None] = set()

    async def handle(ws: AsyncWebSocket) -> None:
        running.add(asyncio.current_task())
        await handler(ws)

    server = await serve(handle, *LOCAL, **arguments)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*filter(None, running))


@asynccontextmanager
async def met(handler: Any = echo, **options: Any) -> AsyncIterator[AsyncWebSocket]:
    """Give a client whose server runs *handler*."""
    async with serving(handler) as port, await connect(f"ws://127.0.0.1:{port}/", **options) as ws:
        yield ws


@asynccontextmanager
async def saying(*answers: bytes) -> AsyncIterator[int]:
    """Give the port of a server that says this, whatever it is asked, and waits for the client."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(65536)
            writer.write(answer)
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(talk, *LOCAL)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def asked(port: int, data: bytes) -> bytes:
    """Return all that a server says to *data*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


@looped
async def test_client_logs_in_follows_redirects_and_keeps_cookies() -> None:
    asked: list[Any] = []

    def admit(request: Request) -> Response | None:
        headers = request.headers
        asked.append((request.path, headers.get("Authorization"), headers.get("Cookie")))
        if request.path == "/room":
            return None
        return Response(302, {"Location": "/room", "Set-Cookie": "seat=12"})

    async with serving(process_request=admit) as port:
        url = f"ws://Aladdin:open%20sesame@127.0.0.1:{port}/"
        async with await connect(url, cookies=CookieJar()) as ws:
            await ws.send("hello")
            assert await ws.receive() == "hello"
        with pytest.raises(Rejected):
            await connect(url, redirects=0)
    user = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert asked[:2] == [("/", user, None), ("/room", user, "seat=12")]


# Both sides


@pytest.mark.parametrize("options", [{}, {"compression": None}], ids=["deflate", "plain"])
@looped
async def test_messages_go_both_ways(options: Any) -> None:
    async with (
        serving(max_size=None) as port,
        await connect(f"ws://127.0.0.1:{port}/", max_size=None, **options) as ws,
    ):
        for message in ("", "text", b"binary", "\N{GREEK SMALL LETTER OMEGA}" * 9999, BIG):
            await ws.send(message)
            assert await ws.receive() == message
        assert await ws.ping() > 0
    assert ws.close_code == 1000


@looped
async def test_messages_go_both_ways_over_tls() -> None:
    theirs, ours = contexts()
    async with (
        serving(max_size=None, ssl=ours) as port,
        await connect(f"wss://localhost:{port}/", max_size=None, ssl=theirs) as ws,
    ):
        await ws.send(BIG)
        assert await ws.receive() == BIG
    assert ws.close_code == 1000


@looped
async def test_messages_of_many_senders_stay_whole() -> None:
    texts = {letter * 300_000 for letter in "abcdefgh"}
    async with met() as ws:
        sending = [asyncio.create_task(ws.send(text)) for text in texts]
        assert {await ws.receive() for _ in texts} == texts
        await asyncio.gather(*sending)


@looped
async def test_server_knows_what_was_asked_for() -> None:
    seen: list[Any] = []

    async def see(ws: AsyncWebSocket) -> None:
        seen.append(ws.request)

    wanted: Any = {"subprotocols": ["a", "b"], "headers": {"X": "y"}}
    async with (
        serving(see, subprotocols=["b", "a"]) as port,
        await connect(f"ws://127.0.0.1:{port}/some/path?query", **wanted) as ws,
    ):
        assert ws.subprotocol == "b"
        assert ws.extensions == ("permessage-deflate",)
    request = seen[0]
    assert (request.path, request.query, request.headers["X"]) == ("/some/path", "query", "y")
    assert request.remote_address[0] == "127.0.0.1"


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4999, "x" * 123)])
@looped
async def test_close_codes_reach_the_other_side(code: int, reason: str) -> None:
    async with met(lambda ws: ws.close(code, reason)) as ws:
        with pytest.raises(ConnectionClosed) as raised:
            await ws.receive()
        closed = raised.value
        assert (closed.code, closed.reason, closed.clean) == (code, reason, True)


@looped
async def test_handler_that_fails_closes_with_1011(caplog: Any) -> None:
    async def fail(ws: AsyncWebSocket) -> None:
        raise RuntimeError("so it goes")

    server = await serve(fail, *LOCAL)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with await connect(f"ws://127.0.0.1:{port}/") as ws:
            with pytest.raises(ConnectionClosed) as raised:
                await ws.receive()
    assert raised.value.code == 1011
    assert "the handler failed" in caplog.text


@looped
async def test_handler_may_leave_with_the_connection() -> None:
    async def receive_for_ever(ws: AsyncWebSocket) -> None:
        while True:
            await ws.receive()

    server = await serve(receive_for_ever, *LOCAL)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with await connect(f"ws://127.0.0.1:{port}/") as ws:
            await ws.send("x")
        assert ws.close_code == 1000


# Opening


@looped
async def test_connect_raises_when_nobody_listens() -> None:
    async with serving() as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        await connect(f"ws://127.0.0.1:{port}/", open_timeout=None)


@looped
async def test_connect_names_the_phase_that_took_too_long() -> None:
    async with saying() as port:
        with pytest.raises(TimeoutError, match="the opening handshake took longer than open_"):
            await connect(f"ws://127.0.0.1:{port}/", open_timeout=0.05)
        with pytest.raises(TimeoutError, match="connecting took longer than open_timeout"):
            await connect(f"wss://127.0.0.1:{port}/", open_timeout=0.2)


@looped
async def test_connect_can_be_cancelled() -> None:
    async with saying() as port:
        connecting = asyncio.create_task(connect(f"ws://127.0.0.1:{port}/"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connecting, 0.05)


@looped
async def test_connect_verifies_certificate_and_name() -> None:
    theirs, ours = contexts()
    async with serving(ssl=ours) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"wss://localhost:{port}/")
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(f"wss://127.0.0.1:{port}/", ssl=theirs)


@looped
async def test_connect_tells_why_it_was_refused() -> None:
    async with serving(process_request=lambda _: Response(401, body="who?")) as port:
        with pytest.raises(Rejected) as raised:
            await connect(f"ws://127.0.0.1:{port}/")
    assert (raised.value.status, raised.value.body) == (401, b"who?")


@looped
async def test_connect_gets_what_comes_of_a_refusal_in_time() -> None:
    head = b"HTTP/1.1 503 Busy\r\nContent-Length: 50\r\n\r\n"
    async with saying(head + b"so far") as port:
        with pytest.raises(Rejected) as raised:
            await connect(f"ws://127.0.0.1:{port}/", open_timeout=0.1)
    assert raised.value.body == b"so far"


@looped
async def test_connect_raises_when_the_answer_is_not_http() -> None:
    async with saying(b"220 smtp.example.org ESMTP\r\n\r\n") as port:
        with pytest.raises(InvalidHandshake):
            await connect(f"ws://127.0.0.1:{port}/")


@looped
async def test_connect_begins_with_what_came_with_the_answer() -> None:
    async with met(lambda ws: ws.send("at once")) as ws:
        assert await ws.receive() == "at once"


@looped
async def test_connect_refuses_wrong_arguments() -> None:
    with pytest.raises(InvalidURI):
        await connect("http://localhost/")
    with pytest.raises(ValueError, match="ssl"):
        await connect("ws://localhost/", ssl=contexts()[0])


@looped
async def test_server_refuses_what_is_no_handshake() -> None:
    async with serving() as port:
        assert (await asked(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(
            b"HTTP/1.1 426 "
        )
        assert (await asked(port, b"GET / HTTP/1.1\nHost: a\n\n")).startswith(b"HTTP/1.1 400 ")


@looped
async def test_server_says_nothing_to_who_has_gone() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


@looped
async def test_server_refuses_who_takes_too_long() -> None:
    async with serving(open_timeout=0.05) as port:
        assert (await asked(port, b"GET / HTTP/1.1\r\n")).startswith(b"HTTP/1.1 408 ")


@looped
async def test_server_goes_on_after_clients_that_leave_too_early() -> None:
    async with serving() as port:
        for _ in range(3):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        async with await connect(f"ws://127.0.0.1:{port}/") as ws:
            assert await ws.ping() > 0


# With another library


async def echo_of_theirs(connection: Any) -> None:
    """Send every message back."""
    async for message in connection:
        await connection.send(message)


async def talk(ws: AsyncWebSocket) -> None:
    """Have everything sent back."""
    for message in ("text", b"binary", BIG):
        await ws.send(message)
        assert await ws.receive() == message
    await ws.send(["in ", "three ", "fragments"])
    assert await ws.receive() == "in three fragments"
    assert await ws.ping() > 0


@looped
async def test_client_talks_to_another_librarys_server() -> None:
    async with websockets.asyncio.server.serve(echo_of_theirs, *LOCAL, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with await connect(f"ws://127.0.0.1:{port}/", max_size=None) as ws:
            await talk(ws)
        assert ws.close_code == 1000


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@looped
async def test_client_talks_over_a_unix_socket(secure: bool, tmp_path: Any) -> None:
    theirs, ours = contexts()
    path = str(tmp_path / "socket")
    options: Any = {"ssl": ours} if secure else {}
    async with websockets.asyncio.server.unix_serve(echo_of_theirs, path, max_size=None, **options):
        scheme = "wss+unix" if secure else "ws+unix"
        context = theirs if secure else None
        async with await connect(f"{scheme}://{path}:/chat", ssl=context, max_size=None) as ws:
            await talk(ws)


@looped
async def test_server_talks_to_another_librarys_client() -> None:
    async with serving(max_size=None) as port:
        theirs = websockets.asyncio.client.connect(f"ws://127.0.0.1:{port}/", max_size=None)
        async with theirs as connection:
            for message in ("text", b"binary", BIG):
                await connection.send(message)
                assert await connection.recv() == message
            await connection.send(["in ", "three ", "fragments"])
            assert await connection.recv() == "in three fragments"
            await (await connection.ping())
        assert connection.close_code == 1000


# Without gevent

ALONE = """
import asyncio, sys
from geventws.adapters.asyncio import connect, serve

async def echo(ws):
    async for message in ws:
        await ws.send(message)

async def main():
    async with await serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with await connect(f"ws://127.0.0.1:{port}/") as ws:
            await ws.send("hello")
            print(await ws.receive(10))

asyncio.run(main())
assert "gevent" not in sys.modules
assert "greenlet" not in sys.modules
"""


def test_door_works_without_gevent() -> None:
    command = [sys.executable, "-W", "error", "-c", ALONE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("hello\n", "")
