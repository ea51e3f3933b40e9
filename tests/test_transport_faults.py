"""A session of two messages and a close, over sockets that fail in every way at every call."""

from __future__ import annotations

import errno
import os
import random
import ssl
from contextlib import suppress
from typing import Any

import gevent
import gevent.ssl
import pytest
from gevent.socket import socket as Socket

from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed
from geventws.options import Options
from geventws.websocket import WebSocket
from tests.leaks import census, settle
from tests.pairs import HOST, contexts, end_on, tcp

pytestmark = pytest.mark.usefixtures("leaks_nothing")

WATCHDOG = 2.0  # seconds that no session may take
OPTIONS = Options(ping_interval=None, close_timeout=1.0, send_timeout=1.0)
SAID = ["first", "second " * 2000]
ERRORS = [errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.EBADF]
CALLS = 40  # more than any session here makes

each_side = pytest.mark.parametrize("side", [Side.CLIENT, Side.SERVER], ids=["client", "server"])
plain_and_tls = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])


class Faults:
    """What goes wrong with the calls of a socket, counted from 0."""

    def __init__(self, at: int = -1, error: int = 0, size: int = 1 << 20, storm: float = 0) -> None:
        self.calls = 0
        self.size = size  # the most bytes that a call moves
        self._at = at
        self._error = error
        self._chance = storm
        self._random = random.Random(1)

    def strike(self) -> None:
        """Count a call, and raise where it is to fail."""
        self.calls += 1
        if self.calls - 1 == self._at:
            raise OSError(self._error, os.strerror(self._error))

    def delay(self) -> None:
        """Raise EAGAIN now and then."""
        if self._random.random() < self._chance:
            raise BlockingIOError(errno.EAGAIN, "a storm")


class FaultySocket(Socket):
    """A TCP socket with faults."""

    faults = Faults()

    def recv(self, size: int, *args: Any) -> Any:
        self.faults.strike()
        self.faults.delay()
        return super().recv(min(size, self.faults.size), *args)

    def send(self, data: Any, *args: Any) -> Any:
        self.faults.strike()
        self.faults.delay()
        return super().send(data[: self.faults.size], *args)

    def shutdown(self, how: Any) -> None:
        self.faults.strike()
        super().shutdown(how)


class FaultyTLS(gevent.ssl.SSLSocket):
    """A TLS socket with faults."""

    faults = Faults()

    def recv(self, size: int = 1024, flags: int = 0) -> bytes:
        self.faults.strike()
        if not self.pending():  # what OpenSSL has it gives at once
            self.faults.delay()
        return super().recv(min(size, self.faults.size), flags)

    def send(self, data: Any, *args: Any) -> Any:
        self.faults.strike()
        self.faults.delay()
        return super().send(data[: self.faults.size], *args)

    def unwrap(self) -> Any:
        self.faults.strike()
        return super().unwrap()

    def shutdown(self, how: Any) -> None:
        self.faults.strike()
        super().shutdown(how)


def faulty_pair(side: Side, secure: bool, faults: Faults) -> tuple[Any, Any]:
    """Return the socket with faults, for a connection of *side*, and that of its peer."""
    ours, theirs = reversed(tcp()) if side == Side.SERVER else tcp()
    if not secure:
        faulty = FaultySocket(fileno=ours.detach())
        faulty.faults = faults
        return faulty, theirs
    by_side = dict(zip((Side.CLIENT, Side.SERVER), contexts(ssl.TLSVersion.TLSv1_3), strict=True))
    ended = _wrap(FaultyTLS, ours, side, by_side[side])
    peer = _wrap(gevent.ssl.SSLSocket, theirs, Side(1 - side), by_side[Side(1 - side)])
    shake = gevent.spawn(peer.do_handshake)
    ended.do_handshake()
    shake.get(timeout=5)
    ended.faults = faults
    return ended, peer


def _wrap(kind: type[Any], sock: Any, side: Side, context: ssl.SSLContext) -> Any:
    return kind(
        sock=sock,
        server_side=side == Side.SERVER,
        do_handshake_on_connect=False,
        server_hostname=HOST if side == Side.CLIENT else None,
        _context=context,
    )


def echo(connection: WebSocket) -> int:
    """Send everything back until the peer ends it; return the close code."""
    code = 1000
    try:
        for message in connection:
            connection.send(message)
    except ConnectionClosed as closed:
        code = closed.code
    connection.close()
    return code


def converse(connection: WebSocket) -> list[str | bytes]:
    """Say it all and close; return what came back."""
    heard: list[str | bytes] = []
    with suppress(ConnectionClosed):
        for message in SAID:
            connection.send(message)
            heard.append(connection.receive())
    connection.close()
    return heard


def session(side: Side, secure: bool, faults: Faults) -> tuple[int | None, list[str | bytes]]:
    """Hold the session with *faults* on one side; return its close code and what it heard."""
    faulty, sound = faulty_pair(side, secure, faults)
    ours = end_on(faulty, side, OPTIONS)
    peer = gevent.spawn(echo, end_on(sound, Side(1 - side), OPTIONS))
    with gevent.Timeout(WATCHDOG):
        heard = converse(ours)
        assert peer.get() in (1000, 1006)
    return ours.close_code, heard


@each_side
@plain_and_tls
def test_session_without_faults_is_clean(side: Side, secure: bool) -> None:
    faults = Faults()
    assert session(side, secure, faults) == (1000, SAID)
    assert 5 < faults.calls < CALLS


@each_side
@plain_and_tls
@pytest.mark.parametrize("error", ERRORS, ids=[errno.errorcode[each] for each in ERRORS])
def test_session_ends_with_1006_wherever_the_socket_fails(
    side: Side, secure: bool, error: int
) -> None:
    before = census()
    ends: list[int | None] = []
    for at in range(CALLS):
        faults = Faults(at, error)
        code, heard = session(side, secure, faults)
        assert heard == SAID[: len(heard)]
        assert code == 1006 or (code == 1000 and heard == SAID)
        ends.append(code)
        if faults.calls <= at:
            break
    assert ends[-1] == 1000
    assert ends.count(1006) >= 5
    settle(before)


@each_side
@plain_and_tls
def test_session_by_single_bytes_is_clean(side: Side, secure: bool) -> None:
    assert session(side, secure, Faults(size=100 if secure else 7)) == (1000, SAID)


@each_side
@plain_and_tls
def test_session_in_a_storm_of_eagain_is_clean(side: Side, secure: bool) -> None:
    faults = Faults(size=1000, storm=0.7)
    assert session(side, secure, faults) == (1000, SAID)


@each_side
def test_session_by_single_bytes_in_a_storm_is_clean(side: Side) -> None:
    faulty, sound = faulty_pair(side, False, Faults(size=1, storm=0.5))
    ours, peer = end_on(faulty, side, OPTIONS), end_on(sound, Side(1 - side), OPTIONS)
    echoing = gevent.spawn(echo, peer)
    with gevent.Timeout(WATCHDOG):
        ours.send("by bytes " * 20)
        assert ours.receive() == "by bytes " * 20
        ours.close()
        echoing.get()
    assert ours.close_code == 1000
