"""The door for asyncio: the same protocol, awaited.

transport -> data_received -> protocol -> receive()        send() -> protocol -> transport.write

There is no queue and no task. What arrives goes into the protocol; whoever waits in receive() is
woken and asks the protocol itself. When nobody receives, the protocol reads ahead a little, and
the socket is not read while it holds enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from math import inf
from ssl import SSLContext
from time import monotonic
from typing import Any, TypeAlias, TypeVar, Unpack

from zope.interface import classImplements

from geventws.core.codes import (
    ABNORMAL_CLOSURE,
    INTERNAL_ERROR,
    NORMAL_CLOSURE,
    Side,
    State,
)
from geventws.core.errors import ConcurrencyError, ConnectionClosed, InvalidHandshake
from geventws.core.handshake import Accepted, Opening, Request, Response, refusal
from geventws.core.headers import HeaderItems
from geventws.core.protocol import TURN, Protocol
from geventws.interfaces import IWebSocket
from geventws.keepalive import Keepalive
from geventws.opening import PHASE, Reading, late, read_request, read_response
from geventws.options import OptionArguments, Options
from geventws.upgrader import UpgradeArguments, Upgrader
from geventws.uri import URI, parse_uri
from geventws.websocket import QUIET, Data

T = TypeVar("T")
Handler: TypeAlias = "Callable[[AsyncWebSocket], Awaitable[None]]"

logger = logging.getLogger("geventws")


class AsyncWebSocket(asyncio.Protocol):
    """One open connection, of one event loop.

    Any number of tasks may send, ping and close at once, and one may receive meanwhile. Messages
    are sent whole, in the order of asking. The attributes are those of WebSocket.
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
        self._waiting: list[asyncio.Future[None]] = []  # to be told of anything new
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
        if transport.is_closing():  # it was lost before this was told
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
            async with asyncio.timeout(timeout):
                return await self._until(self._protocol.next_message)
        finally:
            self._receiving = False
            if self._protocol.buffered():  # for it may not come back soon
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
                protocol.frames_this_turn = 0
                await asyncio.sleep(0)
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
        """Look at what has arrived for a task that is not receiving."""
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
        """Do what follows from what the protocol has looked at; read on where that is wanted."""
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

    # Sending

    async def send(self, message: Data | Iterable[Data] | AsyncIterable[Data]) -> None:
        """Send a message: str as text, bytes-like as binary, an iterable of either in fragments.

        Returns when the transport takes more. Cancelling it leaves the connection usable, unless
        the fragments of an iterable were not all sent: then it is failed with 1011.

        Raises:
            ConnectionClosed: the connection is closed, or the peer took nothing for send_timeout.
            TypeError: *message* is none of those, or mixes str and bytes.
            UnicodeEncodeError: a str with lone surrogates.
        """
        async with self._turn:
            if isinstance(message, Data):
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
            before = self._transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._options.send_timeout):
                    await self._has_room.wait()
            except TimeoutError as error:
                if self._transport.get_write_buffer_size() >= before:
                    self._lose("the peer takes no more bytes", error)
        if self._lost.is_set():
            raise ConnectionClosed(ABNORMAL_CLOSURE, "the connection is lost", False)
        if self._protocol.frames_this_turn >= TURN:
            self._protocol.frames_this_turn = 0
            await asyncio.sleep(0)

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
        payload = self._keepalive.begin(start)
        try:
            self._protocol.send_ping(payload)
            async with asyncio.timeout(timeout):
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
        self._stop_timer()
        self._timer = self._loop.call_later(self._options.close_timeout, self._transport.abort)
        self._tell()
        clean = self._protocol.close_sent and self._protocol.close_received
        if clean and self._side == Side.CLIENT:  # RFC 6455 7.1.1: the server closes TCP first
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _lose(self, reason: str, error: BaseException | None) -> None:
        self._protocol.abort(ABNORMAL_CLOSURE, reason, error)
        self._transport.abort()
        self._look_after()

    # Care

    def _attend(self) -> None:
        """Do what keepalive asks for, and plan the next time."""
        protocol, keepalive, now = self._protocol, self._keepalive, monotonic()
        if protocol.state != State.OPEN:
            return
        if now >= keepalive.pong_by:
            if protocol.wire_received == keepalive.signs and protocol.wants_data():
                error = TimeoutError("no pong in time")
                protocol.abort(ABNORMAL_CLOSURE, str(error), error, INTERNAL_ERROR)
                self._look_after()
                self._transport.abort()
                return
            keepalive.wait_on(now, protocol.wire_received)
        if now >= keepalive.ping_at:
            keepalive.expect(now, protocol.wire_received)
            if self._has_room.is_set():  # or pings would gather while the peer takes nothing
                protocol.send_ping(keepalive.begin_regular(now))
                self._post()
        if keepalive.next_at() < inf:
            self._timer = self._loop.call_later(keepalive.next_at() - now, self._attend)

    def _stop_timer(self) -> None:
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
        self._stop_timer()

    def pause_writing(self) -> None:
        """Take note that the transport holds enough."""
        self._has_room.clear()

    def resume_writing(self) -> None:
        """Take note that the transport takes more."""
        self._has_room.set()
        self._look_after()


