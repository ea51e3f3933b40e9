"""wsproto, which knows no sockets: here it has the standard library's, and threads."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate

from geventws.core.deflate import Deflate
from tests.interop import scenes
from tests.interop.scenes import IN_TIME, PARAMETERS, REFUSAL, SUBPROTOCOL, cut
from tests.interop.their_clients import Refused, TheirClient
from tests.interop.their_servers import TheirServer


def extensions(compression: Deflate | None) -> list[Extension]:
    """Return what is to be offered or answered."""
    if compression is None:
        return []
    return [PerMessageDeflate(**scenes.parameters(compression))]


class Wire:
    """wsproto's connection on a socket."""

    def __init__(self, sock: socket.socket, kind: ConnectionType) -> None:
        self._socket = sock
        self._socket.settimeout(IN_TIME)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # for the fragments
        self._ws = WSConnection(kind)
        self._events: Iterator[Event] = iter(())

    def send(self, event: Event) -> None:
        self._socket.sendall(self._ws.send(event))

    def send_message(self, fragments: list[scenes.Message]) -> None:
        kind: Any = TextMessage if isinstance(fragments[0], str) else BytesMessage
        for fragment in fragments[:-1]:
            self.send(kind(fragment, message_finished=False))
        self.send(kind(fragments[-1]))

    def next(self) -> Event:
        """Return the next event; a ping is answered instead."""
        while True:
            for event in self._events:
                if not isinstance(event, Ping):
                    return event
                self.send(event.response())
            self._ws.receive_data(self._socket.recv(65536) or None)
            self._events = self._ws.events()

    def message(self) -> scenes.Message | CloseConnection:
        """Return the next message, or the closing frame, which waits for its answer."""
        pieces: list[Any] = []
        while True:
            event = self.next()
            if isinstance(event, Message):
                pieces.append(event.data)
                if event.message_finished:
                    return scenes.joined(pieces)
            if isinstance(event, CloseConnection):
                return event

    def ping(self) -> None:
        """Send a ping and wait for its pong."""
        self.send(Ping(b"are you there?"))
        answer = self.next()
        assert isinstance(answer, Pong)
        assert answer.payload == b"are you there?"

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, wait until the other side does, and close the socket."""
        self.send(CloseConnection(code, reason))
        while not isinstance(self.next(), CloseConnection):
            pass
        self._socket.close()

    def end(self, event: CloseConnection) -> None:
        """Answer the other side's closing frame and close the socket."""
        self.send(event.response())
        self._socket.close()


class Wsproto(TheirClient):
    """wsproto as a client."""

    name = "wsproto"
    package = "wsproto"
    asks = PARAMETERS

    def connect(self) -> None:
        address = urlsplit(self.uri)
        assert address.hostname
        sock = socket.create_connection((address.hostname, address.port), IN_TIME)
        if self.context:
            sock = self.context.wrap_socket(sock, server_hostname=address.hostname)
        self._wire = Wire(sock, ConnectionType.CLIENT)
        wish = extensions(self.compression)
        self._wire.send(Request(address.netloc, address.path, wish, subprotocols=self.offers))
        answer = self._wire.next()
        if isinstance(answer, RejectConnection):
            body = self._wire.next()
            sock.close()
            assert isinstance(body, RejectData)
            headers = {name.decode(): value.decode() for name, value in answer.headers}
            raise Refused(answer.status_code, headers, bytes(body.data))
        assert isinstance(answer, AcceptConnection)
        self.subprotocol = answer.subprotocol
        self.compressed = bool(answer.extensions)

    def send(self, message: scenes.Message) -> None:
        self._wire.send_message([message])

    def send_fragments(self, fragments: list[scenes.Message]) -> None:
        self._wire.send_message(fragments)

    def receive(self) -> scenes.Message:
        message = self._wire.message()
        assert not isinstance(message, CloseConnection), message
        return message

    def ping(self) -> None:
        self._wire.ping()

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._wire.close(code, reason)

    def closed(self) -> tuple[int, str]:
        event = self._wire.message()
        assert isinstance(event, CloseConnection)
        self._wire.end(event)
        return event.code, event.reason or ""


class WsprotoServer(TheirServer):
    """wsproto as a server, with a thread for each connection."""

    name = "wsproto"
    package = "wsproto"
    asks = PARAMETERS
    _server: socketserver.ThreadingTCPServer

    def _run(self, started: Callable[[int], None]) -> None:
        def accept(sock: socket.socket, *_: Any) -> None:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                self._handle(Wire(sock, ConnectionType.SERVER))

        handler: Any = accept
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as self._server:
            started(self._server.server_address[1])
            self._server.serve_forever(poll_interval=0.05)

    def _end(self) -> None:
        self._server.shutdown()

    def _handle(self, wire: Wire) -> None:
        request = wire.next()
        assert isinstance(request, Request)
        if request.target == "/refuse":
            status, name, value, body = REFUSAL
            fields = [(name.encode(), value.encode()), (b"Content-Length", b"%d" % len(body))]
            wire.send(RejectConnection(status, fields, has_body=True))
            wire.send(RejectData(body))
            return
        chosen = SUBPROTOCOL if SUBPROTOCOL in request.subprotocols else None
        wire.send(AcceptConnection(chosen, extensions(self.compression)))
        if request.target == "/ping":
            wire.ping()
            wire.send_message(["you are"])
        if request.target == "/close":
            code, _, reason = str(wire.message()).partition(" ")
            wire.close(int(code), reason)
        else:
            self._echo(wire, request.target)

    def _echo(self, wire: Wire, path: str) -> None:
        while not isinstance(message := wire.message(), CloseConnection):
            wire.send_message(cut(message) if path == "/cut" else [message])
        wire.end(message)
        if path == "/listen":
            self.closes.put((int(message.code), message.reason or ""))
