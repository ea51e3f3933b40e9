"""From a name to a connected TCP socket, by the fastest of its addresses (RFC 8305)."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any, Final

import gevent
from gevent import socket
from gevent.event import AsyncResult

ATTEMPT_DELAY: Final = 0.25  # seconds, as RFC 8305 5 recommends

Address = tuple[int, int, int, str, Any]


def look_up(host: str, port: int) -> list[Address]:
    """Return the addresses of *host* in the order to try them: the families in turn (RFC 8305 4).

    Raises:
        OSError: the name has no address.
    """
    found: Any = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    first = [each for each in found if each[0] == found[0][0]]
    others = [each for each in found if each[0] != found[0][0]]
    return [each for each in chain(*zip_longest(first, others)) if each is not None]


def unix_address(path: str) -> Address:
    """Return the address of the unix socket at *path*."""
    return (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", path)


def dial(addresses: list[Address], source_address: tuple[str, int] | None = None) -> Any:
    """Return a gevent socket connected to that of *addresses* which answers first.

    An attempt begins when the one before it has failed, or a quarter second after that began; the
    losers are closed.

    Raises:
        OSError: all attempts failed; that of the first one.
    """
    if len(addresses) == 1:
        return _connect(addresses[0], source_address)
    return _race(addresses, source_address)


def _connect(address: Address, source_address: tuple[str, int] | None) -> Any:
    family, kind, protocol, _, where = address
    connected = socket.socket(family, kind, protocol)
    try:
        if source_address is not None:
            connected.bind(source_address)
        connected.connect(where)
        if family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected


def _race(addresses: list[Address], source_address: tuple[str, int] | None) -> Any:
    """Return the first socket to connect; an attempt starts when one fails or the delay is up."""
    winner: Any = AsyncResult()
    attempts: list[Any] = []
    try:
        for address in addresses:
            attempts.append(gevent.spawn(_attempt, address, source_address, winner))
            gevent.wait([winner, attempts[-1]], timeout=ATTEMPT_DELAY, count=1)
            if winner.ready():
                return winner.get()
        while running := [attempt for attempt in attempts if not attempt.ready()]:
            gevent.wait([winner, *running], count=1)
            if winner.ready():
                return winner.get()
        raise attempts[0].value
    except BaseException:
        gevent.killall(attempts)
        if winner.ready():
            winner.get().close()
        raise
    finally:
        gevent.killall(attempts, block=False)


def _attempt(
    address: Address, source_address: tuple[str, int] | None, winner: AsyncResult[Any]
) -> OSError | None:
    """Connect and come first, or close; return the OSError of an attempt that failed."""
    try:
        connected = _connect(address, source_address)
    except OSError as error:
        return error
    if winner.ready():
        connected.close()
    else:
        winner.set(connected)
    return None