async def connect(
    uri: str,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: SSLContext | None = None,
    **options: Unpack[OptionArguments],
) -> AsyncWebSocket:
    """Connect to the server at *uri* and return the open connection. See geventws.connect()."""
    settings = Options(**options)
    where = parse_uri(uri)
    if ssl is not None and not where.secure:
        raise ValueError("ssl: only wss has TLS, and this address is not wss")
    opening = Opening(
        where.authority,
        where.target,
        subprotocols=subprotocols,
        compression=settings.compression,
        origin=origin,
        headers=headers,
    )
    wire = _Opening(read_response(opening), settings.open_timeout)
    try:
        async with asyncio.timeout_at(wire.deadline):
            await _reach(where, wire, ssl)
    except TimeoutError:
        raise late("the TCP or TLS handshake") from None
    wire.transport.write(opening.request())
    try:
        accepted, rest = await wire.result
    except BaseException:
        wire.transport.abort()
        raise
    return AsyncWebSocket(wire.transport, settings, Side.CLIENT, accepted, rest)


async def serve(
    handler: Handler,
    host: str | None,
    port: int,
    *,
    ssl: SSLContext | None = None,
    **arguments: Unpack[UpgradeArguments],
) -> asyncio.Server:
    """Listen at *host* and *port*, and return the server, which is at work already.

    Args:
        handler: called with each connection, in a task of its own; when it returns the connection
            is closed.
        host: None is every interface.
        ssl: a context for wss.
        **arguments: see Upgrader and Options.
    """
    loop = asyncio.get_running_loop()
    upgrader = Upgrader(**arguments)
    secure = ssl is not None or None
    tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps no hold of them

    def begin(wire: _Opening) -> None:
        task = loop.create_task(_serve(handler, wire, upgrader, secure))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    seconds = upgrader.options.open_timeout
    return await loop.create_server(
        lambda: _Opening(read_request(), seconds, begin),
        host,
        port,
        ssl=ssl,
        ssl_handshake_timeout=seconds if secure else None,
    )


async def _serve(handler: Handler, wire: _Opening, upgrader: Upgrader, secure: bool | None) -> None:
    answer: Accepted | Response
    try:
        head, rest = await wire.result
        request = Request(head, wire.transport.get_extra_info("peername"))
        answer = upgrader.answer(request, secure)
    except TimeoutError:
        answer = refusal(InvalidHandshake("no request in time", 408))
    except InvalidHandshake as error:
        answer = refusal(error)
    except OSError as error:
        logger.info("no connection came about: %s", error)
        return
    if isinstance(answer, Response):
        wire.transport.write(answer.to_bytes())
        wire.transport.close()
        return
    wire.transport.write(answer.response)
    ws = AsyncWebSocket(wire.transport, upgrader.options, Side.SERVER, answer, rest, request)
    try:
        await handler(ws)
    except ConnectionClosed as closed:
        logger.debug("%r: %s", ws, closed)
    except Exception:
        logger.exception("%r: the handler failed", ws)
        await ws.close(INTERNAL_ERROR, "the application failed")
    finally:
        await ws.close()


async def _reach(where: URI, wire: _Opening, ssl: SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    secure = (ssl or True) if where.secure else None
    if where.path is not None:
        name = where.certified if where.secure else None
        await loop.create_unix_connection(
            lambda: wire, where.path, ssl=secure, server_hostname=name
        )
    else:
        await loop.create_connection(
            lambda: wire, where.host, where.port, ssl=secure, happy_eyeballs_delay=0.25
        )


async def _each(items: Iterable[Data] | AsyncIterable[Data]) -> AsyncIterator[Data]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


class _Opening(asyncio.Protocol):
    """Feeds what arrives to a generator until that has its result, then reads no more."""

    transport: asyncio.Transport

    def __init__(
        self,
        reading: Reading[Any],
        seconds: float | None,
        on_made: Callable[[_Opening], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline = None if seconds is None else self._loop.time() + seconds
        self.result: asyncio.Future[Any] = self._loop.create_future()
        self._reading = reading
        self._on_made = on_made
        next(reading)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.deadline is not None:
            self._loop.call_at(self.deadline, self._step, self._reading.throw, late(PHASE))
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        self._step(self._reading.send, data)

    def eof_received(self) -> None:
        self._step(self._reading.send, b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._step(self._reading.throw, error or ConnectionResetError("the connection is lost"))

    def _step(self, step: Callable[[Any], None], value: Any) -> None:
        if self.result.done():
            return
        try:
            step(value)
        except StopIteration as done:
            self.transport.pause_reading()
            self.result.set_result(done.value)
        except Exception as error:
            self.result.set_exception(error)


classImplements(AsyncWebSocket, IWebSocket)
