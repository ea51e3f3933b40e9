from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import Any

import pytest
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import RequestHandler

from geventws.adapters.tornado import (
    AsyncWebSocket,
    Upgrader,
    WebSocketHandler,
    _take_over,
    connect,
)
from geventws.core.codes import CLOSE, TEXT, Side
from geventws.core.errors import Rejected
from geventws.core.handshake import Response
from setup import ROOT
from tests.core.helpers import Raw, frame_to
from tests.loops import PATIENCE, REQUEST, Peer, closed, looped
from tests.threads import BIG, contexts
from tests.tornados import Echo, asked, served

# Messages


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@looped
async def test_messages_go_both_ways(secure: bool) -> None:
    class Large(Echo):
        upgrader = Upgrader(max_size=None)

    theirs, ours = contexts()
    scheme = "wss://localhost" if secure else "ws://127.0.0.1"
    context = theirs if secure else None
    async with (
        served(("/", Large), secure=ours if secure else None) as port,
        await connect(f"{scheme}:{port}/", ssl=context, max_size=None) as ws,
    ):
        for message in ("", "text", b"binary", "\N{GREEK SMALL LETTER OMEGA}" * 9999, BIG):
            await ws.send(message)
            assert await ws.receive() == message
        await ws.send(["in ", "three ", "fragments"])
        assert await ws.receive() == "in three fragments"
        assert await ws.ping() > 0
        assert ws.extensions == ("permessage-deflate",)
    assert ws.close_code == 1000


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@looped
async def test_frames_that_came_with_the_handshake_are_not_lost(secure: bool) -> None:
    theirs, ours = contexts()
    tls: Any = {"ssl": theirs, "server_hostname": "localhost"} if secure else {}
    early = [b"%d" % number * 10_000 for number in range(8)]
    frames = b"".join(frame_to(Side.SERVER, TEXT, each) for each in early)
    async with served(secure=ours if secure else None) as port:
        peer = await asked(port, more=frames, **tls)
        assert [(await peer.next()).payload for _ in early] == early
        peer.send(CLOSE, b"\x03\xe8")
        assert await peer.until_end() == [Raw(CLOSE, b"\x03\xe8")]
        peer.writer.close()


@looped
async def test_handler_may_await_and_use_the_connection_itself() -> None:
    class Count(WebSocketHandler):
        async def handle(self, ws: AsyncWebSocket) -> None:
            assert ws is self.ws
            await ws.send(f"{self.path_args} {ws.request and ws.request.query}")
            async for message in ws:
                await ws.send(f"{len(message)}")

    async with (
        served((r"/count/(\w+)", Count)) as port,
        await connect(f"ws://127.0.0.1:{port}/count/words?a=b") as ws,
    ):
        assert await ws.receive() == "['words'] a=b"
        await ws.send("four")
        assert await ws.receive() == "4"


@looped
async def test_handler_that_waits_for_nothing_is_closed_after_what_it_sent() -> None:
    class Hasty(WebSocketHandler):
        async def handle(self, ws: AsyncWebSocket) -> None:
            for number in range(100):
                self.write_message(f"{number}")

    async with (
        served(("/", Hasty)) as port,
        await connect(f"ws://127.0.0.1:{port}/") as ws,
    ):
        assert [message async for message in ws] == [f"{number}" for number in range(100)]


@looped
async def test_callbacks_are_called_in_their_order() -> None:
    seen: list[Any] = []

    class Noting(WebSocketHandler):
        def open(self, *args: str, **kwargs: str) -> None:
            seen.append(("open", args, kwargs))
            self.write_message("hello")

        def on_message(self, message: str | bytes) -> None:
            seen.append(message)
            self.write_message("one")
            self.write_message(b"two")
            self.close(4000, "enough")

        async def on_close(self) -> None:
            seen.append((self.ws.close_code, self.ws.close_reason))

        def on_finish(self) -> None:
            seen.append("finish")

    async with (
        served((r"/(?P<room>\w+)", Noting)) as port,
        await connect(f"ws://127.0.0.1:{port}/tea") as ws,
    ):
        assert await ws.receive() == "hello"
        await ws.send(b"\0")
        assert [await ws.receive(), await ws.receive()] == ["one", b"two"]
        error = await closed(ws)
        assert (error.code, error.reason) == (4000, "enough")
    assert seen == [("open", (), {"room": "tea"}), b"\0", (4000, ""), "finish"]


@looped
async def test_handler_that_fails_closes_with_1011_and_is_reported() -> None:
    seen: list[Any] = []

    class Failing(WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            raise LookupError(message)

        def log_exception(self, *error: Any) -> None:
            seen.append(error[0])

    async with (
        served(("/", Failing)) as port,
        await connect(f"ws://127.0.0.1:{port}/") as ws,
    ):
        await ws.send("x")
        error = await closed(ws)
        assert (error.code, error.reason) == (1011, "the application failed")
    assert seen == [LookupError]


@looped
async def test_message_that_cannot_be_sent_is_reported() -> None:
    seen: list[Any] = []

    class Wrong(WebSocketHandler):
        def open(self, *args: str, **kwargs: str) -> None:
            self.write_message(5)  # type: ignore[arg-type]

        def log_exception(self, *error: Any) -> None:
            seen.append(error[0])

    async with (
        served(("/", Wrong)) as port,
        await connect(f"ws://127.0.0.1:{port}/") as ws,
    ):
        assert await ws.ping() > 0
    assert seen == [TypeError]


# Opening


@looped
async def test_what_is_no_opening_handshake_is_refused() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request, status in [
            (b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", b"426 "),
            (REQUEST.replace(b" / ", b" /echo ").replace(b" 13", b" 8"), b"426 "),
            (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"405 "),
            (REQUEST, b"404 "),
        ]:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + status)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            if status == b"426 ":
                assert b"Upgrade: websocket\r\n" in head
                assert b"Connection: Upgrade\r\n" in head
        writer.close()


@looped
async def test_target_that_no_head_may_have_is_refused() -> None:
    async with served() as port:  # by Tornado itself, or where that lets it pass by us
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST.replace(b" / ", b" /echo?\x01 "))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        writer.close()


