"""WebSocket on an asyncio event loop, as ws4py has it: callbacks that are no coroutines.

AsyncWebSocket -> run() -> received_message()          send() -> a task -> AsyncWebSocket.send
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from geventws.adapters.ws4py.driver import message_of
from geventws.adapters.ws4py.messaging import CloseControlMessage, PongControlMessage
from geventws.adapters.ws4py.websocket import WebSocket as _WebSocket
from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import ABNORMAL_CLOSURE, INTERNAL_ERROR, PING
from geventws.core.errors import ConnectionClosed
from geventws.core.frame import MAX_CONTROL

__all__ = ["EchoWebSocket", "WebSocket"]

logger = logging.getLogger("geventws")


class LoopedDriver:
    """The connection under a websocket of an event loop, with the methods of a Driver.

    They do not wait: each begins a task, and what they send leaves in the order of asking.
    """

    polled = True
    is_run = False

    def __init__(self, connection: AsyncWebSocket, owner: Any) -> None:
        self.local_address = connection.local_address
        self.peer_address = connection.peer_address
        self._connection = connection
        self._owner = owner
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: CloseControlMessage | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self._connection.close_code is not None

    def be_run(self) -> None:
        """Take note that run() has begun."""
        self.is_run = True

    def look_after(self) -> None:
        """Leave that to the event loop."""

    def open(self) -> None:
        """Call opened(). What it raises passes."""
        self._owner.opened()

    def send(self, message: Any) -> None:
        """Send a message; an iterable is read by the task. See AsyncWebSocket."""
        if self.is_over:
            raise ConnectionClosed(ABNORMAL_CLOSURE, "the connection is closed", False)
        if isinstance(message, str) and not message.isascii():
            message.encode()  # a lone surrogate is an error here, where the caller hears of it
        self._begin(self._connection.send(message))

    def send_control(self, opcode: int, data: bytes) -> None:
        """Send a ping; its pong is told to the owner. ValueError: it is none, or too long."""
        if opcode != PING:
            raise ValueError("payload: on an event loop no pong is sent that nobody asked for")
        if len(data) > MAX_CONTROL:
            raise ValueError("payload: a ping carries at most 125 bytes (RFC 6455 5.5)")
        self._begin(self._ping(data))

    def begin_close(self, code: int, reason: str) -> None:
        """Close, once all that was sent before has left."""
        self._begin(self._close(set(self._tasks), code, reason))

    def drop(self, code: int) -> None:
        """End the connection now."""
        self._connection.drop()

    def closing(self) -> CloseControlMessage | None:
        """Return the peer's close frame; None where it sent none."""
        return self._closing

    def finish(self) -> None:
        """Leave the end of TCP to the connection itself."""

    async def deliver(self) -> None:
        """Hand every message to the owner until the connection is over, and nothing is begun."""
        try:
            while True:
                message = await self._connection.receive()
                self._owner.received_message(message_of(message))
        except ConnectionClosed as closed:
            if closed.clean:
                self._closing = CloseControlMessage(closed.code, closed.reason)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def fail(self) -> None:
        """Close with 1011: a callback has failed."""
        await self._connection.close(INTERNAL_ERROR, "the application failed")

    async def _ping(self, data: bytes) -> None:
        await self._connection.ping()
        self._owner.ponged(PongControlMessage(data))

    async def _close(self, before: set[asyncio.Task[None]], code: int, reason: str) -> None:
        if before:
            await asyncio.wait(before)
        await self._connection.close(code, reason)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ConnectionClosed):
            logger.error("%r: sending failed", self._owner, exc_info=error)


class LoopedWebSocket(_WebSocket):
    """What the websockets of event loops share: run() is a coroutine, and nothing waits."""

    started = False

    def carry(self, connection: AsyncWebSocket) -> None:
        """Begin to talk on *connection*."""
        self.attach(LoopedDriver(connection, self))
        self.sock = connection

    async def run(self) -> bool:  # type: ignore[override]
        """Call the callbacks for what comes, until the connection is over; opened() first.

        What a callback raises passes, after the connection was closed with 1011.
        """
        driver: Any = self.driver
        self.started = True
        driver.be_run()
        try:
            self.open()
            await driver.deliver()
        except Exception:
            await driver.fail()
            raise
        finally:
            self.terminate()
        return True

    def once(self) -> bool:
        """Raise RuntimeError: an event loop runs it."""
        raise RuntimeError("once() is for threads: the event loop runs this websocket")

    def _beat(self, driver: Any) -> None:
        """Leave that to the connection, whose options have it."""


class WebSocket(LoopedWebSocket):
    """One connection of a server on an asyncio event loop, to be subclassed.

    The callbacks are called by the loop, and must not block it. send(), ping() and close() return
    at once. What ping() sends is not its argument, but that is what ponged() is called with.

    Attributes:
        proto: the WebSocketProtocol that it came by.
        started: whether run() has begun.
        headers: those of the opening request.
    """

    def __init__(self, proto: Any) -> None:
        super().__init__(None)
        self.proto = proto
        self.headers: Any = None


class EchoWebSocket(WebSocket):
    """Sends every message back."""

    def received_message(self, message: Any) -> None:
        """Send *message* back, as what it is."""
        self.send(message.data, message.is_binary)
