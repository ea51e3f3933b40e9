"""TLS where gevent's socket has none: within TLS, or by a context that verifies in its own way.

socket of the network <-> TLS in memory <-> a pair of sockets, one end of which is the caller's
"""

from __future__ import annotations

from contextlib import suppress
from ssl import MemoryBIO, SSLContext, SSLWantReadError
from typing import Any, Final

import gevent
import gevent.ssl
from gevent import socket
from gevent.lock import BoundedSemaphore

CHUNK: Final = 64 * 1024
LINGER: Final = 10.0  # seconds that the peer has to end the stream, once we have


def needs_relay(below: Any, context: SSLContext) -> bool:
    """Return whether gevent's own TLS socket cannot be put over *below* with *context*."""
    if isinstance(below, gevent.ssl.SSLSocket):
        return True
    maker = next(kind for kind in type(context).__mro__ if "wrap_bio" in vars(kind))
    return maker.__module__ != "ssl"  # as that of truststore, which asks the operating system


def relay(below: Any, context: SSLContext, name: str) -> Any:
    """Make the TLS handshake on *below* as a client of *name*, and return a socket on top of it.

    *below* is closed where that fails, and some time after the socket is closed. Two greenlets pass
    the bytes on.

    Raises:
        ssl.SSLError: the handshake failed.
        OSError: the stream is lost.
    """
    try:
        session = _Session(below, context, name)
        session.shake_hands()
        addresses = below.getsockname(), below.getpeername()
        near, far = socket.socketpair()
    except BaseException:
        below.close()
        raise
    gevent.spawn(session.run, far)
    return _Top(near, addresses)


class _Top(socket.socket):
    """One end of the pair, with the *addresses* of the network's socket: ours and the peer's."""

    def __init__(self, near: Any, addresses: tuple[Any, Any]) -> None:
        super().__init__(near.family, near.type, near.proto, near.detach())
        self._addresses = addresses

    def getsockname(self) -> Any:
        return self._addresses[0]

    def getpeername(self) -> Any:
        return self._addresses[1]


class _Session:
    """One session of TLS over a socket."""

    def __init__(self, below: Any, context: SSLContext, name: str) -> None:
        self._below = below
        self._incoming, self._outgoing = MemoryBIO(), MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._turn = BoundedSemaphore()  # records must leave in the order that they were made in

    def shake_hands(self) -> None:
        try:
            while True:
                try:
                    return self._tls.do_handshake()
                except SSLWantReadError:
                    self._fill()
        finally:
            self._flush()  # the last record, or why we refuse

    def run(self, far: Any) -> None:
        """Pass bytes between the session and *far* until both ways have ended."""
        inward = gevent.spawn(self._pass_in, far)
        try:
            self._pass_out(far)
            inward.join(LINGER)
        finally:
            inward.kill()
            far.close()
            self._below.close()

    def _pass_in(self, far: Any) -> None:
        try:
            while data := self._read():
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)
        except OSError:  # either end was dropped, which the other one is to see
            far.close()

    def _read(self) -> bytes:
        while True:
            try:
                return self._tls.read(CHUNK)
            except SSLWantReadError:
                self._fill()

    def _pass_out(self, far: Any) -> None:
        try:
            while data := far.recv(CHUNK):
                self._tls.write(data)
                self._flush()
            self._end()
        except OSError:  # likewise
            return

    def _end(self) -> None:
        """Say that no more will come."""
        with suppress(SSLWantReadError):
            self._tls.unwrap()
        self._flush()
        self._below.shutdown(socket.SHUT_WR)

    def _fill(self) -> None:
        self._flush()
        data = self._below.recv(CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        with self._turn:
            data = self._outgoing.read()
            if data:
                self._below.sendall(data)
