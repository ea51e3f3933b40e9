"""A server on a network in memory: the server's opening, and a handler for each connection.

a transport -> the opening handshake -> WebSocket -> handler
"""

from __future__ import annotations

from typing import Any, Unpack

from gevent.pool import Group

from geventws.core.codes import GOING_AWAY
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Request, Response, refusal
from geventws.handling import run_handler
from geventws.memory import MemoryTransport
from geventws.opening import PHASE, deadline_of, drive, left, read_request
from geventws.testing.pairs import begin
from geventws.upgrader import Handler, UpgradeArguments, Upgrader, is_callback_style
from geventws.websocket import WebSocket


class Server:
    """What Network.serve() returns.

    Attributes:
        connections: those that are open, in the order of their openings.
        listening: whether it takes new ones; others are refused as where nobody listens.
    """

    def __init__(self, handler: Handler, **arguments: Unpack[UpgradeArguments]) -> None:
        self.connections: list[WebSocket] = []
        self.listening = True
        self._callbacks = is_callback_style(handler)
        self._handler: Any = handler
        self._upgrader = Upgrader(**arguments)
        self._greenlets = Group()

    def start(self) -> None:
        """Listen again."""
        self.listening = True

    def stop(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Listen no more, and begin to close every connection with *code*; returns at once."""
        self.listening = False
        for connection in list(self.connections):
            connection.begin_close(code, reason)

    def kill(self) -> None:
        """Listen no more, drop every connection and kill the greenlets of all handlers."""
        self.listening = False
        for connection in list(self.connections):
            connection.drop()
        self._greenlets.kill()

    def take(self, transport: MemoryTransport) -> None:
        """Serve the client at the other end of *transport*; returns at once."""
        self._greenlets.spawn(self._serve, transport)

    def _serve(self, transport: MemoryTransport) -> None:
        try:
            connection = self._open(transport)
        except OSError:  # the client is gone, or takes too long
            transport.close()
            return
        except BaseException:
            transport.close()
            raise
        if connection is None:
            return
        self.connections.append(connection)
        connection.follow(self.connections.remove)
        begin(connection, transport)
        if not self._callbacks:
            run_handler(self._handler, connection)

    def _open(self, transport: MemoryTransport) -> WebSocket | None:
        """Return the connection; None where the request is refused."""
        deadline = deadline_of(self._upgrader.options)
        try:
            head, rest = drive(read_request(), transport, deadline)
        except InvalidHandshake as error:
            self._answer(transport, refusal(error))
            return None
        request = Request(head, transport.peer_address)
        answer = self._upgrader.answer(request, None)
        if isinstance(answer, Response):
            self._answer(transport, answer)
            return None
        transport.write([answer.response], left(deadline, PHASE))
        make: type[WebSocket] = self._handler if self._callbacks else WebSocket
        return self._upgrader.open(make, transport, request, answer, rest)

    def _answer(self, transport: MemoryTransport, response: Response) -> None:
        transport.post([response.to_bytes()])
        transport.shutdown()
