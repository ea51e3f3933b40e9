"""The door for Tornado: WebSocketHandler for applications, TornadoWebSocketClient and connect()."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from inspect import isawaitable
from typing import Any, ClassVar, Final, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from tornado.iostream import IOStream, StreamClosedError
from tornado.web import Application, RequestHandler

from geventws.adapters.asyncio import connect as connect
from geventws.awaiting import AsyncWebSocket as AsyncWebSocket
from geventws.core.codes import NORMAL_CLOSURE, Side
from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Accepted, Request, Response, parse_response
from geventws.core.headers import build_head
from geventws.looped import LoopedTransport
from geventws.options import seconds
from geventws.tasks import Tasks
from geventws.upgrader import Upgrader as Upgrader
from geventws.websocket import Data

# More than Tornado has read ahead after a request: a head's most and one read.
READ_AHEAD: Final = 256 * 1024

T = TypeVar("T")
Message: TypeAlias = Data | Iterable[Data] | AsyncIterable[Data]
Done: TypeAlias = Awaitable[object] | None  # what a callback returns: a coroutine, or None

logger = logging.getLogger("geventws")
_open: WeakKeyDictionary[Application, Tasks] = WeakKeyDictionary()


class _Caller:
    """Sends and closes for who may wait for it or not, in the order of asking.

    Attributes:
        ws: the connection, an AsyncWebSocket, once it is open.
    """

    ws: AsyncWebSocket
    _report: Callable[[Exception], None]

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._begun().add(task)
        task.add_done_callback(self._done)
        return task

    def _begun(self) -> set[asyncio.Task[Any]]:
        found: set[asyncio.Task[Any]] = vars(self).setdefault("_sends", set())
        return found

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._begun().discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and not isinstance(error, ConnectionClosed):
            self._report(error)

    def _send(self, message: Message) -> asyncio.Task[None]:
        return self._begin(self.ws.send(message))

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> asyncio.Task[None]:
        """Close the connection once all that was sent before has left; see AsyncWebSocket.close().

        Await what it returns to wait for the end; it goes on without that too.
        """
        return self._begin(self._close_after(set(self._begun()), code, reason))

    async def _close_after(self, sends: set[asyncio.Task[Any]], code: int, reason: str) -> None:
        if sends:
            await asyncio.wait(sends)
        await self.ws.close(code, reason)


class WebSocketHandler(_Caller, RequestHandler):
    """A handler whose GET opens a WebSocket; what is no opening handshake is answered 426.

    Override handle() for code that awaits, or the callbacks open(), on_message() and on_close(),
    which may be coroutines. Until the upgrade it is like any RequestHandler: prepare() may answer
    in its place, and cookies and headers that were set go with the 101. on_finish() is called when
    the connection is over.

    Attributes:
        upgrader: an Upgrader with what it answers to opening handshakes and with the options of its
            connections; for a subclass to set.
        ws: the connection, an AsyncWebSocket, once it is open.
    """

    upgrader: ClassVar[Upgrader] = Upgrader()

    async def handle(self, ws: AsyncWebSocket) -> None:
        """Use *ws*, which is closed with 1000 after that, or with 1011 where this raises.

        The arguments of the path are in path_args and path_kwargs. Unless overridden this calls
        open() and on_message().
        """
        await _call(self.open, *self.path_args, **self.path_kwargs)
        async for message in ws:
            await _call(self.on_message, message)

    def open(self, *args: str, **kwargs: str) -> Done:
        """Called once, before the first message, with the arguments of the path."""

    def on_message(self, message: str | bytes) -> Done:
        """Called with each message: str for text, bytes for binary; the next one waits for it."""

    def on_close(self) -> Done:
        """Called once, when the connection is over; ws.close_code and ws.close_reason say how."""

    def write_message(self, message: Message) -> asyncio.Task[None]:
        """Send *message*; see AsyncWebSocket.send().

        Await what it returns to know that the peer keeps up; it is sent without that too.
        """
        return self._send(message)

    async def get(self, *args: str, **kwargs: str) -> None:
        """Open the WebSocket and serve it, until it is over."""
        answer, request = self._answer()
        if isinstance(answer, Response):
            self._refuse(answer)
            return
        try:
            self.ws = await self._upgrade(request, answer)
        except StreamClosedError:
            logger.info("%s: went away while opening", request.remote_address)
            return
        tasks = _open.setdefault(self.application, Tasks())
        serving = asyncio.create_task(tasks.run(self._serve, self.ws, self._report))
        try:
            await asyncio.wait([serving])  # Tornado would complain where that was cancelled
        finally:
            serving.cancel()
            try:
                await _call(self.on_close)
            finally:
                self.on_finish()

    async def _serve(self, ws: AsyncWebSocket) -> None:
        await self.handle(ws)
        if self._begun():  # what it sent and did not wait for
            await asyncio.wait(self._begun())

    def _answer(self) -> tuple[Accepted | Response, Request]:
        asked = self.request
        first_line = f"{asked.method} {asked.uri} {asked.version}"
        try:
            head = build_head(first_line, asked.headers.get_all()).removesuffix(b"\r\n\r\n")
        except ValueError:  # which some versions of Tornado let pass
            head = b""
        request = Request(head, asked.remote_ip)
        return self.upgrader.answer(request, asked.protocol == "https" or None), request

    def _refuse(self, response: Response) -> None:
        self.set_status(response.status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        if "Upgrade" in response.headers:  # RFC 9110 7.8
            self.set_header("Connection", "Upgrade")
        for name, value in response.headers.items():
            (self.set_header if name.lower() == "content-type" else self.add_header)(name, value)
        self.finish(response.body or None)

    async def _upgrade(self, request: Request, accepted: Accepted) -> AsyncWebSocket:
        self.set_status(101)
        self.clear_header("Content-Type")  # or Tornado may compress the body that is none
        for name, value in parse_response(accepted.response.removesuffix(b"\r\n\r\n"))[2].items():
            self.add_header(name, value)
        await self.flush()
        self.application.log_request(self)
        stream = self.detach()
        rest = _take_over(stream)
        transport = LoopedTransport(stream.socket, stream.close)
        options = self.upgrader.options
        return AsyncWebSocket(transport, options, Side.SERVER, accepted, rest, request)

    def _report(self, error: Exception) -> None:
        self.log_exception(type(error), error, error.__traceback__)


async def close_all(application: Application, timeout: float = 10.0) -> None:
    """Close all connections to the handlers of *application* with 1001, and wait for their ends.

    Handlers that have not ended after *timeout* seconds are cancelled. Stop the HTTPServer first.
    """
    seconds(timeout, or_none="")
    tasks = _open.get(application, Tasks())
    tasks.close()
    await tasks.wait_closed(timeout)


class TornadoWebSocketClient(_Caller):
    """A client in the callback style, on the running IOLoop.

    Override the callbacks, which may be coroutines; they are called one at a time.

    Args:
        url: ws://, wss://, ws+unix:// or wss+unix://; see geventws.connect().
        **arguments: those of connect(), as subprotocols, headers, ssl or max_size.

    Attributes:
        ws: the connection, an AsyncWebSocket, once it is open.
    """

    def __init__(self, url: str, **arguments: Any) -> None:
        self._url = url
        self._arguments = arguments

    def opened(self) -> Done:
        """Called once, before any other callback."""

    def received_message(self, message: str | bytes) -> Done:
        """Called with each message: str for text, bytes for binary; the next one waits for it."""

    def closed(self, code: int, reason: str) -> Done:
        """Called once, after all others, with the code and reason of ConnectionClosed."""

    def unhandled_error(self, error: Exception) -> None:
        """Called with what a callback raised, or a send() or close().

        After a callback's error the connection is closed with 1011. Unless overridden it logs
        *error*.
        """
        logger.error("%r: a callback failed", self, exc_info=error)

    def connect(self) -> asyncio.Task[None]:
        """Begin to connect; await what it returns to know that the connection is open.

        That raises then what geventws.connect() raises. RuntimeError: no IOLoop runs.
        """
        return asyncio.get_running_loop().create_task(self._connect())

    def send(self, message: Message) -> asyncio.Task[None]:
        """Send *message*; see AsyncWebSocket.send().

        Await what it returns to know that the peer keeps up; it is sent without that too.
        """
        return self._send(message)

    async def _connect(self) -> None:
        self.ws = await connect(self._url, **self._arguments)
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        ws = self.ws
        try:
            await Tasks().run(self._handle, ws, self._report)
        finally:
            await self._tell_closed(ws)

    async def _tell_closed(self, ws: AsyncWebSocket) -> None:
        try:
            await _call(self.closed, ws.close_code, ws.close_reason)
        except Exception as error:
            self._report(error)

    async def _handle(self, ws: AsyncWebSocket) -> None:
        await _call(self.opened)
        async for message in ws:
            await _call(self.received_message, message)

    def _report(self, error: Exception) -> None:
        self.unhandled_error(error)


async def _call(callback: Callable[..., Done], *args: Any, **kwargs: Any) -> None:
    waits = callback(*args, **kwargs)
    if isawaitable(waits):
        await waits


def _take_over(stream: IOStream) -> bytes:
    """Have Tornado leave the socket of *stream* alone; return what was read of it already.

    Tornado's own reading closes a stream whose peer has ended it, though it may still be written
    to, and keeps no count of the bytes that have not left.
    """
    stream.set_nodelay(True)
    reading: Any = stream.read_bytes(READ_AHEAD, partial=True)
    rest = reading.result() if reading.done() else b""
    stream.io_loop.remove_handler(stream.socket)
    return bytes(rest)
