"""AsyncWebSocket: one connection of an asyncio event loop, with the methods of WebSocket awaited.

transport -> data_received -> protocol -> receive()        send() -> protocol -> transport.write

There is no queue and no task. What arrives goes into the protocol; whoever waits in receive() is
woken and asks the protocol itself. When nobody receives, the protocol reads ahead a little, and
the transport does not read while the protocol holds enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from math import inf
from time import monotonic
from typing import Any, TypeVar

from geventws.core.codes import ABNORMAL_CLOSURE, INTERNAL_ERROR, NORMAL_CLOSURE, Side, State
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.handshake import Accepted, Request
from geventws.core.protocol import TURN, Protocol
from geventws.keepalive import Keepalive
from geventws.options import Options, seconds
from geventws.websocket import QUIET, Data

T = TypeVar("T")


class AsyncWebSocket(asyncio.Protocol):
    """One open connection.

    Any number of tasks may send, ping and close at once, and one may receive meanwhile. Messages
    are sent whole, in the order of asking. It is an asynchronous context manager that closes, and
    an asynchronous iterator over the messages received.

    Attributes:
        request: the opening Request; None on a client.
        subprotocol: the one agreed on, or None.
        extensions: the names of those agreed on.
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
        self.state: Any = None
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._protocol = Protocol(side, options.max_size, options.max_fragments, accepted.deflate)
        self._options = options
        self._side = side
        # receiving
        self._receiving = False
        self._waiting: list[asyncio.Future[None]] = []  # of those to be told of anything new
        self._looking = False  # _look_ahead() is planned
        # sending
        self._turn = asyncio.Lock()
        self._has_room = asyncio.Event()
        self._has_room.set()
        # care and closing
        self._keepalive = Keepalive(options.ping_interval, options.ping_timeout, monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._ending = False
        self._lost = asyncio.Event()
        transport.set_protocol(self)
        self._protocol.receive_data(rest)
        self._attend()
        self._look_ahead()
        if transport.is_closing():  # and perhaps it has told of that already
            self.connection_lost(None)

    # Receiving

    async def receive(self, timeout: float | None = None) -> str | bytes:
        """Wait for the next message and return it: str for text, bytes for binary.

        What has arrived of a message when this is cancelled, or the time is up, is not lost.

        Raises:
            ConnectionClosed: the connection is closed, and every message before that was returned.
            TimeoutError: no whole message came in time; the connection is still good.
            ConcurrencyError: another task is receiving.
        """
        if self._receiving:
            raise ConcurrencyError("another task is receiving on this connection")
        self._receiving = True
        try:
            async with asyncio.timeout(None if timeout is None else seconds(timeout)):
                return await self._until(self._protocol.next_message)
        finally:
            self._receiving = False
            if self._protocol.buffered():  # it may be long until somebody receives again
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

    async def _until(self, take: Callable[[], T | None]) -> T:
        """Return what *take* finds, asking again whenever there may be something new."""
        protocol = self._protocol
        while (found := take()) is None:
            if protocol.frames_this_turn >= TURN:
                await self._breathe()
                continue
            self._look_after(hungry=self._receiving)
            if protocol.state == State.CLOSED:
                raise protocol.closed_error()
            news = self._loop.create_future()
            self._waiting.append(news)
            await news
        self._look_after()
        return found

    def _look_ahead(self) -> None:
        """Look at what has arrived, unless a task is receiving, and tell those who wait."""
        self._looking = False
        self._protocol.frames_this_turn = 0
        if not self._receiving:
            self._protocol.read_ahead()
            if self._protocol.frames_this_turn >= TURN:
                self._look_soon()
        self._look_after()
        self._tell()

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look_ahead)

    def _look_after(self, hungry: bool = False) -> None:
        """Do what follows from what was looked at, and have the transport read, or not."""
        protocol = self._protocol
        if protocol.has_data():
            self._post()
        while protocol.pongs:
            self._keepalive.pong(protocol.pongs.popleft(), monotonic())
            self._tell()
        if protocol.state == State.CLOSED:
            self._end()
        if hungry or self._ending or protocol.wants_data():
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)

    async def _breathe(self) -> None:
        self._protocol.frames_this_turn = 0
        await asyncio.sleep(0)

    # Sending

    async def send(self, message: Data | Iterable[Data] | AsyncIterable[Data]) -> None:
        """Send a message: str as text, bytes-like as binary, an iterable of either in fragments.

        Returns when the transport takes more. Cancelling it does no harm, unless the fragments of
        an iterable were not all sent: then the connection is failed with 1011.

        Raises:
            ConnectionClosed: the connection is closed, or the peer took nothing for send_timeout.
            TypeError: *message* is none of those, or mixes str and bytes.
            UnicodeEncodeError: a str with lone surrogates.
        """
        async with self._turn:
            if isinstance(message, (str, bytes, bytearray, memoryview)):
                self._protocol.send_message(message)
                await self._write()
            elif isinstance(message, (Iterable, AsyncIterable)):
                await self._send_fragments(_each(message))
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
            await self._write()
        except ConnectionClosed:
            raise
        except BaseException as error:
            self._protocol.abort(INTERNAL_ERROR, "the message could not be finished", error)
            self._look_after()
            raise

    async def _write(self) -> None:
        """Give the transport all that the protocol wants said, and wait until it takes more."""
        self._transport.writelines(self._protocol.data_to_send())
        while not self._has_room.is_set():
            await self._drain()
        if self._lost.is_set():
            raise ConnectionClosed(ABNORMAL_CLOSURE, "the connection is lost", False)
        if self._protocol.frames_this_turn >= TURN:
            await self._breathe()

    async def _drain(self) -> None:
        before = self._transport.get_write_buffer_size()
        try:
            async with asyncio.timeout(self._options.send_timeout):
                await self._has_room.wait()
        except TimeoutError as error:
            if self._transport.get_write_buffer_size() >= before:
                self._lose("the peer takes no more bytes", error)

    def _post(self) -> None:
        """Have what the protocol wants said go out, but hold pongs back while that cannot be."""
        if self._protocol.close_sent or self._has_room.is_set():
            self._transport.writelines(self._protocol.data_to_send())

    async def ping(self, timeout: float | None = None) -> float:
        """Send a ping and wait for its pong; return the seconds that took.

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
                await self._until(lambda: not self._keepalive.waits_for(payload) or None)
        finally:
            self._keepalive.forget(payload)
        return monotonic() - start

    # Closing

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection: exchange close frames, then end TCP. Closing twice is no error.

        Waits for the peer at most close_timeout, then drops the connection. Messages that arrived
        before this stay to be received.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        self._protocol.close(code, reason)
        try:
            async with asyncio.timeout(self._options.close_timeout):
                await self._until(lambda: self._is_over() or None)
                await self._lost.wait()
        except TimeoutError as error:
            self._lose("no close frame in time", error)
        finally:
            self._transport.abort()

    async def __aenter__(self) -> AsyncWebSocket:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    @property
    def close_code(self) -> int | None:
        """The code of ConnectionClosed; None while the connection is open."""
        return self._protocol.close_code if self._is_over() else None

    @property
    def close_reason(self) -> str:
        """The reason of ConnectionClosed; empty while the connection is open."""
        return self._protocol.close_reason if self._is_over() else ""

    def _is_over(self) -> bool:
        return self._protocol.state == State.CLOSED

    def _end(self) -> None:
        """Begin to end TCP, once the conversation is over."""
        if self._ending:
            return
        self._ending = True
        self._plan(self._options.close_timeout, self._transport.abort)
        self._tell()
        clean = self._protocol.close_sent and self._protocol.close_received
        if clean and self._side == Side.CLIENT:  # RFC 6455 7.1.1: the server closes TCP first
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _lose(self, reason: str, error: BaseException, wire: int = ABNORMAL_CLOSURE) -> None:
        self._protocol.abort(ABNORMAL_CLOSURE, reason, error, wire)
        self._look_after()
        self._transport.abort()

    # Care

    def _attend(self) -> None:
        """Do what keepalive asks for, and plan the next time."""
        protocol, keepalive, now = self._protocol, self._keepalive, monotonic()
        if protocol.state != State.OPEN:
            return
        signs = self._signs()
        if now >= keepalive.pong_by:
            reads = self._receiving or protocol.wants_data()  # or a pong may wait unread
            if reads and signs == keepalive.signs:
                self._lose("no pong in time", TimeoutError("no pong in time"), INTERNAL_ERROR)
                return
            keepalive.wait_on(now, signs)
        if now >= keepalive.ping_at:
            if self._has_room.is_set():
                protocol.send_ping(keepalive.begin_regular(now, signs))
                self._post()
            else:  # the peer takes nothing: pings would only gather
                keepalive.expect(now, signs)
        if keepalive.next_at() < inf:
            self._plan(keepalive.next_at() - now, self._attend)

    def _signs(self) -> int:
        """Return a number that changes when the peer shows life, by its bytes or by taking ours."""
        unsent = self._transport.get_write_buffer_size()
        return self._protocol.wire_received + (unsent and self._protocol.writer.wire - unsent)

    def _plan(self, seconds: float, call: Callable[[], None]) -> None:
        self._unplan()
        self._timer = self._loop.call_later(seconds, call)

    def _unplan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # What the event loop calls

    def data_received(self, data: bytes) -> None:
        """Take bytes off the wire."""
        self._protocol.receive_data(data)
        self._look_ahead()

    def eof_received(self) -> None:
        """Take note of the peer's end; the transport then closes itself."""
        self._protocol.receive_eof()
        self._look_ahead()

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that the transport is gone."""
        self._protocol.receive_eof(error)
        self._lost.set()
        self._has_room.set()
        self._look_ahead()
        self._unplan()

    def pause_writing(self) -> None:
        """Take note that the transport holds enough."""
        self._has_room.clear()

    def resume_writing(self) -> None:
        """Take note that the transport takes more."""
        self._has_room.set()
        self._look_after()


async def _each(items: Any) -> AsyncIterator[Data]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