@looped
async def test_upgrader_of_the_handler_says_who_may_enter() -> None:
    class Choosy(Echo):
        upgrader = Upgrader(
            origins="https://example.org",
            subprotocols=["b", "a"],
            process_request=lambda request: Response(204) if request.query else None,
            compression=None,
            max_size=10,
        )

    async with served(("/", Choosy)) as port:
        url = f"ws://127.0.0.1:{port}/"
        for where, origin, status in [
            (url, "https://example.com", 403),
            (f"{url}?x", "https://example.org", 204),
        ]:
            with pytest.raises(Rejected) as raised:
                await connect(where, origin=origin)
            assert raised.value.status == status
        given: Any = {"origin": "https://example.org", "subprotocols": ["a", "b"]}
        async with await connect(url, **given) as ws:
            assert (ws.subprotocol, ws.extensions) == ("b", ())
            await ws.send("x" * 11)
            assert (await closed(ws)).code == 1009


@looped
async def test_application_has_its_say_before_the_upgrade() -> None:
    class Member(Echo):
        def get_current_user(self) -> Any:
            return self.get_cookie("name")

        async def prepare(self) -> None:
            await asyncio.sleep(0.01)
            if not self.current_user:
                self.set_status(401)
                self.finish("who?")
            self.set_cookie("seen", "yes")
            self.set_header("X-Served-By", "tests")

        def open(self, *args: str, **kwargs: str) -> None:
            self.write_message(f"hello {self.current_user}")

    async with served(("/", Member), compress_response=True) as port:
        with pytest.raises(Rejected) as raised:
            await connect(f"ws://127.0.0.1:{port}/")
        assert (raised.value.status, raised.value.body) == (401, b"who?")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        cookie = b"Cookie: name=Ann\r\nAccept-Encoding: gzip\r\n\r\n"
        writer.write(REQUEST.replace(b"\r\n\r\n", b"\r\n" + cookie))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Set-Cookie: seen=yes" in head
        assert b"X-Served-By: tests" in head
        assert b"Content-Type" not in head
        assert (await Peer(reader, writer, Side.SERVER).next()).payload == b"hello Ann"
        writer.close()


@looped
async def test_origin_is_compared_with_the_scheme_that_tornado_knows() -> None:
    theirs, ours = contexts()
    async with served(secure=ours) as port:
        url = f"wss://localhost:{port}/echo"
        with pytest.raises(Rejected):
            await connect(url, ssl=theirs, origin=f"http://localhost:{port}")
        async with await connect(url, ssl=theirs, origin=f"https://localhost:{port}") as ws:
            assert await ws.ping() > 0


@looped
async def test_client_that_leaves_while_it_is_answered_harms_nobody(caplog: Any) -> None:
    class Slow(Echo):
        async def prepare(self) -> None:
            entered.set()
            await left.wait()

        def on_connection_close(self) -> None:
            left.set()

    entered, left = asyncio.Event(), asyncio.Event()
    with caplog.at_level("INFO"):
        async with served(("/", Slow)) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST)
            await entered.wait()
            writer.transport.abort()
            await left.wait()
            async with await connect(f"ws://127.0.0.1:{port}/echo") as ws:
                assert await ws.ping() > 0
    assert "went away while opening" in caplog.text
    assert "Traceback" not in caplog.text


@looped
async def test_stream_that_ended_already_is_not_taken_over() -> None:
    near, far = socket.socketpair()
    far.close()
    with pytest.raises(StreamClosedError):
        _take_over(IOStream(near))
    near, far = socket.socketpair()
    far.sendall(b"early")
    far.close()
    stream = IOStream(near)
    assert _take_over(stream) == b"early"
    assert not stream.closed()  # what was early may be answered
    stream.close()


@looped
async def test_other_handlers_live_beside_it() -> None:
    class Plain(RequestHandler):
        def get(self) -> None:
            self.finish("plain")

    async with served(("/plain", Plain)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"plain")
        writer.close()


# Without gevent

ALONE = """
import asyncio, sys
from tornado.web import Application
from geventws.adapters.tornado import WebSocketHandler, close_all, connect

class Echo(WebSocketHandler):
    def on_message(self, message):
        self.write_message(message)

async def main():
    application = Application([("/", Echo)])
    server = application.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    async with await connect(f"ws://127.0.0.1:{port}/") as ws:
        await ws.send("hello")
        print(await ws.receive(10))
    server.stop()
    await close_all(application)

asyncio.run(main())
assert "gevent" not in sys.modules
"""


def test_door_works_without_gevent() -> None:
    command = [sys.executable, "-W", "error", "-c", ALONE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("hello\n", "")
