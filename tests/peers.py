"""What the tests of connections share: WebSockets over real sockets, and peers that read when told.

A Net makes them and, at the end of a test, drops what is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from gevent import socket

from geventws.care import caretaker
from geventws.core.codes import Side, State
from geventws.core.deflate import Agreed
from geventws.core.protocol import Protocol
from geventws.manager import Manager
from geventws.options import Options
from geventws.transport import Transport
from geventws.websocket import WebSocket
from geventws.workers import workers

SMALL: int = 4096  # a send buffer that a single message fills
OTHER = {Side.CLIENT: Side.SERVER, Side.SERVER: Side.CLIENT}


class Peer:
    """The far end of one connection: a bare socket, and the protocol that checks what comes."""

    def __init__(self, sock: Any, side: Side, deflate: Agreed | None) -> None:
        self.socket = sock
        self.protocol = Protocol(side, None, None, deflate)

    def receive(self, count: int) -> list[str | bytes]:
        """Read until *count* more messages are here, or the conversation is over."""
        messages: list[str | bytes] = []
        while len(messages) < count and self.protocol.state != State.CLOSED:
            message = self.protocol.next_message()
            if message is not None:
                messages.append(message)
            elif not self.protocol.frames_this_turn:
                self._read()
            self.protocol.frames_this_turn = 0
        return messages

    def receive_all(self) -> list[str | bytes]:
        """Read until the conversation is over."""
        return self.receive(1 << 30)

    def answer(self) -> None:
        """Send what the protocol wants said: the answer to a close frame, or to a ping."""
        for data in self.protocol.data_to_send():
            self.socket.sendall(data)

    def _read(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()


class Met(NamedTuple):
    """A connection and its far end."""

    ws: WebSocket
    peer: Peer


class Net:
    """Makes connections."""

    def __init__(self) -> None:
        self._connections: list[WebSocket] = []
        self._sockets: list[Any] = []

    def meet(
        self,
        *,
        side: Side = Side.SERVER,
        options: Options | None = None,
        send_buffer: int | None = SMALL,
        deflate: Agreed | None = None,
        care: bool = True,
    ) -> Met:
        """Return a connection whose peer reads nothing until it is told to."""
        near, far = socket.socketpair()
        self._sockets.append(far)
        ws = self._connection(near, side, options or Options(), send_buffer, deflate, care=care)
        return Met(ws, Peer(far, OTHER[side], deflate))

    def pair(
        self,
        *,
        options: Options | None = None,
        send_buffer: int | None = None,
        cls: type[WebSocket] = WebSocket,
    ) -> tuple[WebSocket, WebSocket]:
        """Return the server's and the client's end of a connection; *cls* is the client's class.

        Another class than WebSocket itself gets its callbacks called.
        """
        near, far = socket.socketpair()
        options = options or Options()
        server = self._connection(near, Side.SERVER, options, send_buffer, None)
        client = self._connection(far, Side.CLIENT, options, send_buffer, None, cls)
        return server, client

    def __enter__(self) -> Net:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for ws in self._connections:
            ws.drop()
        for sock in self._sockets:
            sock.close()

    def _connection(
        self,
        sock: Any,
        side: Side,
        options: Options,
        send_buffer: int | None,
        deflate: Agreed | None,
        cls: type[WebSocket] = WebSocket,
        care: bool = True,
    ) -> WebSocket:
        if send_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        transport = Transport(sock)
        protocol = Protocol(side, options.max_size, options.max_fragments, deflate)
        ws = cls(transport, protocol, options, side)
        if care:
            caretaker().watch(ws, transport)
        if cls is not WebSocket:
            workers().drive(ws, transport)
        self._connections.append(ws)
        return ws


def group(connections: Iterable[WebSocket], **options: Any) -> Manager:
    """Return a manager that has *connections*."""
    manager = Manager(**options)
    for ws in connections:
        manager.add(ws)
    return manager
