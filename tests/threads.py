"""What the tests of threads share: threads that are joined, sockets, transports, WebSockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from threading import Thread, stack_size
from typing import Any, TypeVar

import pytest
import trustme

from geventws.adapters.threaded import Server, ThreadedWebSocket, connect, serve
from geventws.sockets import SocketTransport

PATIENCE = 10.0  # seconds; a test that waits longer has failed
BIG = bytes(range(256)) * 16384  # 4 MiB, more than any socket's buffer takes at once

LOCAL = ("127.0.0.1", 0)

T = TypeVar("T")
Sockets = tuple[Any, Any]  # the client's and the server's
Kind = Callable[[], Sockets]


# Threads


class Threads:
    """Starts threads, and joins them at the end of a test."""

    def __init__(self) -> None:
        self._threads: list[Thread] = []

    def start(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Have a thread do *work*; return what becomes of it."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work(*args))
            except BaseException as error:
                future.set_exception(error)

        thread = Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
        return future

    def join(self) -> None:
        """Wait for all of them."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread does not end"


@contextmanager
def no_more_threads() -> Iterator[None]:
    """See to it that the system has no thread to give: none with a stack that large."""
    before = stack_size(1 << 46)
    try:
        yield
    finally:
        stack_size(before)


@contextmanager
def joined_threads() -> Iterator[Threads]:
    """Give a Threads that is joined at the end."""
    threads = Threads()
    yield threads
    threads.join()


# Sockets


def tcp() -> Sockets:
    """Return two sockets connected over the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    for sock in (client, server):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


def unix() -> Sockets:
    """Return a pair of Unix sockets."""
    return socket.socketpair()


def tls(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Sockets:
    """Return two TLS sockets, the handshake done."""
    theirs, ours = contexts(version)
    raw_client, raw_server = tcp()
    with joined_threads() as threads:
        server = threads.start(lambda: ours.wrap_socket(raw_server, server_side=True))
        client = theirs.wrap_socket(raw_client, server_hostname="localhost")
        return client, server.result(PATIENCE)


@cache
def contexts(
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a client's and a server's context that trust each other."""
    authority = trustme.CA()
    theirs = ssl.create_default_context()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(theirs)
    authority.issue_cert("localhost").configure_cert(ours)
    for context in (theirs, ours):
        context.minimum_version = context.maximum_version = version
    return theirs, ours


each_kind = pytest.mark.parametrize("kind", [tcp, unix, tls], ids=["tcp", "unix", "tls"])
both_securities = pytest.mark.parametrize("kind", [unix, tls], ids=["plain", "tls"])


# Transports


@contextmanager
def ends(kind: Kind = unix) -> Iterator[tuple[SocketTransport, SocketTransport]]:
    """Give two transports joined by sockets of *kind*; they are closed at the end."""
    one, other = map(SocketTransport, kind())
    try:
        yield one, other
    finally:
        close(one)
        close(other)


@contextmanager
def end_and_peer(kind: Kind = unix) -> Iterator[tuple[SocketTransport, Any]]:
    """Give a transport and the socket at its other end."""
    near, far = kind()
    transport = SocketTransport(near)
    with far:
        far.settimeout(PATIENCE)
        yield transport, far
        close(transport)


def read(transport: SocketTransport, timeout: float | None = PATIENCE) -> bytes:
    """Read once."""
    with transport.monitor:
        return transport.read(timeout)


def read_all(transport: SocketTransport, size: int) -> bytes:
    """Read *size* bytes."""
    data = bytearray()
    while len(data) < size:
        data += read(transport)
    return bytes(data)


def write(transport: SocketTransport, *buffers: bytes, timeout: float | None = PATIENCE) -> None:
    """Write *buffers*."""
    with transport.monitor:
        transport.write(list(buffers), timeout)


def post(transport: SocketTransport, *buffers: bytes) -> None:
    """Post *buffers*."""
    with transport.monitor:
        transport.post(list(buffers))


def close(transport: SocketTransport) -> None:
    """Drop the stream."""
    with transport.monitor:
        transport.close()


def end_writing(transport: SocketTransport) -> None:
    """Say that nothing more will be written."""
    with transport.monitor:
        transport.shutdown()


def receive(peer: Any, size: int) -> bytes:
    """Receive *size* bytes of a bare socket."""
    data = bytearray()
    while len(data) < size:
        data += peer.recv(65536) or pytest.fail("the stream ends early")
    return bytes(data)


def await_waiters(transport: SocketTransport, count: int) -> None:
    """Return when so many threads wait for the socket."""
    with transport.monitor:
        while transport._waiting < count:
            transport.breathe()


# WebSockets


def echo(ws: ThreadedWebSocket) -> None:
    """Send every message back."""
    for message in ws:
        ws.send(message)


@contextmanager
def serving(handler: Any = echo, **arguments: Any) -> Iterator[Server]:
    """Have a server run."""
    with joined_threads() as threads:
        server = serve(handler, LOCAL, **arguments)
        running = threads.start(server.serve_forever)
        try:
            yield server
        finally:
            server.close()
        running.result(PATIENCE)


def uri(server: Server, secure: bool = False) -> str:
    """Return the address to connect to."""
    scheme, host = ("wss", "localhost") if secure else ("ws", "127.0.0.1")
    return f"{scheme}://{host}:{server.address[1]}/some/path?query"


@contextmanager
def met(handler: Any, **options: Any) -> Iterator[Any]:
    """Give a client whose server runs *handler*."""
    with serving(handler) as server, connect(uri(server), **options) as ws:
        yield ws


@contextmanager
def saying(*answers: bytes) -> Iterator[int]:
    """Give the port of a server that says this, whatever it is asked, and waits for the client."""
    with socket.create_server(LOCAL) as listener, joined_threads() as threads:

        def talk() -> None:
            sock, _ = listener.accept()
            with sock:
                for answer in answers:
                    sock.recv(65536)
                    sock.sendall(answer)
                while sock.recv(65536):
                    pass

        threads.start(talk)
        yield listener.getsockname()[1]


def echo_of_theirs(connection: Any) -> None:
    """Send every message back, on a connection of another library."""
    for message in connection:
        connection.send(message)
