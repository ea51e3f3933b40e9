"""Other people's servers, each in a thread of its own, so that ours cannot help them along.

They do as the path says: /echo sends messages back, /listen notes how it ended too, /close closes
as it is told, /fragments sends messages in fragments, /ping pings, /refuse refuses.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from queue import Queue
from typing import Any

import websockets.asyncio.server
import websockets.sync.server
from aiohttp import WSMsgType, web
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError
from websockets.http11 import Response

from tests.interop.scenes import FRAGMENTS, HOST, MIB, REFUSAL, SUBPROTOCOL, server_context

MAX_SIZE = 2 * MIB
IN_TIME = 10.0  # seconds until what a thread has to do must be done


class TheirServer:
    """A server in a thread.

    Attributes:
        closes: how the conversations of /listen ended for it: (code, reason).
    """

    can_fragment = True
    can_compress = True

    def __init__(self, secure: bool, compressed: bool) -> None:
        self.context = server_context() if secure else None
        self.compressed = compressed
        self.closes: Queue[tuple[int | None, str | None]] = Queue()
        self._started: Queue[int | BaseException] = Queue()
        self._thread = threading.Thread(target=self._main)
        self._thread.start()
        port = self._started.get(timeout=IN_TIME)
        if isinstance(port, BaseException):
            raise port
        self.uri = f"{'wss' if secure else 'ws'}://{HOST}:{port}"

    def stop(self) -> None:
        self._end()
        self._thread.join(IN_TIME)
        assert not self._thread.is_alive()

    def _main(self) -> None:
        try:
            self._run(self._started.put)
        except BaseException as error:
            self._started.put(error)
            raise

    def _run(self, started: Callable[[int], None]) -> None:
        """Serve on a free port, tell which, and return after _end()."""
        raise AssertionError("each kind has its own")

    def _end(self) -> None:
        raise AssertionError("each kind has its own")


class AsyncioServer(TheirServer):
    """One on an event loop."""

    _loop: asyncio.AbstractEventLoop
    _ended: asyncio.Event

    def _run(self, started: Callable[[int], None]) -> None:
        asyncio.run(self._until_end(started))

    async def _until_end(self, started: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        await self._serve(started, self._ended.wait)

    async def _serve(
        self, started: Callable[[int], None], ended: Callable[[], Awaitable[Any]]
    ) -> None:
        raise AssertionError("each kind has its own")

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)


def refuse(request: Any) -> Response | None:
    """Return what websockets answers to a request for /refuse."""
    if request.path != "/refuse":
        return None
    status, name, value, body = REFUSAL
    headers = Headers([(name, value), ("Content-Length", str(len(body)))])
    return Response(status, HTTPStatus(status).phrase, headers, body)


def choose(connection: Any, offered: Sequence[Any]) -> Any:
    """Return the subprotocol where it was offered; none need be, to websockets' own choice."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


class Websockets(AsyncioServer):
    """websockets on asyncio."""

    async def _serve(
        self, started: Callable[[int], None], ended: Callable[[], Awaitable[Any]]
    ) -> None:
        async with websockets.asyncio.server.serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=self.context,
            compression="deflate" if self.compressed else None,
            select_subprotocol=choose,
            process_request=lambda connection, request: refuse(request),
            max_size=MAX_SIZE,
        ) as server:
            started(next(iter(server.sockets)).getsockname()[1])
            await ended()

    async def _handle(self, ws: Any) -> None:
        path = ws.request.path
        if path == "/close":
            code, _, reason = (await ws.recv()).partition(" ")
            await ws.close(int(code), reason)
        elif path == "/fragments":
            for fragments in FRAGMENTS.values():
                await ws.send(fragments)
        elif path == "/ping":
            await (await ws.ping(b"are you there?"))
            await ws.send("you are")
        else:
            with suppress(ConnectionClosedError):
                async for message in ws:
                    await ws.send(message)
        if path == "/listen":
            self.closes.put((ws.close_code, ws.close_reason))


class WebsocketsSync(TheirServer):
    """websockets on threads."""

    _server: websockets.sync.server.Server

    def _run(self, started: Callable[[int], None]) -> None:
        with websockets.sync.server.serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=self.context,
            compression="deflate" if self.compressed else None,
            select_subprotocol=choose,
            process_request=lambda connection, request: refuse(request),
            max_size=MAX_SIZE,
        ) as self._server:
            started(self._server.socket.getsockname()[1])
            self._server.serve_forever()

    def _end(self) -> None:
        self._server.shutdown()

    def _handle(self, ws: Any) -> None:
        path = ws.request.path
        if path == "/close":
            code, _, reason = ws.recv().partition(" ")
            ws.close(int(code), reason)
        elif path == "/fragments":
            for fragments in FRAGMENTS.values():
                ws.send(fragments)
        elif path == "/ping":
            assert ws.ping(b"are you there?").wait(IN_TIME)
            ws.send("you are")
        else:
            with suppress(ConnectionClosedError):
                for message in ws:
                    ws.send(message)
        if path == "/listen":
            self.closes.put((ws.close_code, ws.close_reason))


class Aiohttp(AsyncioServer):
    """aiohttp."""

    can_fragment = False  # in what it sends

    async def _serve(
        self, started: Callable[[int], None], ended: Callable[[], Awaitable[Any]]
    ) -> None:
        application = web.Application()
        application.router.add_get("/{path}", self._handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.context)
        await site.start()
        started(runner.addresses[0][1])
        await ended()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/refuse":
            status, name, value, body = REFUSAL
            return web.Response(status=status, headers={name: value}, body=body)
        ws = web.WebSocketResponse(
            protocols=[SUBPROTOCOL],
            compress=self.compressed,
            max_msg_size=MAX_SIZE,
            autoping=path != "/ping",
        )
        await ws.prepare(request)
        if path == "/close":
            code, _, reason = (await ws.receive_str()).partition(" ")
            await ws.close(code=int(code), message=reason.encode())
        elif path == "/ping":
            await ws.ping(b"are you there?")
            answer = await ws.receive()
            assert (answer.type, answer.data) == (WSMsgType.PONG, b"are you there?")
            await ws.send_str("you are")
            await ws.close()
        else:
            await self._echo(ws, path)
        return ws

    async def _echo(self, ws: web.WebSocketResponse, path: str) -> None:
        while (message := await ws.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            if message.type == WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        if path == "/listen":
            self.closes.put((ws.close_code, message.extra or ""))


THEIR_SERVERS: list[type[TheirServer]] = [Websockets, WebsocketsSync, Aiohttp]
