"""serve(): each connection has a thread of its own, or all share those of a manager.

accept -> TLS -> Request -> Upgrader -> ThreadedWebSocket -> the handler, or WebSocketManager.add()
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext
from threading import Condition, Event, Thread
from typing import Any, Final, TypeAlias, Unpack

from geventws.adapters.threaded.dial import closing_on_failure, secure
from geventws.adapters.threaded.manager import WebSocketManager
from geventws.adapters.threaded.websocket import ThreadedWebSocket
from geventws.core.codes import GOING_AWAY
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, refusal
from geventws.opening import deadline_of, drive, read_request
from geventws.options import seconds
from geventws.sockets import SocketTransport
from geventws.upgrader import UpgradeArguments, Upgrader, finish, is_callback_style

Handler: TypeAlias = "Callable[[ThreadedWebSocket], object] | type[ThreadedWebSocket]"

PAUSE: Final = 0.1  # seconds until accept is tried again

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
        self._short = False  # of descriptors, or whatever accept() wants
        self._closed = Event()
        self._empty = Condition()  # guards what follows
        self._connections: dict[ThreadedWebSocket, None] = {}  # in the order they came
        self._draining = False

    def serve_forever(self) -> None:
        """Accept connections until close() is called.

        When there is no descriptor left, or accept() fails in another way, it pauses and says so
        once; a connection for which there is no thread is dropped.
        """
        while not self._closed.is_set():
            try:
                connected, _ = self._listener.accept()
            except OSError as error:
                self._pause(error)
            else:
                self._short = False
                self._begin(connected)

    def close(self) -> None:
        """Accept no more connections; those there are go on."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # this ends accept()
        self._listener.close()

    def drain(self, timeout: float | None = None) -> bool:
        """Stop accepting at once, close all connections with 1001, and wait for their handlers.

        Those of a manager are waited for until they are closed. What is left after *timeout*
        seconds is dropped; None waits without limit. Not to be called by a handler. Returns whether
        all of them ended in time.
        """
        limit = None if timeout is None else seconds(timeout)
        self.close()
        with self._empty:
            self._draining = True  # whoever is in the opening handshake is closed after that
            present = list(self._connections)
        for ws in present:
            ws.begin_close(GOING_AWAY)
        with self._empty:
            self._empty.wait_for(lambda: not self._connections, limit)
            left = list(self._connections)
        for ws in left:
            ws.drop()
        return not left

    def _pause(self, error: OSError) -> None:
        if not self._short and not self._closed.is_set():
            self._short = True
            logger.error("%s: accepts no connection for now: %s", self.address, error)
        self._closed.wait(PAUSE)

    def _begin(self, connected: socket.socket) -> None:
        try:
            Thread(target=self._serve, args=[connected], daemon=True).start()
        except RuntimeError as error:
            logger.error("%s: a connection was dropped: %s", self.address, error)
            connected.close()

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
            self._enter(ws)
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

    def _enter(self, ws: ThreadedWebSocket) -> None:
        with self._empty:
            self._connections[ws] = None
            draining = self._draining
        if draining:
            ws.begin_close(GOING_AWAY)

    def _leave(self, ws: ThreadedWebSocket) -> None:
        with self._empty:
            self._connections.pop(ws, None)
            self._empty.notify_all()

    def _handle(self, ws: ThreadedWebSocket) -> None:
        if self._manager is not None:
            self._hand_over(ws, self._manager)
            return
        try:
            if self._callbacks:
                ws.run()
            else:
                self._handler(ws)
        except Exception as error:
            finish(ws, error)
        else:
            finish(ws)
        finally:
            self._leave(ws)

    def _hand_over(self, ws: ThreadedWebSocket, manager: WebSocketManager) -> None:
        ws.follow(self._leave)
        try:
            manager.add(ws)
        except Exception as error:
            finish(ws, error)


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
