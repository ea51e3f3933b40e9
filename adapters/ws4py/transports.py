"""What ws4py calls a socket, as an ITransport for threads: a socket, or any object like one.

sock -> transport_of -> SocketTransport | ObjectTransport
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress
from functools import singledispatch
from typing import Any, Final

from geventws.interfaces import IEvent
from geventws.sockets import Monitor, SocketTransport

READING_SIZE: Final = 64 * 1024  # the most bytes that are asked for at once


class ObjectTransport(SocketTransport):
    """Any object with recv(size) and sendall(data), which may wait for as long as they like.

    An empty recv() is the end of the stream. One thread may be in its recv() while another one is
    in its sendall(), never two in one of them. What of getsockname(), getpeername(), shutdown()
    and close() it has is used.
    """

    def __init__(self, source: Any) -> None:
        self.monitor = Monitor()
        self.local_address = _asked(source, "getsockname")
        self.peer_address = _asked(source, "getpeername")
        self.on_drained = None
        self.closed = self.torn = False
        self.turn = 0
        self.written = 0
        self.error: OSError | None = None
        self._source = source
        self._out: deque[Any] = deque()
        self._unsent = 0
        self._sending = False
        self._waiting_to_send: list[IEvent] = []  # of those whose bytes another one sends

    def read(self, timeout: float | None = None) -> bytes:
        """Return what recv() does; *timeout* is nothing that it could be told. See ITransport."""
        if self.closed:
            return b""
        with self.monitor.outside():
            data: bytes = self._source.recv(READING_SIZE)
        return b"" if self.closed else bytes(data)

    def read_now(self) -> bytes | None:
        """Return None: nobody knows whether recv() would wait."""
        return b"" if self.closed else None

    def readable(self) -> bool:
        """Return whether the end of the stream is here; nobody knows of bytes."""
        return self.closed

    def write(self, buffers: list[bytes], timeout: float | None = None, more: bool = False) -> None:
        """Return when all of *buffers* was given to sendall(). See ITransport."""
        self.post(buffers)
        while self._unsent:
            event = self.event()
            self._waiting_to_send.append(event)
            event.wait()
        if self.error is not None or self.closed:
            self.torn = True
            raise ConnectionAbortedError("the connection is lost") from self.error

    def post(self, buffers: list[bytes]) -> None:
        """Give *buffers* to sendall(), or to the thread that is in it already."""
        if not any(buffers) or self.closed or self.error is not None:
            return
        self._out.extend(buffers)
        self._unsent += sum(map(len, buffers))
        if not self._sending:
            self._send_all()

    def shutdown(self) -> None:
        """Tell the object that nothing more will be written."""
        if not self._shut and not self.closed:
            self._shut = True
            _asked(self._source, "shutdown", socket.SHUT_WR)

    def close(self) -> None:
        """End the stream, now."""
        if not self.closed:
            self.closed = True
            self.on_drained = None
            self._forget()
            self._wake()
            _asked(self._source, "shutdown", socket.SHUT_RDWR)
            _asked(self._source, "close")

    _shut = False

    def _send_all(self) -> None:
        self._sending = True
        try:
            while self._out and not self.closed:
                data = b"".join(self._out)
                self._out.clear()
                with self.monitor.outside():
                    self._source.sendall(data)
                self.written += len(data)
                self._unsent -= 0 if self.closed else len(data)
        except OSError as error:
            self.error = error
        finally:
            self._sending = False
            self._forget()
            self._wake()
        if self.on_drained is not None and self.error is None:
            self.on_drained()

    def _wake(self) -> None:
        waiting, self._waiting_to_send = self._waiting_to_send, []
        for event in waiting:
            event.set()


def _asked(source: Any, name: str, *arguments: Any) -> Any:
    """Return what the method of that *name* says; None where there is none, or it fails."""
    method = getattr(source, name, None)
    if method is not None:
        with suppress(OSError):
            return method(*arguments)
    return None


@singledispatch
def transport_of(sock: Any) -> Any:
    """Return an ITransport over *sock* with a monitor, which alone uses it from now on.

    Other kinds of sockets are registered with the modules that know them.

    Raises:
        TypeError: it has no recv() and sendall(), or is gevent's, which hub.py has to register.
    """
    if type(sock).__module__.startswith("gevent."):  # threads' locks would stop its hub
        raise TypeError("sock: a socket of gevent; import geventws.adapters.ws4py.hub first")
    if not callable(getattr(sock, "recv", None)) or not callable(getattr(sock, "sendall", None)):
        raise TypeError(f"sock: an object with recv() and sendall(), not {type(sock).__name__}")
    return ObjectTransport(sock)


transport_of.register(socket.socket, SocketTransport)


@singledispatch
def look_after(transport: Any, connection: Any) -> None:
    """Have somebody look after *connection* while its application does something else.

    Of threads, whoever runs it does what there is to do; modules of other kinds register more.
    """
