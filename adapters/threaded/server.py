"""serve(): each connection has a thread of its own, or all share those of a manager.

accept -> TLS -> Request -> Upgrader -> ThreadedWebSocket -> the handler, or WebSocketManager.add()
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext
from threading import Thread
from typing import Any, TypeAlias, Unpack

from geventws.adapters.threaded.dial import closing_on_failure, deadline_of, secure
from geventws.adapters.threaded.manager import WebSocketManager
from geventws.adapters.threaded.websocket import ThreadedWebSocket
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, refusal
from geventws.opening import drive, read_request
from geventws.sockets import SocketTransport
from geventws.upgrader import UpgradeArguments, Upgrader, finish, is_callback_style

Handler: TypeAlias = "Callable[[ThreadedWebSocket], object] | type[ThreadedWebSocket]"

logger = logging.getLogger("geventws")


class Server:
    """Gives each connection a thread of its own; made by serve()."""

    def __init__(
        self,
        listener: socket.socket,
        handler: Handler,
        upgrader: Upgrader,
        ssl: SSLContext | None,
        manager: WebSocketManager | None,
    ) -> None:
        self.address: Any = listener.getsockname()  # where it listens
        self._listener = listener
        self._callbacks = is_callback_style(handler)
        self._handler: Any = handler
        self._upgrader = upgrader
        self._ssl = ssl
        self._manager = manager
        self._closed = False

    def serve_forever(self) -> None:
        """Accept connections until close() is called."""
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                raise
            Thread(target=self._serve, args=[connected], daemon=True).start()

    def close(self) -> None:
        """Accept no more connections; those there are go on."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # this ends accept()
        self._listener.close()

    def _serve(self, connected: socket.socket) -> None:
        deadline = deadline_of(self._upgrader.options)
        try:
            if self._ssl is not None:
                connected = secure(connected, self._ssl, None, deadline)
            transport = SocketTransport(connected)
            with transport.monitor, closing_on_failure(transport):
                ws = self._open(transport, deadline)
        except OSError as error:
            logger.info("no connection came about: %s", error)
            return
        if ws is not None:
            self._handle(ws)

    def _open(self, transport: SocketTransport, deadline: float | None) -> ThreadedWebSocket | None:
        answer: Accepted | Response
        try:
            head, rest = drive(read_request(), transport, deadline)
            request = Request(head, transport.peer_address)
            answer = self._upgrader.answer(request, self._ssl is not None or None)
        except TimeoutError:
            answer = refusal(InvalidHandshake("no request in time", 408))
        except InvalidHandshake as error:
            answer = refusal(error)
        if isinstance(answer, Response):
            transport.post([answer.to_bytes()])
            transport.close()
            return None
        transport.post([answer.response])
        make = self._handler if self._callbacks else ThreadedWebSocket
        ws: ThreadedWebSocket = self._upgrader.open(make, transport, request, answer, rest)
        return ws

    def _handle(self, ws: ThreadedWebSocket) -> None:
        try:
            if self._manager is not None:
                self._manager.add(ws)
                return
            if self._callbacks:
                ws.run()
            else:
                self._handler(ws)
        except Exception as error:
            finish(ws, error)
        else:
            finish(ws)


def serve(
    handler: Handler,
    address: tuple[str, int],
    *,
    ssl: SSLContext | None = None,
    manager: WebSocketManager | None = None,
    **arguments: Unpack[UpgradeArguments],
) -> Server:
    """Listen at *address* and return the Server, whose serve_forever() is then to be called.

    Args:
        handler: called with each connection, in a thread of its own; when it returns the connection
            is closed. Or a subclass of ThreadedWebSocket in the callback style.
        ssl: a context for wss.
        manager: runs the callbacks of all connections, in place of a thread for each; it is the
            caller's to start and to stop.
        **arguments: see Upgrader and Options.

    Raises:
        ValueError: a *manager* where the handler is not in the callback style.
    """
    if manager is not None and not is_callback_style(handler):
        raise ValueError("manager: it runs callbacks, and the handler has none")
    upgrader = Upgrader(**arguments)
    return Server(socket.create_server(address, backlog=128), handler, upgrader, ssl, manager)
