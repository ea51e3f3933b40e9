"""websockets, on asyncio and on threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import websockets.asyncio.client
import websockets.asyncio.server
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.http11 import Response

from geventws.core.deflate import Deflate
from tests.interop.scenes import IN_TIME, MAX_SIZE, PARAMETERS, REFUSAL, SUBPROTOCOL, Message, cut
from tests.interop.scenes import parameters as parameters_of
from tests.interop.their_clients import AsyncioClient, Refused, TheirClient
from tests.interop.their_servers import AsyncioServer, TheirServer


def offering(compression: Deflate | None) -> dict[str, Any]:
    """Return how a client is told what to offer."""
    if compression is None:
        return {"compression": None}
    factory = ClientPerMessageDeflateFactory(**parameters_of(compression))
    return {"compression": None, "extensions": [factory]}


def accepting(compression: Deflate | None) -> dict[str, Any]:
    """Return how a server is told what to answer."""
    if compression is None:
        return {"compression": None}
    factory = ServerPerMessageDeflateFactory(**parameters_of(compression))
    return {"compression": None, "extensions": [factory]}


class Websockets(AsyncioClient):
    """websockets on asyncio."""

    name = "websockets, asyncio"
    package = "websockets"
    asks: tuple[str, ...] = PARAMETERS
    exceptions: Any = websockets.exceptions

    def connect(self) -> None:
        try:
            self._ws: Any = self._await(self._connect())
        except self.exceptions.InvalidStatus as error:
            response = error.response
            raise Refused(response.status_code, response.headers, response.body) from None
        self.subprotocol = self._ws.subprotocol
        self.compressed = "Sec-WebSocket-Extensions" in self._ws.response.headers

    async def _connect(self) -> Any:
        return await websockets.asyncio.client.connect(
            self.uri,
            ssl=self.context,
            subprotocols=[websockets.Subprotocol(each) for each in self.offers] or None,
            max_size=MAX_SIZE,
            proxy=None,
            **offering(self.compression),
        )

    def send(self, message: Message) -> None:
        self._await(self._ws.send(message))

    def send_fragments(self, fragments: list[Message]) -> None:
        self._await(self._ws.send(fragments))

    def receive(self) -> Message:
        message: Message = self._await(self._ws.recv())
        return message

    def ping(self) -> None:
        self._await(self._ping())

    async def _ping(self) -> None:
        await (await self._ws.ping(b"are you there?"))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._await(self._ws.close(code, reason))
        self._runner.close()

    def closed(self) -> tuple[int, str]:
        self._await(self._ws.wait_closed())
        self._runner.close()
        return self._ws.close_code, self._ws.close_reason or ""  # picows says None


class WebsocketsSync(TheirClient):
    """websockets on threads."""

    name = "websockets, threads"
    package = "websockets"
    asks: tuple[str, ...] = PARAMETERS

    def connect(self) -> None:
        # over TLS one opening in some hundred hears nothing: two threads read and write its one
        # SSLSocket, and CPython's is not safe for that (issues 124984, 151508)
        try:
            self._connect(5.0)
        except TimeoutError:
            self._connect(IN_TIME)

    def _connect(self, seconds: float) -> None:
        try:
            connecting = websockets.sync.client.connect(
                self.uri,
                open_timeout=seconds,
                ssl=self.context,
                subprotocols=[websockets.Subprotocol(each) for each in self.offers] or None,
                max_size=MAX_SIZE,
                proxy=None,
                **offering(self.compression),
            )
            self._ws: Any = connecting.__enter__()  # it insists on that
        except websockets.exceptions.InvalidStatus as error:
            response = error.response
            raise Refused(response.status_code, response.headers, response.body) from None
        self.subprotocol = self._ws.subprotocol
        self.compressed = bool(self._ws.protocol.extensions)

    def send(self, message: Message) -> None:
        self._ws.send(message)

    def send_fragments(self, fragments: list[Message]) -> None:
        self._ws.send(fragments)

    def receive(self) -> Message:
        message: Message = self._ws.recv(timeout=IN_TIME)
        return message

    def ping(self) -> None:
        assert self._ws.ping(b"are you there?").wait(IN_TIME)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._ws.close(code, reason)

    def closed(self) -> tuple[int, str]:
        try:
            self._ws.recv(timeout=IN_TIME)
        except websockets.exceptions.ConnectionClosed:
            self._ws.close()
            return self._ws.close_code, self._ws.close_reason
        raise AssertionError("the server did not close")


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


class WebsocketsServer(AsyncioServer):
    """websockets on asyncio."""

    name = "websockets, asyncio"
    package = "websockets"
    asks: tuple[str, ...] = PARAMETERS
    closed_badly: Any = ConnectionClosedError

    async def _serve(
        self, started: Callable[[int], None], ended: Callable[[], Awaitable[Any]]
    ) -> None:
        async with self._listen() as server:
            started(next(iter(server.sockets)).getsockname()[1])
            await ended()

    def _listen(self) -> Any:
        return websockets.asyncio.server.serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=self.context,
            select_subprotocol=choose,
            process_request=lambda connection, request: refuse(request),
            max_size=MAX_SIZE,
            **accepting(self.compression),
        )

    async def _handle(self, ws: Any) -> None:
        path = ws.request.path
        if path == "/close":
            code, _, reason = (await ws.recv()).partition(" ")
            await ws.close(int(code), reason)
        elif path == "/ping":
            await (await ws.ping(b"are you there?"))
            await ws.send("you are")
        else:
            with suppress(self.closed_badly):
                async for message in ws:
                    await ws.send(cut(message) if path == "/cut" else message)
        if path == "/listen":
            self.closes.put((ws.close_code, ws.close_reason or ""))


class WebsocketsSyncServer(TheirServer):
    """websockets on threads."""

    name = "websockets, threads"
    package = "websockets"
    asks: tuple[str, ...] = PARAMETERS
    _server: websockets.sync.server.Server

    def _run(self, started: Callable[[int], None]) -> None:
        with websockets.sync.server.serve(
            self._handle,
            "127.0.0.1",
            0,
            ssl=self.context,
            select_subprotocol=choose,
            process_request=lambda connection, request: refuse(request),
            max_size=MAX_SIZE,
            **accepting(self.compression),
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
        elif path == "/ping":
            assert ws.ping(b"are you there?").wait(IN_TIME)
            ws.send("you are")
        else:
            with suppress(ConnectionClosedError):
                for message in ws:
                    ws.send(cut(message) if path == "/cut" else message)
        if path == "/listen":
            self.closes.put((ws.close_code, ws.close_reason))
