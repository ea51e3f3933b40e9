"""From an address to a connected socket, TLS included, in the time there is."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from ssl import SSLContext, SSLSocket
from threading import Thread
from typing import Any, Final, TypeAlias

from geventws.opening import late, left
from geventws.sockets import SocketTransport
from geventws.uri import URI

# phases of the opening
LOOKUP: Final = "the name lookup"
CONNECTING: Final = "the TCP handshake"
TLS: Final = "the TLS handshake"

Address: TypeAlias = tuple[int, int, int, str, Any]
Source: TypeAlias = tuple[str, int] | None


@contextmanager
def closing_on_failure(closable: SocketTransport | socket.socket) -> Iterator[None]:
    """Close *closable* where what follows fails."""
    try:
        yield
    except BaseException:
        closable.close()
        raise


def dial(where: URI, deadline: float | None, source: Source = None) -> socket.socket:
    """Return a socket connected to *where*, trying its addresses in turn.

    Raises:
        OSError: none of them answers; that of the last one.
        TimeoutError: the deadline passed first.
    """
    addresses = _addresses(where, deadline)
    failure = OSError("the name has no address")
    for count, address in enumerate(addresses):
        seconds = left(deadline, CONNECTING)
        try:
            return _connect(address, seconds and seconds / (len(addresses) - count), source)
        except OSError as error:
            failure = error
    left(deadline, CONNECTING)
    raise failure


def secure(
    connected: socket.socket, context: SSLContext, name: str | None, deadline: float | None
) -> SSLSocket:
    """Make the TLS handshake, as a client of *name*, or else as a server; close where it fails.

    Raises:
        ssl.SSLError: it failed.
        TimeoutError: the deadline passed first.
    """
    with closing_on_failure(connected):
        connected.settimeout(left(deadline, TLS))
        try:
            return context.wrap_socket(connected, name is None, server_hostname=name)
        except TimeoutError:
            raise late(TLS) from None


def _connect(address: Address, seconds: float | None, source: Source) -> socket.socket:
    family, kind, protocol, _, where = address
    connected = socket.socket(family, kind, protocol)
    with closing_on_failure(connected):
        connected.settimeout(seconds)
        if source is not None:
            connected.bind(source)
        connected.connect(where)
        if family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def _addresses(where: URI, deadline: float | None) -> Sequence[Address]:
    """Look the name up, in a thread of its own: a lookup cannot be told to end in time."""
    if where.path is not None:
        return [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", where.path)]
    with suppress(OSError):  # an IP address needs no lookup, and so no thread
        return _lookup(where, socket.AI_NUMERICHOST)
    found: Future[Sequence[Address]] = Future()

    def look_up() -> None:
        try:
            found.set_result(_lookup(where, 0))
        except Exception as error:
            found.set_exception(error)

    Thread(target=look_up, daemon=True).start()
    try:
        return found.result(left(deadline, LOOKUP))
    except TimeoutError:
        raise late(LOOKUP) from None


def _lookup(where: URI, flags: int) -> Sequence[Address]:
    return socket.getaddrinfo(where.host, where.port, 0, socket.SOCK_STREAM, 0, flags)
