"""Connected pairs over real sockets, and peers that speak raw frames."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Callable
from functools import cache
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import gevent
import pytest
import trustme
from gevent.socket import (
    AF_INET,
    IPPROTO_TCP,
    SO_LINGER,
    SO_SNDBUF,
    SOL_SOCKET,
    TCP_NODELAY,
    create_connection,
    socketpair,
)
from gevent.socket import socket as Socket

from geventws.care import caretaker
from geventws.core.codes import CLOSE, Side
from geventws.core.deflate import Agreed
from geventws.core.protocol import Protocol
from geventws.options import Options
from geventws.tls import wrap
from geventws.transport import Transport
from geventws.websocket import WebSocket
from tests.core.helpers import Raw, frame_to, read_frames

HOST = "localhost"
SMALL = 8 * 1024  # bytes of a socket's buffer, where a writer is to be stopped soon

End = TypeVar("End", bound=WebSocket)
Sockets = tuple[Any, Any]  # the client's and the server's


# Sockets


def tcp(buffer: int = 0) -> Sockets:
    """Return two sockets connected over the loopback, that send from a *buffer* of so many bytes.

    0 leaves theirs as it is. A small buffer to receive would make TCP crawl.
    """
    with Socket(AF_INET) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = create_connection(listener.getsockname())
        server, _ = listener.accept()
    for sock in (client, server):  # or Nagle's algorithm decides when a test goes on
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return _bounded(client, buffer), _bounded(server, buffer)


def unix(buffer: int = 0) -> Sockets:
    """Return a pair of Unix sockets."""
    client, server = socketpair()
    return _bounded(client, buffer), _bounded(server, buffer)


def tls(buffer: int = 0, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Sockets:
    """Return two TLS sockets connected over the loopback, the handshake done."""
    theirs, ours = contexts(version)
    raw_client, raw_server = tcp(buffer)
    client = wrap(raw_client, theirs, server_hostname=HOST)
    server = wrap(raw_server, ours)
    shake = gevent.spawn(server.do_handshake)
    client.do_handshake()
    shake.get(timeout=5)
    return client, server


@cache
def contexts(version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a client's and a server's context that trust each other."""
    authority = trustme.CA()
    theirs = ssl.create_default_context()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(theirs)
    authority.issue_cert(HOST).configure_cert(ours)
    for context in (theirs, ours):
        context.minimum_version = context.maximum_version = version
    return theirs, ours


def reset(sock: Any) -> None:
    """Close a TCP socket so that its peer gets ECONNRESET."""
    sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _bounded(sock: Socket, buffer: int) -> Socket:
    if buffer:
        sock.setsockopt(SOL_SOCKET, SO_SNDBUF, buffer)
    return sock


each_kind = pytest.mark.parametrize("kind", [tcp, unix, tls], ids=["tcp", "unix", "tls"])
plain_and_tls = pytest.mark.parametrize("kind", [tcp, tls], ids=["tcp", "tls"])
Kind = Callable[[int], Sockets]


# Transports

BIG = bytes(range(256)) * 4096  # a MiB, far more than small buffers take at once


def ends(kind: Kind = unix, buffer: int = 0) -> tuple[Transport, Transport]:
    """Return two transports joined by sockets of *kind*."""
    first, second = kind(buffer)
    return Transport(first), Transport(second)


def drop(*transports: Transport) -> None:
    """Close all of them."""
    for transport in transports:
        transport.close()


def read_all(transport: Transport, size: int) -> bytes:
    """Return the next *size* bytes."""
    data = bytearray()
    while len(data) < size:
        found = transport.read(5)
        assert found, "the stream ends early"
        data += found
    assert len(data) == size, "more comes than was sent"
    return bytes(data)


def burn(seconds: float) -> None:
    """Use the processor and let nobody else run."""
    end = monotonic() + seconds
    while monotonic() < end:
        pass


def flood(transport: Transport) -> None:
    """Write without an end."""
    while True:
        transport.write([BIG])


# WebSockets

QUIET = Options(ping_interval=None)  # nothing but what the test says


class Pair(NamedTuple):
    """Two ends of one connection."""

    client: WebSocket
    server: WebSocket

    def drop(self) -> None:
        """Drop both ends without a word."""
        for end in self:
            end.drop()


def end_on(
    sock: Any, side: Side, options: Options = QUIET, agreed: Agreed | None = None
) -> WebSocket:
    """Return a connection of *side* over *sock*, looked after by the caretaker."""
    return end_of(WebSocket, sock, side, options, agreed)


def end_of(
    kind: type[End], sock: Any, side: Side, options: Options = QUIET, agreed: Agreed | None = None
) -> End:
    """Return a connection of *kind*, as end_on() does."""
    transport = Transport(sock)
    protocol = Protocol(side, options.max_size, options.max_fragments, agreed)
    connection = kind(transport, protocol, options, side)
    caretaker().watch(connection, transport)
    return connection


def pair(
    sockets: Sockets | None = None,
    client: Options = QUIET,
    server: Options = QUIET,
    agreed: Agreed | None = None,
) -> Pair:
    """Return two connections joined by *sockets*, Unix ones unless given."""
    theirs, ours = sockets or unix()
    return Pair(
        end_on(theirs, Side.CLIENT, client, agreed), end_on(ours, Side.SERVER, server, agreed)
    )


class RawPeer:
    """Speaks raw frames to a connection of *side*, over a socket of its own."""

    def __init__(self, sock: Any, side: Side) -> None:
        self.socket = sock
        self._side = side
        self._data = b""

    def frame(self, opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
        """Return a frame as this peer sends it."""
        return frame_to(self._side, opcode, payload, fin)

    def send(self, opcode: int, payload: bytes = b"", fin: bool = True) -> None:
        """Send one frame."""
        self.socket.sendall(self.frame(opcode, payload, fin))

    def next(self) -> Raw | None:
        """Wait for a frame and return it; None at the end of the stream."""
        while (size := self._size()) is None or len(self._data) < size:
            data = self.socket.recv(65536)
            if not data:
                assert not self._data, "the stream ends within a frame"
                return None
            self._data += data
        raw, self._data = self._data[:size], self._data[size:]
        return next(read_frames(raw))

    def until_end(self) -> list[Raw]:
        """Return all frames up to the end of the stream."""
        return list(iter(self.next, None))

    def answer_close(self) -> None:
        """Wait for a close frame and send it back."""
        while (frame := self.next()) is not None:
            if frame.opcode == CLOSE:
                self.send(CLOSE, frame.payload)
                return

    def _size(self) -> int | None:
        """Return how long the frame is that arrives; None where that is not known yet."""
        if len(self._data) < 2:
            return None
        length = self._data[1] & 0x7F
        masked = 4 * (self._data[1] > 0x7F)
        width = {126: 2, 127: 8}.get(length, 0)
        if len(self._data) < 2 + width:
            return None
        if width:
            length = int.from_bytes(self._data[2 : 2 + width], "big")
        return 2 + width + masked + length


def server_and_peer(
    options: Options = QUIET, sockets: Sockets | None = None
) -> tuple[WebSocket, RawPeer]:
    """Return a server's end and the raw peer that is its client."""
    theirs, ours = sockets or unix()
    return end_on(ours, Side.SERVER, options), RawPeer(theirs, Side.SERVER)
