"""A gevent socket, plain or TLS, as an ITransport.

One watcher lies on the socket for as long as it lives. libev's watchers are level-triggered: while
bytes wait and nobody reads, it would fire on every turn of the hub; so it stops itself then and
tells *on_neglect*. A read waits first and receives second, for a receive that was tried in vain
costs as much as the switch.

Writing has one buffer in which frames keep their order. What the kernel does not take at once is
kept there, and the hub sends it on when it can; write() is post() and a wait for that buffer to
empty, so a frame can neither overtake another one nor be cut by it.
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import gevent
import gevent.ssl
from gevent.event import Event
from gevent.monkey import get_original
from gevent.socket import SHUT_WR
from greenlet import getcurrent
from zope.interface import classImplements

from geventws.interfaces import ITransport
from geventws.outbox import Outbox

CHUNK: Final = 64 * 1024  # bytes asked for at once
SHARE: Final = 0.005  # seconds of reading what is already here, before others run
BURST: Final = 1024 * 1024  # bytes the hub sends for one connection before it looks at others
READ: Final = 1  # the events of gevent's io watchers
WRITE: Final = 2
POLL: Final = get_original("select", "poll")  # gevent's lets others run, however short its wait

# what the hub tells a greenlet that waits here
READY: Final = object()
TIMED_OUT: Final = object()


def breathe() -> None:
    """Let other greenlets run, those too for whom something has just come.

    gevent.sleep(0) is no help to the latter: the hub looks at its sockets only after 50 of those.
    """
    hub = gevent.get_hub()
    timer = hub.loop.timer(0)
    timer.start(getcurrent().switch)
    try:
        hub.switch()
    finally:
        timer.close()


class Transport:
    """A connected gevent socket that this transport alone uses from now on.

    Belongs to the thread whose hub made it. One greenlet may read while another one writes.
    """

    __slots__ = (
        "__weakref__",
        "_hub",
        "_io",
        "_more",
        "_moved",
        "_out",
        "_out_io",
        "_parked",
        "_reader",
        "_shut",
        "_since",
        "_socket",
        "_tls",
        "_writer",
        "closed",
        "error",
        "local_address",
        "on_drained",
        "on_neglect",
        "peer_address",
        "torn",
        "written",
    )

    def __init__(self, socket: Any) -> None:
        socket.settimeout(0.0)
        self._socket = socket
        self._tls = isinstance(socket, (ssl.SSLSocket, gevent.ssl.SSLSocket))
        self._hub = gevent.get_hub()
        self._io: Any = self._hub.loop.io(socket.fileno(), READ)
        self.local_address = socket.getsockname()
        self.peer_address: Any = None
        with suppress(OSError):  # it may have gone away before we look
            self.peer_address = socket.getpeername()
        # reading
        self._reader: Any = None
        self._more = True  # bytes may be here that no watcher tells of
        self._since = 0.0  # when others last ran, while there is always more
        self._parked: Callable[[], None] | None = None
        self.on_neglect: Callable[[], None] | None = None  # bytes came and nobody reads
        # writing
        self._out = Outbox()
        self._out_io: Any = None
        self._writer: Any = None
        self._moved = 0.0  # when a writer last saw the kernel take something
        self.written = 0  # bytes the kernel took
        self.on_drained: Callable[[], None] | None = None
        # ending
        self._shut = False
        self.closed = False
        self.torn = False
        self.error: OSError | None = None

    # Reading

    def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them; b"" is the end of the stream. See ITransport."""
        deadline = None if timeout is None else monotonic() + timeout
        if self._more:
            self._share()
            self._watch_readable()  # who reads without waiting may stay away after that
        while True:
            late = False
            if not self._more:
                late = self._wait_readable(None if deadline is None else deadline - monotonic())
            data = self._receive()  # even when late: both may have happened in one turn of the hub
            if data is not None:
                return data
            if late:
                raise TimeoutError("nothing arrived in time")

    def read_now(self) -> bytes | None:
        """Return the bytes that are here without waiting; None where there are none."""
        data = self._receive()
        self._watch_readable()
        return data

    def readable(self) -> bool:
        """Return whether bytes, or the end of the stream, wait to be read."""
        if self.closed:
            return True
        poll = POLL()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def park(self, ready: Callable[[], None]) -> None:
        """Have the hub call *ready*, once, when bytes or the end of the stream are there."""
        self._parked = ready
        if self.closed or self._more:
            self._hub.loop.run_callback(self._unpark)
        else:
            self._watch_readable()

    def nudge(self) -> None:
        """Have the hub call who is parked, though no bytes came."""
        self._hub.loop.run_callback(self._unpark)

    def _receive(self) -> bytes | None:
        if self.closed:
            return b""
        try:
            data: bytes = self._socket.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._more = False
            if self.error is not None:  # which a write met, and told nobody
                raise ConnectionAbortedError("the connection is lost") from self.error
            return None
        except TimeoutError as error:  # the kernel's, which must not pass for the caller's
            raise ConnectionAbortedError(*error.args) from error
        # TLS may hold a record more; only a receive in vain says that it does not
        self._more = self._tls or len(data) == CHUNK
        return data

    def _share(self) -> None:
        """Let others run now and then, where there is always more to read at once."""
        now = monotonic()
        if now - self._since > SHARE:
            self._since = now  # who is interrupted here has let others run as well
            self.breathe()
            self._since = monotonic()

    def _wait_readable(self, timeout: float | None) -> bool:
        """Wait for something to receive; return whether the time is up instead."""
        if self.closed:
            return False
        self._watch_readable()
        timer = None if timeout is None else self._timer(timeout, self._read_timed_out)
        self._reader = getcurrent()
        try:
            told = self._hub.switch()
        finally:
            self._reader = None
            if timer is not None:
                timer.close()
        if self._tls:  # there is always more to try at once, so what counts is when others ran
            self._since = monotonic()
        return told is TIMED_OUT

    def _watch_readable(self) -> None:
        """Have the hub tell of the next bytes: a reader, who is parked, or on_neglect."""
        if not self.closed and not self._io.active:
            self._io.start(self._on_readable)

    def _on_readable(self) -> None:
        self._more = True
        if self._reader is not None:
            self._reader.switch(READY)
            return
        self._io.stop()
        if self._parked is not None:
            self._unpark()
        elif self.on_neglect is not None:
            self.on_neglect()

    def _unpark(self) -> None:
        parked, self._parked = self._parked, None
        if parked is not None:
            parked()

    def _read_timed_out(self) -> None:
        if self._reader is not None:
            self._reader.switch(TIMED_OUT)

    def _timer(self, seconds: float, call: Callable[[], None]) -> Any:
        timer = self._hub.loop.timer(max(seconds, 0.0))
        timer.start(call, update=True)  # the loop's idea of now is from before our caller's work
        return timer

    # Writing

    def write(self, buffers: list[bytes], timeout: float | None = None) -> None:
        """Wait until the kernel has taken all of *buffers*. See ITransport."""
        before = self.written + self._out.size
        self.post(buffers)
        if self._out.size:
            try:
                self._wait_drained(timeout)
            except BaseException:
                self.torn = not self._withdraw(before - self.written, sum(map(len, buffers)))
                raise
        if self.closed or self.error is not None:
            self.torn = self._tls or self.written > before
            raise ConnectionAbortedError("the connection is lost") from self.error

    def post(self, buffers: list[bytes]) -> None:
        """Send *buffers* as far as that goes without waiting. See ITransport."""
        if self.closed or self.error is not None:
            return
        if self._out.size:
            self._out.put(buffers)
            return
        for index, data in enumerate(buffers):
            sent = self._send(data)
            if sent < len(data):
                self._out.put([memoryview(data)[sent:], *buffers[index + 1 :]])
                if self._tls and sent:  # OpenSSL takes one record at a time
                    self._send_kept()
                if self._out.size:
                    self._watch_writable()
                return

    def unsent(self) -> int:
        """Return how many bytes given to post() or write() have not left."""
        return self._out.size

    def _withdraw(self, ahead: int, size: int) -> bool:
        """Take back *size* bytes that are kept behind *ahead* others; False where some have left.

        Of TLS the first bytes kept may be in a record that OpenSSL has begun, which must follow.
        """
        if not self._out.size or ahead < self._tls:
            return False
        self._out.withdraw(ahead, size)
        return True

    def _send(self, data: bytes | memoryview) -> int:
        """Return how much of *data* is dealt with: what the kernel took, or all when it is lost."""
        try:
            sent: int = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as error:
            self._lose(error)
            return len(data)
        self.written += sent
        return sent

    def _lose(self, error: OSError) -> None:
        self.error = error
        self._out.clear()
        self._hub.loop.run_callback(self._wake_all)

    def _watch_writable(self) -> None:
        if self._out_io is None:
            self._out_io = self._hub.loop.io(self._socket.fileno(), WRITE)
        self._out_io.start(self._on_writable)

    def _on_writable(self) -> None:
        self._send_kept()
        if self._out.size:
            return
        self._out_io.stop()
        if self._shut:
            self._shutdown()
        if self._writer is not None:
            self._writer.switch(READY)
        if self.on_drained is not None and not self.closed:
            self.on_drained()

    def _send_kept(self) -> None:
        target = self.written + BURST
        while self._out.size and self.written < target:
            head = self._out.head()
            sent = self._send(head)
            if self.error is not None:
                return
            if sent:
                self._moved = monotonic()
            self._out.leave(sent)
            if sent < len(head):
                return

    def _wait_drained(self, timeout: float | None) -> None:
        self._writer = getcurrent()
        self._moved = monotonic()
        try:
            while self._out.size and not self.closed:
                left = None if timeout is None else self._moved + timeout - monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError("the peer takes no more bytes")
                timer = None if left is None else self._timer(left, self._write_timed_out)
                try:
                    self._hub.switch()
                finally:
                    if timer is not None:
                        timer.close()
        finally:
            self._writer = None

    def _write_timed_out(self) -> None:
        if self._out.size:
            self._on_writable()  # we may have been too busy to notice that there is room
        if self._writer is not None:
            self._writer.switch(TIMED_OUT)

    # Ending, and what is general

    def breathe(self) -> None:
        """Let other greenlets run, those too for whom something has just come."""
        breathe()

    def event(self) -> Any:
        """Return an event whose wait() lets other greenlets run."""
        return Event()

    def shutdown(self) -> None:
        """Tell the peer that nothing more will be written, once all that was posted has left."""
        if not self._shut and not self.closed:
            self._shut = True
            if not self._out.size:
                self._shutdown()

    def close(self) -> None:
        """Drop the stream now and wake who waits for it."""
        if self.closed:
            return
        self.closed = True
        self._out.clear()
        for watcher in (self._io, self._out_io):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._socket.close()
        self.on_neglect = self.on_drained = None
        self._hub.loop.run_callback(self._wake_all)

    def _shutdown(self) -> None:
        try:
            if self._tls:
                with suppress(ssl.SSLError):  # the peer's own notice is not waited for
                    self._socket.unwrap()  # says that the stream is whole (RFC 8446 6.1)
            self._socket.shutdown(SHUT_WR)
        except OSError as error:
            self._lose(error)

    def _wake_all(self) -> None:
        for waiting in (self._reader, self._writer):
            if waiting is not None:
                waiting.switch(READY)
        self._unpark()


classImplements(Transport, ITransport)
