"""The client on Tornado's IOLoop, as ws4py has it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from tornado.ioloop import IOLoop

from geventws.adapters.ws4py.async_websocket import LoopedWebSocket
from geventws.adapters.ws4py.client import WebSocketBaseClient, response_head
from geventws.awaiting import AsyncWebSocket
from geventws.core.codes import ABNORMAL_CLOSURE, Side
from geventws.core.errors import HandshakeError
from geventws.opening import log_head
from geventws.wire import Wire, reach

__all__ = ["TornadoWebSocketClient"]

logger = logging.getLogger("geventws")


class TornadoWebSocketClient(LoopedWebSocket, WebSocketBaseClient):
    """A client whose callbacks the IOLoop calls; they must not block it.

    send(), ping() and close() return at once. What ping() sends is not its argument, but that is
    what ponged() is called with.
    """

    def __init__(
        self,
        url: str,
        protocols: Any = None,
        extensions: Any = None,
        io_loop: IOLoop | None = None,
        ssl_options: Any = None,
        headers: Any = None,
        exclude_headers: Any = None,
    ) -> None:
        """Take where to connect to. See WebSocketBaseClient.

        Args:
            io_loop: whose loop it runs on; None is the one that is current in connect().
        """
        WebSocketBaseClient.__init__(
            self, url, protocols, extensions, None, ssl_options, headers, exclude_headers
        )
        self.io_loop = io_loop
        self._running: asyncio.Task[bool] | None = None

    def connect(self) -> asyncio.Task[None]:  # type: ignore[override]
        """Begin to connect, also where the IOLoop does not run yet; returns at once.

        Await what it returns to know that the connection is open: it raises what connect() of
        WebSocketBaseClient does. Whether that is awaited or not, closed() is called with 1006
        where no connection comes about.
        """
        loop: Any = self.io_loop or IOLoop.current()
        task: asyncio.Task[None] = loop.asyncio_loop.create_task(self._connect())
        task.add_done_callback(self._connected)
        return task

    def handshake_ok(self) -> None:
        """Begin to run the callbacks, opened() first. To be overridden."""
        self._running = asyncio.create_task(self.run())
        self._running.add_done_callback(self._ran)

    async def _connect(self) -> None:
        if self._is_over() and self._running is not None:
            await asyncio.wait([self._running], timeout=self.options.open_timeout)
        request = self._prepare()
        wire = Wire(response_head(), self.options.open_timeout)
        where = self._target()
        try:
            await reach(where, wire, self._context(), None)
            log_head(">", request)
            wire.transport.write(request)
            head, rest = await wire.result
            self._check_response(head, rest)
        except BaseException:
            wire.drop()
            self._renew_key()
            raise
        options = self._options(self.heartbeat_freq)
        self.carry(AsyncWebSocket(wire.transport, options, Side.CLIENT, self._accepted, rest))
        self.handshake_ok()

    def _connected(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, (HandshakeError, OSError)):
            logger.info("%s: no connection came about: %s", self.url, error)
            self.closed(ABNORMAL_CLOSURE, str(error))
        elif error is not None:
            logger.error("%s: no connection came about", self.url, exc_info=error)

    def _ran(self, task: asyncio.Task[bool]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("%r: a callback failed", self, exc_info=error)
