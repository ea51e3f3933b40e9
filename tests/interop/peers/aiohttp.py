"""aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from tests.interop.scenes import MAX_SIZE, REFUSAL, SUBPROTOCOL, Message
from tests.interop.their_clients import AsyncioClient, Refused
from tests.interop.their_servers import AsyncioServer


class Aiohttp(AsyncioClient):
    """aiohttp's client."""

    name = "aiohttp"
    package = "aiohttp"
    can_fragment = False
    asks = ("server_max_window_bits",)

    def connect(self) -> None:
        try:
            self._ws: Any = self._await(self._connect())
        except aiohttp.WSServerHandshakeError as error:
            self._await(self._session.close())
            raise Refused(error.status, error.headers, b"") from None
        self._wire = self._ws.get_extra_info("socket")
        self.subprotocol = self._ws.protocol
        self.compressed = bool(self._ws.compress)

    async def _connect(self) -> Any:
        self._session = aiohttp.ClientSession()
        return await self._session.ws_connect(
            self.uri,
            ssl=self.context or True,
            compress=self.compression.server_max_window_bits if self.compression else 0,
            protocols=self.offers,
            max_msg_size=MAX_SIZE,
            autoping=False,  # or ping() would never hear of its pong
        )

    def send(self, message: Message) -> None:
        if isinstance(message, str):
            self._await(self._ws.send_str(message))
        else:
            self._await(self._ws.send_bytes(message))

    def receive(self) -> Message:
        received = self._await(self._ws.receive())
        while received.type == aiohttp.WSMsgType.PING:
            self._await(self._ws.pong(received.data))
            received = self._await(self._ws.receive())
        message: Message = received.data
        return message

    def ping(self) -> None:
        self._await(self._ws.ping(b"are you there?"))
        answer = self._await(self._ws.receive())
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"are you there?")

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._await(self._ws.close(code=code, message=reason.encode()))
        self._end()

    def closed(self) -> tuple[int, str]:
        last = self._await(self._ws.receive())
        self._end()
        return self._ws.close_code, last.extra or ""

    def _end(self) -> None:
        self._await(self._session.close())
        self._await(self._unplugged())
        self._runner.close()

    async def _unplugged(self) -> None:
        """Wait until the socket is closed: aiohttp's close() returns before that of TLS is."""
        while self._wire.fileno() != -1:
            await asyncio.sleep(0)


class AiohttpServer(AsyncioServer):
    """aiohttp's server."""

    name = "aiohttp"
    package = "aiohttp"
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
            compress=self.compression is not None,
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
