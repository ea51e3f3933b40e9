"""The opening handshake on an asyncio event loop, for both sides (RFC 6455 4).

transport -> Wire.data_received -> read_request | read_response -> Wire.result
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from ssl import SSLContext, create_default_context
from typing import Any, Final

from geventws.core.handshake import Response
from geventws.opening import PHASE, Reading, late
from geventws.uri import URI

ATTEMPT_DELAY: Final = 0.25  # seconds, as RFC 8305 5 recommends
# After a refusal: what is read on, so that no reset overtakes it on its way to the peer.
LINGER: Final = 1.0  # seconds
LINGER_BYTES: Final = 64 * 1024

logger = logging.getLogger("geventws")
default_context = cache(create_default_context)  # to load the certificates takes milliseconds


class Wire(asyncio.Protocol):
    """Feeds what arrives to a generator until that has its result, then reads no more.

    Args:
        reading: the generator.
        seconds: from now on, until a TimeoutError is thrown into it; None is for ever.
        on_made: called once there is a transport.

    Attributes:
        transport: the loop's; None until it is connected.
        address: the peer's.
        result: a Future of what *reading* returns or raises.
        admitted: whether its server has counted it as open.
        opened: whether a connection has the transport now.
    """

    transport: Any = None
    address: Any = None
    admitted = False
    opened = False

    def __init__(
        self,
        reading: Reading[Any],
        seconds: float | None,
        on_made: Callable[[Wire], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline = None if seconds is None else self._loop.time() + seconds
        self._on_made = on_made
        self._lost = False
        self._read(reading)

    def _read(self, reading: Reading[Any]) -> None:
        self.result: asyncio.Future[Any] = self._loop.create_future()
        self._reading = reading
        next(reading)

    def drop(self) -> None:
        """End the opening and the transport now."""
        self.result.cancel()
        if self.transport is not None and not self._lost:  # or asyncio's own may fail
            self.transport.abort()

    async def turn_away(self, response: Response) -> None:
        """Send *response*, end the stream, and wait a little for the peer to end it too."""
        logger.info("%s: answered %d", self.address, response.status)
        if self.transport.is_closing():
            return
        self.transport.write(response.to_bytes())
        with suppress(OSError):  # the peer has gone, or talks on for too long
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self._read(_pass_over())
            self.transport.resume_reading()
            async with asyncio.timeout(LINGER):
                await self.result

    def connection_made(self, transport: Any) -> None:
        """Take the transport; the peer may speak."""
        self.transport = transport
        self.address = transport.get_extra_info("peername")
        if self.deadline is not None:
            timer = self._loop.call_at(self.deadline, self._step, self._reading.throw, late(PHASE))
            self.result.add_done_callback(lambda _: timer.cancel())
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes off the wire."""
        self._step(self._reading.send, data)

    def eof_received(self) -> None:
        """Take note of the peer's end; the transport then closes itself."""
        self._step(self._reading.send, b"")

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that the transport is gone."""
        self._lost = True
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
            self.result.exception()  # or asyncio logs it where nobody waits any more


def _pass_over() -> Reading[None]:
    unread = LINGER_BYTES
    while unread > 0 and (data := (yield)):
        unread -= len(data)


async def reach(
    where: URI, wire: Wire, ssl: SSLContext | None, source_address: tuple[str, int] | None
) -> None:
    """Have *wire* connected to the server at *where*, with TLS where that is secure.

    Its deadline holds for that too. Raises TimeoutError or another OSError.
    """
    loop = asyncio.get_running_loop()
    more: dict[str, Any] = {}
    if where.secure:
        more = {"ssl": ssl or default_context(), "server_hostname": where.certified}
    limit = asyncio.timeout_at(wire.deadline)
    try:
        async with limit:
            if where.path is not None:
                await loop.create_unix_connection(lambda: wire, where.path, **more)
                return
            if isinstance(loop, asyncio.BaseEventLoop):  # uvloop tries one address after another
                more["happy_eyeballs_delay"] = ATTEMPT_DELAY
            await loop.create_connection(
                lambda: wire, where.host, where.port, local_addr=source_address, **more
            )
    except TimeoutError:
        if limit.expired():
            raise late("connecting") from None
        raise
