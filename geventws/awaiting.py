"""AsyncWebSocket: one connection of an asyncio event loop, with the methods of WebSocket awaited.

await send(message) -> the wire -> await receive()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from time import monotonic
from typing import Any, TypeVar

from geventws.core.codes import ABNORMAL_CLOSURE, INTERNAL_ERROR, NORMAL_CLOSURE, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.handshake import Accepted, Request
from geventws.options import Options, seconds
from geventws.pushed import Pushed
from geventws.websocket import QUIET, RECEIVE, Data, Stats, stats_of

T = TypeVar("T")


class AsyncWebSocket(Pushed):
    """One open connection.

    Any number of tasks may send, ping and close at once, and one may receive meanwhile. Messages
    are sent whole, in the order of asking. Only tasks of the loop that made it may use it. It is an
    asynchronous context manager that closes, and an asynchronous iterator over the messages
    received.

    Attributes:
        request: the opening Request; None on a client.
        subprotocol: the one agreed on, or None.
        extensions: the names of those agreed on.
        local_address: the address of this end, as its socket gives it.
        peer_address: the address of the peer's end, as the socket gives it.
        state: the application's own; the library never touches it.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        options: Options,
        side: Side,
        accepted: Accepted,
        rest: bytes,
        request: Request | None = None,
    ) -> None:
        self.request = request
        self.subprotocol = accepted.subprotocol
        self.extensions = () if accepted.deflate is None else ("permessage-deflate",)
        self.local_address: Any = transport.get_extra_info("sockname")
        self.peer_address: Any = transport.get_extra_info("peername")
        self.state: Any = None
        self._receiving: object = None  # who: RECEIVE, or an iteration over pieces
        super().__init__(transport, options, side, accepted, rest)

    # Receiving

    async def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message and return it: str for text, bytes for binary.

        One task at a time may receive. Pings are answered whether somebody does or not.

        Args:
            timeout: seconds to wait for the whole message; None waits for ever, 0 takes what is
                here. What has arrived of a message when the time is up, or when this is cancelled,
                is not lost.

        Raises:
            ConnectionClosed: the connection is closed, and every message before that was returned.
            TimeoutError: no whole message came in time; the connection is still good.
            ConcurrencyError: another task is receiving.
        """
        return await self._receive(self._protocol.next_message, timeout)

    async def receive_pieces(self) -> AsyncGenerator[str | bytes, None]:
        """Wait for the next message and yield it piece by piece, as it arrives.

        The message is never whole in memory; max_size still holds for all of it. The pieces of a
        text are whole characters. Until the iteration ends nobody else can receive; of a message
        that it has begun, what is not yielded then is passed over. To leave it early use
        contextlib.aclosing().

        Raises:
            ConnectionClosed, ConcurrencyError: as for receive().
        """
        iteration = object()
        begun = ended = False
        try:
            while not ended:
                piece, ended = await self._receive(self._protocol.next_piece, None, iteration)
                begun = True
                yield piece
        finally:
            if self._receiving is iteration:
                self._receiving = None
            if begun and not ended:
                self._protocol.skip_message()
                self._look_soon()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield the messages; ends when the peer is done (1000, 1001, or no code given).

        Raises:
            ConnectionClosed: the connection ended in any other way.
        """
        while True:
            try:
                message = await self.receive()
            except ConnectionClosed as closed:
                if closed.code in QUIET and closed.clean:
                    return
                raise
            yield message
            del message  # or it would live until the next one comes

    async def _receive(
        self, take: Callable[[], T | None], timeout: float | None, iteration: object = None
    ) -> T:
        """Receive for receive(), or for an *iteration* that nobody else comes between."""
        if self._receiving is not None and self._receiving is not iteration:
            raise ConcurrencyError("another task is receiving on this connection")
        self._receiving = iteration or RECEIVE
        try:
            if self._is_turn_over():
                await self._breathe()
            async with asyncio.timeout(None if timeout is None else seconds(timeout)):
                return await self._until(take, hungry=True)
        finally:
            if iteration is None:
                self._receiving = None
            self._hungry = False
            if self._protocol.buffered():  # it may be long until somebody receives again
                self._look_soon()

    # Sending

    async def send(self, message: Data | Iterable[Data] | AsyncIterable[Data]) -> None:
        """Send a message: str as text, bytes-like as binary, an iterable of either in fragments.

        Returns when the transport takes more. An iterable's first item says whether the message is
        text or binary; pings and pongs go between its fragments. When this is cancelled the message
        was sent whole or not at all; but where an iterable was not sent to its end, the connection
        is failed with 1011.

        Raises:
            ConnectionClosed: the connection is closed, or the peer took nothing for send_timeout.
            TypeError: *message* is none of those. Where an iterable mixes str and bytes, or raises,
                the connection is failed with 1011, for what was sent cannot be taken back.
            UnicodeEncodeError: a str with lone surrogates.
        """
        async with self._turn:
            await self._room()
            if isinstance(message, (str, bytes, bytearray, memoryview)):
                self._protocol.send_message(message)
                await self._write()
            elif isinstance(message, (Iterable, AsyncIterable)):
                async with aclosing(_each(message)) as items:
                    await self._send_fragments(items)
            else:
                raise TypeError(f"message: str, bytes or an iterable, not {type(message).__name__}")

    async def _send_fragments(self, items: AsyncIterator[Data]) -> None:
        """Send *items*, one ahead, for the last one must say that it is the last."""
        item = await anext(items, None)
        if item is None:
            raise TypeError("message: an iterable of at least one str or bytes")
        try:
            async for following in items:
                self._protocol.send_fragment(item, False)
                await self._write()
                item = following
            self._protocol.send_fragment(item, True)
        except ConnectionClosed:
            raise
        except BaseException as error:
            self._protocol.keep_all()
            self._protocol.abort(INTERNAL_ERROR, "the message could not be finished", error)
            self._look_after()
            raise
        await self._write()

    async def ping(self, timeout: float | None = None) -> float:
        """Send a ping and wait for its pong; return the seconds that took.

        Any number of tasks may do so at once, and while another one receives.

        Raises:
            ConnectionClosed: the connection is closed, or was before the pong came.
            TimeoutError: no pong came within *timeout* seconds; the connection is still good.
        """
        start = monotonic()
        limit = asyncio.timeout(None if timeout is None else seconds(timeout))
        payload = self._keepalive.begin(start)
        try:
            self._protocol.send_ping(payload)
            async with limit:
                await self._until(lambda: self._has_pong(payload))
        finally:
            self._keepalive.forget(payload)
        return monotonic() - start

    def _has_pong(self, payload: bytes) -> bool | None:
        if self._protocol.eof and not self._is_over():  # what is yet to be received has no pong
            raise ConnectionClosed(ABNORMAL_CLOSURE, "the stream has ended", False)
        return not self._keepalive.waits_for(payload) or None

    # Closing

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection: exchange close frames, then end TCP. Closing twice is no error.

        Waits for the peer at most close_timeout, then drops the connection. Messages that arrived
        before this stay to be received. A fragmented message under way is cut off, and its sender
        gets ConnectionClosed. When this is cancelled the closing goes on by itself.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        self.begin_close(code, reason)
        await self._lost.wait()

    async def __aenter__(self) -> AsyncWebSocket:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Close with 1000, or 1011 where the block failed; one that is cancelled does not wait."""
        if error is None or isinstance(error, ConnectionClosed):
            await self.close()
        elif isinstance(error, Exception):
            await self.close(INTERNAL_ERROR, "the application failed")
        else:
            self.drop()

    # What is known of the connection

    @property
    def close_code(self) -> int | None:
        """The code of ConnectionClosed; None while the connection is open."""
        return self._protocol.close_code if self._is_over() else None

    @property
    def close_reason(self) -> str:
        """The reason of ConnectionClosed; empty while the connection is open."""
        return self._protocol.close_reason if self._is_over() else ""

    @property
    def latency(self) -> float | None:
        """The seconds that the last ping took, keepalive's included; None before the first."""
        return self._keepalive.latency

    @property
    def stats(self) -> Stats:
        """The counters of this connection as they stand."""
        return stats_of(self._protocol)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.local_address} - {self.peer_address}>"


async def _each(items: Any) -> AsyncGenerator[Data, None]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
