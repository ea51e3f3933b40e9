"""The door for asyncio: connect() and serve() with AsyncWebSocket, without gevent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from ssl import SSLContext
from typing import Any, Final, Unpack

from geventws.asking import REDIRECTS, Asking
from geventws.awaiting import AsyncWebSocket as AsyncWebSocket
from geventws.cookies import Jar
from geventws.core.codes import Side
from geventws.core.errors import InvalidHandshake, Rejected
from geventws.core.handshake import Accepted, Request, Response, refusal
from geventws.core.headers import HeaderItems
from geventws.credentials import Auth
from geventws.limits import Admission, Limits, limits_of
from geventws.opening import PHASE, check_way, deadline_of, left, read_request, read_response
from geventws.options import OptionArguments, Options, options_of
from geventws.tasks import Handler, Tasks, ended
from geventws.upgrader import UpgradeArguments, Upgrader
from geventws.wire import Wire, reach

BACKLOG: Final = 1024

logger = logging.getLogger("geventws")


async def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: SSLContext | None = None,
    redirects: int = REDIRECTS,
    auth: Auth = None,
    cookies: Jar | None = None,
    source_address: tuple[str, int] | None = None,
    **options: Unpack[OptionArguments],
) -> AsyncWebSocket:
    """Connect to the server at *url* and return the open connection. See geventws.connect().

    When this is cancelled nothing is left behind. There are no proxies, whatever the environment
    says. A callable given as *auth* is a plain function: while it runs the loop waits.
    """
    settings = options_of(options)
    asking = Asking(url, settings, subprotocols, headers, origin, redirects, auth, cookies)
    if not isinstance(ssl, SSLContext | None):
        raise TypeError(f"ssl: an ssl.SSLContext or None, not {type(ssl).__name__}")
    check_way(asking.where, ssl, source_address)
    deadline = deadline_of(settings)
    while True:
        try:
            return await _open(asking, settings, ssl, source_address, deadline)
        except Rejected as rejected:
            asking.follow(rejected)


async def _open(
    asking: Asking,
    settings: Options,
    ssl: SSLContext | None,
    source_address: tuple[str, int] | None,
    deadline: float | None,
) -> AsyncWebSocket:
    opening = asking.opening()
    wire = Wire(read_response(opening, asking.note), left(deadline, PHASE))
    try:
        await reach(asking.where, wire, ssl, source_address)
        wire.transport.write(opening.request())
        accepted, rest = await wire.result
    except BaseException:
        wire.drop()
        raise
    return AsyncWebSocket(wire.transport, settings, Side.CLIENT, accepted, rest)


class WebSocketProtocol:
    """Makes the protocols of a server: loop.create_server(WebSocketProtocol(handler), host, port).

    Args:
        handler: a coroutine function that is given each connection, in a task of its own; when it
            returns the connection is closed with 1000, when it raises with 1011, and when the task
            is cancelled it is dropped.
        limits: how many connections it takes; see Limits.
        **arguments: subprotocols, select_subprotocol, origins, process_request and headers, see
            Upgrader; the others, as max_size or ping_interval, see Options.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        **arguments: Unpack[UpgradeArguments],
    ) -> None:
        if not callable(handler):
            raise TypeError("handler: a coroutine function")
        self._handler = handler
        self._upgrader = Upgrader(**arguments)
        self.options = self._upgrader.options
        self._admission = Admission(limits_of(limits, only_counts=True))
        self._tasks: dict[asyncio.Task[None], Wire] = {}
        self._open = Tasks()
        self._closed = False

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of one more connection."""
        return Wire(read_request(), self.options.open_timeout, self._begin)

    @property
    def connections(self) -> int:
        """How many WebSocket connections are open."""
        return len(self._open)

    def close(self) -> None:
        """Begin to close every connection with 1001, and let no more in; returns at once."""
        self._closed = True
        self._open.close()
        for task, wire in self._tasks.items():
            if not wire.opened:  # nothing is lost if it ends now
                task.cancel()

    async def wait_closed(self) -> None:
        """Wait until all handlers have ended; those left after close_timeout are cancelled."""
        await ended(self._tasks, self.options.close_timeout)

    def _begin(self, wire: Wire) -> None:
        if self._closed or not self._admission.enter(wire.address):
            wire.drop()
            return
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._tasks[task] = wire
        task.add_done_callback(self._depart)

    def _depart(self, task: asyncio.Task[None]) -> None:
        wire = self._tasks.pop(task)
        self._admission.leave(wire.address, wire.admitted)
        if not wire.opened:
            wire.drop()

    async def _serve(self, wire: Wire) -> None:
        answer: Accepted | Response
        try:
            head, rest = await wire.result
            self._admission.admit(wire.address)
            wire.admitted = True
            request = Request(head, wire.address)
            secure = wire.transport.get_extra_info("sslcontext") is not None
            answer = self._upgrader.answer(request, secure or None)
        except TimeoutError:
            answer = refusal(InvalidHandshake("no request in time", 408))
        except InvalidHandshake as error:
            answer = refusal(error)
        except OSError as error:
            logger.info("%s: went away while opening: %s", wire.address, error)
            return
        if isinstance(answer, Response):
            await wire.turn_away(answer)
            return
        wire.transport.write(answer.response)
        ws = AsyncWebSocket(wire.transport, self.options, Side.SERVER, answer, rest, request)
        wire.opened = True
        await self._open.run(self._handler, ws)


class Server(asyncio.AbstractServer):
    """What serve() returns: an asyncio server that closes its connections when it is closed.

    It is an asynchronous context manager that closes.

    Attributes:
        protocol: the WebSocketProtocol of its connections.
    """

    def __init__(self, protocol: WebSocketProtocol, server: asyncio.Server) -> None:
        self.protocol = protocol
        self._server = server
        self._closed = asyncio.Event()

    @property
    def sockets(self) -> tuple[Any, ...]:
        """The sockets that it listens on; none once it is closed."""
        return tuple(self._server.sockets)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop it runs on."""
        return self._server.get_loop()

    def is_serving(self) -> bool:
        """Return whether it accepts connections."""
        return self._server.is_serving()

    async def start_serving(self) -> None:
        """Do nothing: it is at work from the beginning."""

    async def serve_forever(self) -> None:
        """Wait until it is closed; when this is cancelled it closes, and waits for that."""
        try:
            await self._closed.wait()
        finally:
            self.close()
            await self.wait_closed()

    def close(self) -> None:
        """Stop accepting, and begin to close all connections with 1001; returns at once."""
        self._server.close()
        self.protocol.close()
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until it is closed and all handlers have ended.

        Handlers that have not ended after close_timeout are cancelled, and connections dropped.
        """
        await self._closed.wait()
        await self.protocol.wait_closed()


async def serve(
    handler: Handler,
    host: str | None,
    port: int,
    *,
    ssl: SSLContext | None = None,
    limits: Limits | None = None,
    backlog: int = BACKLOG,
    **arguments: Unpack[UpgradeArguments],
) -> Server:
    """Listen at *host* and *port*, and return the Server, which is at work already.

    Args:
        handler: a coroutine function that is given each connection; see WebSocketProtocol.
        host: None is every interface.
        port: 0 is any free one.
        ssl: a context for wss.
        limits: how many connections it takes; see Limits.
        backlog: connections that the kernel holds until they are accepted.
        **arguments: see Upgrader and Options.

    Raises:
        TypeError, ValueError: an argument is wrong.
        OSError: the address cannot be listened at.
    """
    protocol = WebSocketProtocol(handler, limits=limits, **arguments)
    server = await asyncio.get_running_loop().create_server(
        protocol,
        host,
        port,
        ssl=ssl,
        backlog=backlog,
        ssl_handshake_timeout=None if ssl is None else protocol.options.open_timeout,
    )
    return Server(protocol, server)
