"""Tornado."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from tests.interop.scenes import MAX_SIZE, REFUSAL, SUBPROTOCOL, Message
from tests.interop.their_clients import AsyncioClient, Refused
from tests.interop.their_servers import AsyncioServer


class Tornado(AsyncioClient):
    """Tornado's client, which can be asked for no parameters of compression."""

    name = "Tornado"
    package = "tornado"
    can_fragment = False
    fails: ClassVar = {"client_no_context_takeover": "agrees, and keeps its context"}

    def connect(self) -> None:
        try:
            self._ws: Any = self._await(self._connect())
        except HTTPClientError as error:
            response: Any = error.response
            raise Refused(error.code, response.headers, response.body) from None
        self.subprotocol = self._ws.selected_subprotocol
        self.compressed = "Sec-WebSocket-Extensions" in self._ws.headers

    async def _connect(self) -> Any:
        self._pongs: asyncio.Queue[bytes] = asyncio.Queue()
        ws: Any = await websocket_connect(
            HTTPRequest(self.uri, ssl_options=self.context),
            compression_options=None if self.compression is None else {},
            subprotocols=self.offers or None,
            max_message_size=MAX_SIZE,
        )
        ws.on_pong = self._pongs.put_nowait
        return ws

    def send(self, message: Message) -> None:
        self._await(self._ws.write_message(message, binary=isinstance(message, bytes)))

    def receive(self) -> Message:
        message: Message | None = self._await(self._ws.read_message())
        assert message is not None, (self._ws.close_code, self._ws.close_reason)
        return message

    def ping(self) -> None:
        self._await(self._ping())

    async def _ping(self) -> None:
        self._ws.ping(b"are you there?")
        assert await self._pongs.get() == b"are you there?"

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._ws.close(code, reason)
        self.closed()

    def closed(self) -> tuple[int, str]:
        assert self._await(self._ws.read_message()) is None
        self._ws.close()  # or it warns that nobody did
        self._runner.close()
        return self._ws.close_code, self._ws.close_reason or ""


class Handler(WebSocketHandler):
    """What Tornado's server does with a request."""

    def initialize(self, server: TornadoServer) -> None:
        self._server = server
        self._path = self.request.path

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self._path == "/refuse":
            status, name, value, body = REFUSAL
            self.set_status(status)
            self.set_header(name, value)
            await self.finish(body)
        else:
            await super().get(*args, **kwargs)

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def get_compression_options(self) -> dict[str, Any] | None:
        return None if self._server.compression is None else {}

    def open(self, *args: str, **kwargs: str) -> None:
        if self._path == "/ping":
            self.ping(b"are you there?")

    def on_pong(self, data: bytes) -> None:
        if data == b"are you there?":
            self.write_message("you are")

    async def on_message(self, message: Message) -> None:
        if self._path == "/close":
            code, _, reason = str(message).partition(" ")
            self.close(int(code), reason)
        else:
            await self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        if self._path == "/listen":
            self._server.closes.put((self.close_code, self.close_reason or ""))


class TornadoServer(AsyncioServer):
    """Tornado's server, which answers what parameters it is offered."""

    name = "Tornado"
    package = "tornado"
    can_fragment = False
    fails: ClassVar = {"server_no_context_takeover": "accepts the offer without an answer to it"}

    async def _serve(
        self, started: Callable[[int], None], ended: Callable[[], Awaitable[Any]]
    ) -> None:
        application = Application(
            [("/.*", Handler, {"server": self})], websocket_max_message_size=MAX_SIZE
        )
        server = HTTPServer(application, ssl_options=self.context)
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        started(sockets[0].getsockname()[1])
        await ended()
        server.stop()
        await server.close_all_connections()
