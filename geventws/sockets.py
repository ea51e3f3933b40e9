"""A plain socket of the standard library, or a TLS one, as an ITransport for threads.

A WebSocket is written for one thing at a time, so the transport keeps a monitor: a thread enters it
to work on the connection. The transport alone leaves it, around each wait. So the socket too is
used by one thread at a time, which TLS demands, and nobody ever blocks inside: a call that would
is made again after a wait for the socket.

In a process patched by gevent the same code serves greenlets.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final

from zope.interface import classImplements

from geventws.interfaces import IEvent, ITransport

CHUNK: Final = 64 * 1024  # bytes asked for at once
LONGEST: Final = 24 * 3600.0  # seconds of one wait; poll() cannot count beyond 24 days


def end_writing(connected: socket.socket) -> None:
    """Tell the peer that nothing more will be written; over TLS that the stream is whole, too."""
    if isinstance(connected, ssl.SSLSocket):
        with suppress(OSError):  # as SSLWantReadError: the peer's own notice is not waited for
            connected.unwrap()  # RFC 8446 6.1
    with suppress(OSError):  # the peer may have gone
        connected.shutdown(socket.SHUT_WR)


class Monitor:
    """Lets one thread at a time in; who is in may enter again.

    A threading.RLock cannot be left by someone who entered it more than once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0  # the thread that is in
        self._depth = 0  # how often it has entered

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            self._lock.acquire()
            self._owner = me
        self._depth += 1

    def __exit__(self, *exc_info: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = 0
            self._lock.release()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Leave altogether for as long as this context lasts."""
        depth, self._depth, self._owner = self._depth, 0, 0
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
            self._owner, self._depth = threading.get_ident(), depth


class SocketTransport:
    """A connected socket that this transport alone uses from now on.

    Whoever calls a method is in *monitor*: `with transport.monitor: transport.read(None)`. One
    thread may read while another one writes. What post() cannot send at once a thread of its own
    sends on, which lives until that has left; where none can be started, the stream is dropped.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(0.0)
        self.monitor = Monitor()
        self._socket = connected
        self._tls = isinstance(connected, ssl.SSLSocket)
        self._waiting = 0  # who polls the descriptor: threads, and those who hold it
        self.local_address: Any = connected.getsockname()
        self.peer_address: Any = None
        with suppress(OSError):  # it may have gone away before we look
            self.peer_address = connected.getpeername()
        # reading
        self._read_needs = select.POLLIN
        # writing
        self._out: deque[bytes | memoryview] = deque()
        self._unsent = 0
        self._write_needs = select.POLLOUT
        self._sending = False  # somebody waits to send what is kept
        self.written = 0  # bytes the kernel took
        self.on_drained: Callable[[], None] | None = None
        # ending
        self._shut = False
        self.closed = False
        self.torn = False
        self.error: OSError | None = None
        self.turn = 0  # nobody knows which threads have run

    # Reading

    def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them; b"" is the end of the stream. See ITransport."""
        deadline = None if timeout is None else monotonic() + timeout
        while (data := self.read_now()) is None:
            seconds = LONGEST if deadline is None else deadline - monotonic()
            if seconds <= 0:
                raise TimeoutError("nothing arrived in time")
            self._wait(self._read_needs, seconds)
        return data

    def read_now(self) -> bytes | None:
        """Return the bytes that are here without waiting; None where there are none."""
        if self.closed:
            return b""
        try:
            return self._socket.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._read_needs = select.POLLIN
        except ssl.SSLWantWriteError:
            self._read_needs = select.POLLOUT
        except TimeoutError as error:  # the kernel's, which must not pass for the caller's
            raise ConnectionAbortedError(*error.args) from error
        return None

    def readable(self) -> bool:
        """Return whether bytes, or the end of the stream, wait to be read."""
        if self.closed or self.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def pending(self) -> bool:
        """Return whether TLS holds bytes already that whoever polls the descriptor cannot see."""
        return isinstance(self._socket, ssl.SSLSocket) and bool(self._socket.pending())

    # Writing

    def write(self, buffers: list[bytes], timeout: float | None = None, more: bool = False) -> None:
        """Wait until the kernel has taken all of *buffers*. See ITransport."""
        before = self.written
        ahead = self._unsent
        self._put(buffers)
        try:
            self._send_kept(timeout)
        except BaseException:
            self.torn = self.written > before + ahead or not self._withdraw(buffers)
            self._send_by_itself()
            raise
        if self.error is not None:
            raise ConnectionResetError("the connection is lost") from self.error
        if self.closed:
            raise ConnectionAbortedError("the connection was dropped")

    def post(self, buffers: list[bytes]) -> None:
        """Send *buffers* as far as that goes without waiting. See ITransport."""
        self._put(buffers)
        self._send_by_itself()

    def unsent(self) -> int:
        """Return how many bytes given to post() or write() have not left."""
        return self._unsent

    def _put(self, buffers: list[bytes]) -> None:
        if not self.closed and self.error is None:
            self._out.extend(filter(None, buffers))
            self._unsent += sum(map(len, buffers))
            self._send_now()

    def _send_now(self) -> None:
        """Send of what is kept as much as goes without waiting."""
        try:
            while self._out:
                data = self._out[0]
                sent = self._socket.send(data)
                self.written += sent
                self._unsent -= sent
                if sent == len(data):
                    self._out.popleft()
                else:
                    self._out[0] = memoryview(data)[sent:]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._write_needs = select.POLLOUT
        except ssl.SSLWantReadError:  # a renegotiation, which TLS 1.3 no longer has
            self._write_needs = select.POLLIN
        except OSError as error:
            self.error = error
            self._forget()

    def _send_kept(self, timeout: float | None) -> None:
        """Send what is kept, waiting for the kernel at most *timeout* without any progress."""
        if not self._unsent:
            return
        self._sending = True
        try:
            while self._unsent:
                before = self.written
                if not self._wait(self._write_needs, timeout) and self.written == before:
                    raise TimeoutError("the peer takes no more bytes")
                self._send_now()
        finally:
            self._sending = False
        if self._shut:
            end_writing(self._socket)
        if self.on_drained is not None:
            self.on_drained()

    def _send_by_itself(self) -> None:
        """Have a thread send what is kept; a reader asleep in poll() could not be told to."""
        if self._unsent and not self._sending:
            thread = threading.Thread(target=self._send_alone, name="geventws send", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there is none to be had, and what is kept would never leave
                self.error = ConnectionAbortedError("no thread could be started to send")
                self.close()
            else:
                self._sending = True

    def _send_alone(self) -> None:
        with self.monitor:
            self._send_kept(None)

    def _withdraw(self, buffers: list[bytes]) -> bool:
        """Take *buffers* back, none of which has left; return whether that could be done."""
        if self._tls or self.closed:  # TLS may have made a record of them, which then must follow
            return False
        mine = set(map(id, buffers))
        left = [data for data in self._out if id(data) not in mine]
        self._forget()
        self._out.extend(left)
        self._unsent = sum(map(len, left))
        return True

    def _forget(self) -> None:
        self._out.clear()
        self._unsent = 0

    # Waiting

    def breathe(self) -> None:
        """Let other threads run."""
        with self.monitor.outside():
            time.sleep(0)

    def event(self) -> IEvent:
        """Return an event whose wait() lets other threads run."""
        return _Event(self.monitor)

    def _wait(self, needs: int, seconds: float | None) -> bool:
        """Wait until the socket has what is needed; return False when *seconds* passed first."""
        poll = select.poll()
        poll.register(self._socket, needs)
        self._waiting += 1
        try:
            with self.monitor.outside():
                return bool(poll.poll(None if seconds is None else min(seconds, LONGEST) * 1000))
        finally:
            self._waiting -= 1
            self._release()

    # Ending

    def shutdown(self) -> None:
        """Tell the peer that nothing more will be written, once all that was posted has left."""
        if not self._shut and not self.closed:
            self._shut = True
            if not self._unsent:
                end_writing(self._socket)

    def close(self) -> None:
        """Drop the stream now and wake who waits for it."""
        if not self.closed:
            self.closed = True
            self.on_drained = None
            self._forget()
            with suppress(OSError):  # the peer may have gone
                self._socket.shutdown(socket.SHUT_RDWR)  # this ends every poll()
            self._release()

    def hold(self) -> int:
        """Return the descriptor, which stays open until let_go(), even when the stream is dropped.

        So a poller can have it: its number means no other stream meanwhile. It is to read when the
        stream has been dropped.
        """
        self._waiting += 1
        descriptor: int = self._socket.fileno()
        return descriptor

    def let_go(self) -> None:
        """Take back one hold(): nobody polls the descriptor any more on its account."""
        self._waiting -= 1
        self._release()

    def _release(self) -> None:
        """Give the descriptor back, as soon as no thread polls it: its number is used again."""
        if self.closed and not self._waiting:
            self._socket.close()


class _Event:
    """A threading.Event that is waited for outside the monitor."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._event = threading.Event()
        self.set = self._event.set
        self.is_set = self._event.is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for set(), at most *timeout* seconds; return whether it came."""
        with self._monitor.outside():
            return self._event.wait(timeout)


classImplements(SocketTransport, ITransport)
classImplements(_Event, IEvent)
