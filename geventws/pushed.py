"""The machinery under AsyncWebSocket: what an event loop pushes in, and what follows from it.

transport -> data_received -> protocol            protocol -> transport.write

There is no queue and no task. What arrives goes into the protocol; whoever waits is woken and asks
the protocol itself. When nobody receives, the protocol reads ahead a little, and the transport does
not read while the protocol holds enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TypeVar

from geventws.connection import DROPPED, SHARE
from geventws.core.codes import (
    ABNORMAL_CLOSURE,
    GOING_AWAY,
    INTERNAL_ERROR,
    NORMAL_CLOSURE,
    Side,
    State,
)
from geventws.core.handshake import Accepted
from geventws.core.protocol import TURN, Protocol
from geventws.keepalive import Keepalive
from geventws.options import Options

T = TypeVar("T")


class Pushed(asyncio.Protocol):
    """A connection that an event loop drives. Its public face is AsyncWebSocket."""

    def __init__(
        self,
        transport: asyncio.Transport,
        options: Options,
        side: Side,
        accepted: Accepted,
        rest: bytes,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._protocol = Protocol(side, options.max_size, options.max_fragments, accepted.deflate)
        self._options = options
        self._side = side
        # receiving
        self._hungry = False  # a task waits for a message
        self._waiting: list[asyncio.Future[None]] = []  # of those to be told of anything new
        self._looking = False  # _look_ahead() is planned
        self._since = monotonic()  # when others last ran, as far as that is known here
        # sending
        self._turn = asyncio.Lock()
        self._has_room = asyncio.Event()
        self._has_room.set()
        # care and closing
        self._keepalive = Keepalive(options.ping_interval, options.ping_timeout, monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False  # the timer is that of the end
        self._ending = False
        self._lost = asyncio.Event()
        transport.set_protocol(self)
        self._protocol.receive_data(rest)
        self._attend()
        self._look_ahead()
        if transport.is_closing():  # and perhaps it has told of that already
            self.connection_lost(None)

    def begin_close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Send a close frame without waiting for the peer's; a timer then sees to the end.

        It is the one of close(), and drops the connection when close_timeout is up. Does nothing
        where a close frame was sent already.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        self._protocol.close(code, reason)
        self._plan_end()
        self._look_after()
        self._tell()

    def drop(self) -> None:
        """End the connection now, without waiting; the peer hears 1001 if that goes at once."""
        if not self._loop.is_closed():  # as where a program that ends finalises what was at work
            self._lose(DROPPED, None, GOING_AWAY)

    # Receiving

    async def _until(self, take: Callable[[], T | None], hungry: bool = False) -> T:
        """Return what *take* finds, asking again whenever there may be something new.

        Nothing is awaited between finding and returning, so what is found cannot be lost.
        """
        protocol = self._protocol
        while (found := take()) is None:
            if protocol.frames_this_turn >= TURN:
                self._look_after()
                await self._breathe()
                continue
            self._hungry = hungry or self._hungry
            self._look_after()
            if protocol.state == State.CLOSED:
                raise protocol.closed_error()
            news = self._loop.create_future()
            self._waiting.append(news)
            await news
        self._look_after()
        return found

    def _look_ahead(self) -> None:
        """Look at what has arrived, unless a task waits for it, and tell those who wait."""
        protocol = self._protocol
        self._looking = False
        self._have_run()
        if not self._hungry:
            protocol.read_ahead()
            if protocol.frames_this_turn >= TURN:
                self._look_soon()
        self._look_after()
        self._tell()

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look_ahead)

    def _look_after(self) -> None:
        """Do what follows from what was looked at, and have the transport read, or not."""
        protocol = self._protocol
        if protocol.has_data():
            self._post()
        if protocol.pongs is not None:
            pongs, protocol.pongs = protocol.pongs, None
            for payload in pongs:
                self._keepalive.pong(payload, monotonic())
            self._tell()
        if protocol.state == State.CLOSED:
            self._end()
        if protocol.eof or self._is_gone():
            return
        if self._hungry or self._ending or protocol.wants_data():
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if not news.done():
                news.set_result(None)

    def _is_turn_over(self) -> bool:
        """Return whether enough was done that now others should run."""
        return self._protocol.frames_this_turn >= TURN or monotonic() - self._since > SHARE

    async def _breathe(self) -> None:
        try:
            await asyncio.sleep(0)
        finally:  # who is cancelled has let others run as well
            self._have_run()

    def _have_run(self) -> None:
        self._protocol.frames_this_turn = 0
        self._since = monotonic()

    # Sending

    async def _write(self) -> None:
        """Give the transport all that the protocol wants said, and wait until it takes more."""
        if not self._is_gone():
            self._hand_over()
        await self._room()
        if self._is_turn_over():
            await self._breathe()

    async def _room(self) -> None:
        """Wait until the transport takes more; whoever calls this has the turn."""
        while not self._has_room.is_set():
            await self._drain()
        if self._is_gone():
            if self._protocol.state == State.OPEN:  # or its close frame may still be on its way
                self._lose("the connection is lost")
            raise self._protocol.closed_error()

    async def _drain(self) -> None:
        before = self._transport.get_write_buffer_size()
        try:
            async with asyncio.timeout(self._options.send_timeout):
                await self._has_room.wait()
        except TimeoutError as error:
            if self._transport.get_write_buffer_size() >= before:
                self._lose("the peer takes no more bytes", error)
        self._have_run()

    def _post(self) -> None:
        """Have what the protocol wants said go out, but hold pongs back while that cannot be."""
        if (self._protocol.close_sent or self._has_room.is_set()) and not self._is_gone():
            self._hand_over()

    def _hand_over(self) -> None:
        # asyncio's writelines() forgets to pause us (to 3.12.8 and 3.13.1: cpython 127655), fails
        # once the connection is lost (136234), and chokes on an empty buffer (155888)
        self._transport.write(b"".join(self._protocol.data_to_send()))

    # Care

    def _attend(self) -> None:
        """Do what keepalive asks for, and plan the next time; until the closing has the timer."""
        keepalive, now = self._keepalive, monotonic()
        signs = self._signs()
        if keepalive.is_missed(now, signs, self._is_behind):
            self._lose("no pong in time", TimeoutError("no pong in time"), INTERNAL_ERROR)
            return
        payload = keepalive.due(now, signs, self._has_room.is_set())
        if payload is not None:
            self._protocol.send_ping(payload)
            self._post()
        if keepalive.next_at() < inf:
            self._plan(keepalive.next_at() - now, self._attend)

    def _signs(self) -> int:
        """Return a number that changes when the peer shows life, by its bytes or by taking ours."""
        unsent = self._transport.get_write_buffer_size()
        return self._protocol.wire_received + (unsent and self._protocol.writer.wire - unsent)

    def _is_behind(self) -> bool:
        """Return whether a pong may wait unread."""
        return not (self._hungry or self._protocol.wants_data())

    def _plan(self, seconds: float, call: Callable[[], None]) -> None:
        self._unplan()
        if not self._lost.is_set():
            self._timer = self._loop.call_later(seconds, call)

    def _unplan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # Closing

    def _is_over(self) -> bool:
        return self._protocol.state == State.CLOSED

    def _is_gone(self) -> bool:
        return self._lost.is_set() or self._transport.is_closing()

    def _plan_end(self) -> None:
        if not self._closing:
            self._closing = True
            self._plan(self._options.close_timeout, self._be_late)

    def _be_late(self) -> None:
        self._lose("no close frame in time", TimeoutError("no close frame in time"))

    def _end(self) -> None:
        """Begin to end TCP, once the conversation is over."""
        if self._ending:
            return
        self._ending = True
        self._plan_end()
        self._tell()
        clean = self._protocol.close_sent and self._protocol.close_received
        if self._protocol.eof:
            self._transport.close()
        elif clean and self._side == Side.CLIENT:  # RFC 6455 7.1.1: the server closes TCP first
            return
        elif self._transport.can_write_eof():
            with suppress(OSError):  # the peer is gone already, which the loop will notice too
                self._transport.write_eof()
        else:
            self._transport.close()

    def _lose(
        self, reason: str, error: BaseException | None = None, wire: int = ABNORMAL_CLOSURE
    ) -> None:
        """Give the connection up; what is here already stays to be received."""
        self._protocol.keep_all()
        self._protocol.abort(ABNORMAL_CLOSURE, reason, error, wire)
        self._look_after()
        if not self._lost.is_set():  # or asyncio's own may fail
            self._transport.abort()

    # What the event loop calls

    def data_received(self, data: bytes) -> None:
        """Take bytes off the wire."""
        self._protocol.receive_data(data)
        self._look_ahead()

    def eof_received(self) -> bool:
        """Take note of the peer's end; return whether it may still be told something."""
        self._protocol.receive_eof()
        self._look_ahead()
        return self._transport.can_write_eof() and not self._ending

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
