"""Servers that do what a test says, byte by byte, and the certificates that they show."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha1
from typing import Any

import gevent.ssl
import trustme
from gevent import socket
from gevent.server import StreamServer

from geventws.core.codes import Side
from tests.pairs import RawPeer

Serve = Callable[[Any], None]


class RawServer(StreamServer):
    """Has *talk* talk to each socket that it accepts; what that is left with is closed."""

    def __init__(self, talk: Serve, listener: Any, context: ssl.SSLContext | None) -> None:
        super().__init__(listener, self._serve)
        self._talk = talk
        self._context = context
        self.clients: list[Any] = []  # where they connected from

    @property
    def port(self) -> int:
        return int(self.address[1])

    def _serve(self, sock: Any, address: Any) -> None:
        self.clients.append(address)
        try:
            if self._context is None:
                self._talk(sock)
            else:
                with self._context.wrap_socket(sock, server_side=True) as secured:
                    self._talk(secured)
        except OSError:  # the client has gone, which is what it is tested for
            return


@contextmanager
def serving(
    serve: Serve, listener: Any = ("127.0.0.1", 0), context: ssl.SSLContext | None = None
) -> Iterator[RawServer]:
    """Have a server listen as long as the test wants it."""
    server = RawServer(serve, listener, context)
    server.start()
    try:
        yield server
    finally:
        server.stop(timeout=0)


# What servers do


def silent(sock: Any) -> None:
    """Read what comes and say nothing."""
    while sock.recv(65536):
        pass


def saying(data: bytes) -> Serve:
    """Answer any request with *data*, then wait for the client to leave."""

    def serve(sock: Any) -> None:
        read_head(sock)
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        silent(sock)

    return serve


def echo(sock: Any) -> None:
    """Accept a WebSocket and send its messages back until it is closed."""
    peer = accept(sock)
    while (frame := peer.next()) is not None:
        peer.send(frame.opcode, frame.payload, frame.fin)
        if frame.opcode == 8:
            return


def accept(sock: Any, *lines: str, then: bytes = b"") -> RawPeer:
    """Read a request and accept it, with *then* in the same segment; return who goes on."""
    head = read_head(sock)
    sock.sendall(acceptance(head, *lines) + then)
    return RawPeer(sock, Side.CLIENT)


def read_head(sock: Any) -> bytes:
    """Return a request, to its empty line and not a byte further."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data:
            raise ConnectionResetError("no request came")
        head += data
    return head


def acceptance(request: bytes, *lines: str) -> bytes:
    """Return the 101 that accepts *request*."""
    key = header(request, "Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    proof = b64encode(sha1(key.encode()).digest()).decode()
    return response(
        "HTTP/1.1 101 Switching Protocols",
        *("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {proof}"),
        *lines,
    )


def response(*lines: str, body: bytes = b"") -> bytes:
    """Return a response of these *lines*."""
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body


def header(head: bytes, name: str) -> str:
    """Return the value of the one header called *name*."""
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")]
    (value,) = [value for each, _, value in lines if each.lower() == name.lower()]
    return value


# Addresses


@contextmanager
def dead_port(host: str = "127.0.0.1") -> Iterator[Any]:
    """Give a listening socket that answers nobody, for its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind((host, 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        second.settimeout(0)
        second.connect_ex(listener.getsockname())
        yield listener


def refusing_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


@contextmanager
def name_server(look_up: Callable[[str], list[str]]) -> Iterator[None]:
    """Have *look_up* answer what the hub is asked for: it may take its time."""

    class Resolver:
        def getaddrinfo(self, host: str, port: int, *_: Any) -> list[Any]:
            found = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in look_up(host)]
            pairs = zip(found, look_up(host), strict=True)
            return [(family, socket.SOCK_STREAM, 6, "", (each, port)) for family, each in pairs]

        def close(self) -> None:
            pass

    hub: Any = gevent.get_hub()
    before, hub.resolver = hub.resolver, Resolver()
    try:
        yield
    finally:
        hub.resolver = before


# Certificates


def authority(name: str = "ours") -> trustme.CA:
    """Return a certificate authority; each *name* is another one."""
    return _authority(name)


@cache
def _authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


@cache
def certified(*names: str, by: str = "ours", **validity: Any) -> ssl.SSLContext:
    """Return a server's context with a certificate for *names*."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # the other one would block the hub
    authority(by).issue_cert(*names, **validity).configure_cert(context)
    return context


@cache
def trusting() -> ssl.SSLContext:
    """Return a client's context that trusts our authority."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context
