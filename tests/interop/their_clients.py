"""Other people's clients with one face. They block, so they belong into a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
import websocket
import websockets.asyncio.client
import websockets.exceptions
import websockets.sync.client

from tests.interop.scenes import MIB, SUBPROTOCOL, Message, client_context

MAX_SIZE = 2 * MIB
IN_TIME = 10.0
T = TypeVar("T")


class Refused(Exception):
    """The server answered with a status other than 101."""

    def __init__(self, status: int, headers: Any, body: Any) -> None:
        super().__init__(status, headers, body)
        self.status = status
        self.headers = headers
        self.body = body


class TheirClient:
    """An open connection.

    Attributes:
        subprotocol: the one agreed on.
        compressed: whether permessage-deflate was agreed on.
    """

    can_compress = True
    can_fragment = True
    subprotocol: str | None
    compressed: bool

    def __init__(self, uri: str, compressed: bool, offers: bool = False) -> None:
        """Connect; Refused where the server does not want that."""
        self.uri = uri
        self.context = client_context() if uri.startswith("wss") else None
        self.wants = compressed
        self.offers = [SUBPROTOCOL] if offers else []
        self.connect()

    def connect(self) -> None:
        raise AssertionError("each kind has its own")

    def send(self, message: Message) -> None:
        raise AssertionError("each kind has its own")

    def send_fragments(self, fragments: list[Message]) -> None:
        raise AssertionError("each kind has its own")

    def receive(self) -> Message:
        raise AssertionError("each kind has its own")

    def ping(self) -> None:
        """Send a ping and wait for its pong."""
        raise AssertionError("each kind has its own")

    def close(self, code: int = 1000, reason: str = "") -> None:
        raise AssertionError("each kind has its own")

    def closed(self) -> tuple[int, str]:
        """Wait until the server closes; return what it says."""
        raise AssertionError("each kind has its own")


class Websockets(TheirClient):
    """websockets on asyncio."""

    def connect(self) -> None:
        self._runner = asyncio.Runner()
        try:
            self._ws: Any = self._await(self._connect())
        except websockets.exceptions.InvalidStatus as error:
            self._runner.close()
            response = error.response
            raise Refused(response.status_code, response.headers, response.body) from None
        self.subprotocol = self._ws.subprotocol
        self.compressed = bool(self._ws.protocol.extensions)

    async def _connect(self) -> Any:
        return await websockets.asyncio.client.connect(
            self.uri,
            ssl=self.context,
            compression="deflate" if self.wants else None,
            subprotocols=[websockets.Subprotocol(each) for each in self.offers] or None,
            max_size=MAX_SIZE,
            proxy=None,
        )

    def _await(self, awaitable: Awaitable[T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(awaitable, IN_TIME)

        return self._runner.run(bounded())

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
        return self._ws.close_code, self._ws.close_reason


class WebsocketsSync(TheirClient):
    """websockets on threads."""

    def connect(self) -> None:
        try:
            connecting = websockets.sync.client.connect(
                self.uri,
                ssl=self.context,
                compression="deflate" if self.wants else None,
                subprotocols=[websockets.Subprotocol(each) for each in self.offers] or None,
                max_size=MAX_SIZE,
                proxy=None,
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


class Aiohttp(TheirClient):
    """aiohttp."""

    can_fragment = False

    def connect(self) -> None:
        self._runner = asyncio.Runner()
        try:
            self._ws: Any = self._await(self._connect())
        except aiohttp.WSServerHandshakeError as error:
            self._await(self._session.close())
            self._runner.close()
            raise Refused(error.status, error.headers, b"") from None
        self._wire = self._ws.get_extra_info("socket")
        self.subprotocol = self._ws.protocol
        self.compressed = bool(self._ws.compress)

    async def _connect(self) -> Any:
        self._session = aiohttp.ClientSession()
        return await self._session.ws_connect(
            self.uri,
            ssl=self.context or True,
            compress=15 if self.wants else 0,
            protocols=self.offers,
            max_msg_size=MAX_SIZE,
            autoping=False,  # or ping() would never hear of its pong
        )

    def _await(self, awaitable: Awaitable[T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(awaitable, IN_TIME)

        return self._runner.run(bounded())

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


class WebsocketClient(TheirClient):
    """websocket-client, which knows no compression."""

    can_compress = False

    def connect(self) -> None:
        try:
            self._ws: Any = websocket.create_connection(
                self.uri,
                timeout=IN_TIME,
                sslopt={"context": self.context} if self.context else {},
                subprotocols=self.offers,
            )
        except websocket.WebSocketBadStatusException as error:
            raise Refused(error.status_code, error.resp_headers, error.resp_body) from None
        self.subprotocol = self._ws.getsubprotocol()
        self.compressed = False

    def send(self, message: Message) -> None:
        if isinstance(message, str):
            self._ws.send(message)
        else:
            self._ws.send_binary(message)

    def send_fragments(self, fragments: list[Message]) -> None:
        opcode = websocket.ABNF.OPCODE_TEXT
        if isinstance(fragments[0], bytes):
            opcode = websocket.ABNF.OPCODE_BINARY
        for number, data in enumerate(fragments, 1):
            last = number == len(fragments)
            payload = data.encode() if isinstance(data, str) else data
            self._ws.send_frame(websocket.ABNF(int(last), 0, 0, 0, opcode, 1, payload))
            opcode = websocket.ABNF.OPCODE_CONT

    def receive(self) -> Message:
        message: Message = self._ws.recv()
        return message

    def ping(self) -> None:
        self._ws.ping("are you there?")
        assert self._ws.recv_data(control_frame=True) == (
            websocket.ABNF.OPCODE_PONG,
            b"are you there?",
        )

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._ws.close(code, reason.encode())

    def closed(self) -> tuple[int, str]:
        opcode, data = self._ws.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        self._ws.shutdown()
        return int.from_bytes(data[:2], "big"), data[2:].decode()


THEIR_CLIENTS: list[type[TheirClient]] = [Websockets, WebsocketsSync, Aiohttp, WebsocketClient]
