"""The door for asyncio: connect() and serve() with AsyncWebSocket, without gevent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from ssl import SSLContext
from typing import Any, TypeAlias, Unpack

from geventws.awaiting import AsyncWebSocket as AsyncWebSocket
from geventws.core.codes import INTERNAL_ERROR, Side
from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, refusal
from geventws.core.headers import HeaderItems
from geventws.opening import PHASE, Reading, late, opening_to, read_request, read_response
from geventws.options import OptionArguments, options_of
from geventws.upgrader import UpgradeArguments, Upgrader
from geventws.uri import URI, parse_uri

Handler: TypeAlias = Callable[[AsyncWebSocket], Awaitable[None]]

logger = logging.getLogger("geventws")


async def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: SSLContext | None = None,
    **options: Unpack[OptionArguments],
) -> AsyncWebSocket:
    """Connect to the server at *url* and return the open connection. See geventws.connect()."""
    settings = options_of(options)
    where = parse_uri(url)
    if ssl is not None and not where.secure:
        raise ValueError("ssl: only wss has TLS, and this address is not wss")
    opening = opening_to(where, settings, subprotocols, headers, origin)
    wire = _Opening(read_response(opening), settings.open_timeout)
    try:
        await _reach(where, wire, ssl)
        wire.transport.write(opening.request())
        accepted, rest = await wire.result
    except BaseException:
        wire.drop()
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
    secure: Any = {}
    if where.secure:
        secure = {"ssl": ssl or True, "server_hostname": where.certified}
    limit = asyncio.timeout_at(wire.deadline)
    try:
        async with limit:
            if where.path is not None:
                await loop.create_unix_connection(lambda: wire, where.path, **secure)
            else:
                host, port = where.host, where.port
                await loop.create_connection(
                    lambda: wire, host, port, happy_eyeballs_delay=0.25, **secure
                )
    except TimeoutError:
        if limit.expired():
            raise late("connecting") from None
        raise


class _Opening(asyncio.Protocol):
    """Feeds what arrives to a generator until that has its result, then reads no more."""

    transport: Any = None

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

    def drop(self) -> None:
        self.result.cancel()
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.deadline is not None:
            timer = self._loop.call_at(self.deadline, self._step, self._reading.throw, late(PHASE))
            self.result.add_done_callback(lambda _: timer.cancel())
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
