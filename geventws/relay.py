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

from geventws.tls import wrap
from geventws.transport import POLL

CHUNK: Final = 64 * 1024
LINGER: Final = 10.0  # seconds that the peer has to read, or to end the stream, once we are gone


def secure(below: Any, context: SSLContext, name: str) -> Any:
    """Make the TLS handshake on *below* as a client of *name*, and return a socket on top of it.

    *below* is closed where that fails.

    Raises:
        ssl.SSLError: the handshake failed.
        OSError: the stream is lost.
    """
    if needs_relay(below, context):
        return relay(below, context, name)
    secured = below
    try:
        secured = wrap(below, context, server_hostname=name)
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


def needs_relay(below: Any, context: SSLContext) -> bool:
    """Return whether gevent's own TLS socket cannot be put over *below* with *context*."""
    if isinstance(below, gevent.ssl.SSLSocket):
        return True
    maker = next(kind for kind in type(context).__mro__ if "wrap_bio" in vars(kind))
    return maker.__module__ != "ssl"  # as that of truststore, which asks the operating system


def relay(below: Any, context: SSLContext, name: str, linger: float = LINGER) -> Any:
    """Make the TLS handshake on *below* as a client of *name*, and return a socket on top of it.

    *below* is closed where that fails, and after the socket is closed: at once, or when the peer
    has let *linger* seconds pass. Two greenlets pass the bytes on.

    Raises:
        ssl.SSLError: the handshake failed.
        OSError: the stream is lost.
    """
    try:
        session = _Session(below, context, name, linger)
        session.shake_hands()
        addresses = below.getsockname(), below.getpeername()
        near, session.far = socket.socketpair()
    except BaseException:
        below.close()
        raise
    gevent.spawn(session.run)
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
    """One session of TLS over a socket.

    Attributes:
        far: the end of the pair that the bytes come from and go to, once hands are shaken.
    """

    def __init__(self, below: Any, context: SSLContext, name: str, linger: float) -> None:
        self.far: Any = None
        self._below = below
        self._linger = linger
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

    def run(self) -> None:
        """Pass bytes between the session and *far* until both ways have ended."""
        inward = gevent.spawn(self._pass_in)
        try:
            self._pass_out()
            inward.join(self._linger)
        except OSError:  # either end was dropped, which the other one is to see
            return
        finally:
            inward.kill()
            self.far.close()
            self._below.close()

    def _pass_in(self) -> None:
        try:
            while data := self._read():
                self.far.sendall(data)
            self.far.shutdown(socket.SHUT_WR)
        except OSError:  # likewise
            self.far.close()

    def _read(self) -> bytes:
        while True:
            try:
                return self._tls.read(CHUNK)
            except SSLWantReadError:
                self._fill()

    def _pass_out(self) -> None:
        while data := self.far.recv(CHUNK):
            self._tls.write(data)
            self._flush()
        with suppress(SSLWantReadError):  # the peer has yet to say so too
            self._tls.unwrap()
        self._flush()

    def _fill(self) -> None:
        # without waiting for who is sending: the peer may not read before we have
        self._flush(wait=False)
        data = self._below.recv(CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self, wait: bool = True) -> None:
        """Send all there is; without *wait*, leave that to who is sending already."""
        if not self._turn.acquire(wait):
            return
        try:
            while data := self._outgoing.read():
                self._send(data)
        finally:
            self._turn.release()

    def _send(self, data: bytes) -> None:
        while data:
            sent = gevent.with_timeout(self._linger, self._below.send, data, timeout_value=0)
            if not sent and self._is_left():
                raise ConnectionAbortedError("the socket on top is closed")
            data = data[sent:]

    def _is_left(self) -> bool:
        """Return whether the socket on top is closed, which a send in vain would not tell."""
        if self.far is None or self.far.fileno() < 0:
            return self.far is not None
        poll = POLL()
        poll.register(self.far.fileno(), 0)  # a hang-up is told unasked
        return bool(poll.poll(0))
