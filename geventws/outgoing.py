"""The half of a gevent transport that writes.

write, post -> the kernel          what it does not take -> Outbox -> the hub -> the kernel

There is one buffer in which frames keep their order. What the kernel does not take at once is kept
there, and the hub sends it on when it can; write() is post() and a wait for that buffer to empty,
so a frame can neither overtake another one nor be cut by it.

Replies are corked. A call of the kernel costs more than all else that a small message does, so what
is written while more is about to follow is kept until the hub has its turn. So is, on a server,
what is written while others can go on: the replies of a few connections then leave one right after
the other, and wake who gets them, as a proxy on the same machine, once and not each time.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

import gevent
import gevent.socket
import gevent.ssl
from gevent.monkey import get_original
from greenlet import getcurrent

from geventws import clock, kernel
from geventws.outbox import Outbox

BURST: Final = 1024 * 1024  # bytes the hub sends for one connection before it looks at others
CORK: Final = 64 * 1024  # bytes that are corked at most
CORKED: Final = 8  # connections that are: the first of them waits for the handlers of the others
PATIENCE: Final = 0.001  # seconds that it does
GATHERED: Final = 8  # buffers that the kernel is given as they are
_CORKED, _PATIENCE, _GATHERED = CORKED, PATIENCE, GATHERED  # as C has it
WRITE: Final = 2  # the event of gevent's io watchers

# These have no methods of their own that would do more than the kernel's calls.
PLAIN: Final = (get_original("socket", "socket"), get_original("socket", "SocketType"))

# what the hub tells a greenlet that waits here
READY: Final = object()
TIMED_OUT: Final = object()


class Corks:
    """Those of one hub who have corked something; use corks_of().

    Attributes:
        crowd: how many others can go on as soon as who runs now waits.
    """

    __slots__ = ("__weakref__", "_since", "_told", "_waiting", "crowd")

    def __init__(self) -> None:
        self._waiting: deque[Outgoing] = deque()
        self._since = 0.0  # when the first of them did
        self._told = False  # the hub will have them leave
        self.crowd = 0

    def add(self, outgoing: Outgoing) -> None:
        """Have what *outgoing* has corked leave soon, and now what has waited enough for others."""
        now = clock.monotonic()
        if len(self._waiting) >= _CORKED or now - self._since > _PATIENCE:
            self._uncork()
        if not self._waiting:
            self._since = now
        self._waiting.append(outgoing)
        if not self._told:
            self._told = True
            outgoing._hub.loop.run_callback(self._take_turn)

    def forget(self) -> None:
        """Leave to the parent process what was corked before a fork."""
        for each in self._waiting:
            each._corked = None
            each._corked_size = 0
        self._waiting.clear()

    def _take_turn(self) -> None:
        self._told = False
        self._uncork()

    def _uncork(self) -> None:
        while self._waiting:
            each = self._waiting.popleft()
            try:
                if each._corked is not None:
                    each._uncork()
            except Exception:  # of a stream that is not the caller's
                each._hub.handle_error(each, *sys.exc_info())


_corks: WeakKeyDictionary[Any, Corks] = WeakKeyDictionary()


def corks_of(hub: Any) -> Corks:
    """Return the Corks of *hub*."""
    found = _corks.get(hub)
    if found is None:
        found = _corks[hub] = Corks()
    return found


class Outgoing:
    """What of a Transport writes, and knows whether the stream is lost or closed."""

    __slots__ = (
        "_at_once",
        "_corked",
        "_corked_size",
        "_corks",
        "_hub",
        "_moved",
        "_out",
        "_out_io",
        "_plain",
        "_shut",
        "_socket",
        "_stream",
        "_tls",
        "_writer",
        "closed",
        "error",
        "on_drained",
        "torn",
        "written",
    )

    def __init__(self, socket: Any, at_once: bool) -> None:
        self._socket = socket
        self._tls = isinstance(socket, (ssl.SSLSocket, gevent.ssl.SSLSocket))
        # what gevent's own class does on top of this is to wait, and that is done here
        gevents = type(socket) is gevent.socket.socket
        self._stream = socket._sock if gevents else socket
        self._plain = type(self._stream) in PLAIN  # or its methods know something more
        self._hub = gevent.get_hub()
        self._out: Outbox | None = None  # None while nothing is kept
        self._out_io: Any = None
        self._corked: list[bytes] | None = None
        self._corked_size = 0
        self._corks = corks_of(self._hub)
        self._at_once = at_once  # whatever others do
        self._writer: Any = None
        self._moved = 0.0  # when a writer last saw the kernel take something
        self.written = 0  # bytes the kernel took
        self.on_drained: Callable[[], None] | None = None
        # ending
        self._shut = False
        self.closed = False
        self.torn = False
        self.error: OSError | None = None

    def write(self, buffers: list[bytes], timeout: float | None = None, more: bool = False) -> None:
        """Wait until the kernel has taken all of *buffers*. See ITransport."""
        if (more or self._is_crowded()) and self._may_cork() and self._cork(buffers):
            return
        before = self.written + (0 if self._out is None else self._out.size) + self._corked_size
        self.post(buffers)
        if self._out is not None:
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
        if self._corked is None:
            self._post(buffers)
        elif self._tls or len(buffers) != 1 or len(buffers[0]) >= CORK:
            self._uncork()  # records are not taken apart again, and what is large is not copied
            self._post(buffers)
        else:
            self._corked += buffers
            self._corked_size += len(buffers[0])
            self._uncork()

    def unsent(self) -> int:
        """Return how many bytes given to post() or write() have not left."""
        if self._corked is not None:
            self._uncork()
        return 0 if self._out is None else self._out.size

    def _post(self, buffers: list[bytes]) -> None:
        if self.closed or self.error is not None:
            return
        if self._out is not None:
            self._out.put(buffers)
            return
        size = 0
        for data in buffers:
            size += len(data)
        if size:
            sent = self._send(buffers)
            if sent < size:
                self._keep_after(sent, buffers)

    def _keep_after(self, sent: int, buffers: list[bytes]) -> None:
        """Keep what comes after the first *sent* bytes of *buffers*, and have the hub send it."""
        self._out = Outbox()
        self._out.put(_after(sent, buffers))
        if self._tls and sent:  # OpenSSL takes one record at a time
            self._send_kept()
        if self._out is not None:
            self._watch_writable()

    def _is_crowded(self) -> bool:
        return self._corks.crowd > 0 and not self._at_once

    def _may_cork(self) -> bool:
        return self._out is None and self.error is None and not self.closed

    def _cork(self, buffers: list[bytes]) -> bool:
        """Keep *buffers* for a moment; False where that would be too much to go unwaited for."""
        size = self._corked_size
        for data in buffers:
            size += len(data)
        if size > CORK:
            return False
        self._corked_size = size
        if self._corked is not None:
            self._corked += buffers
            return True
        self._corked = buffers[:]
        self._corks.add(self)
        return True

    def _uncork(self) -> None:
        assert self._corked is not None
        corked, size = self._corked, self._corked_size
        self._corked = None
        self._corked_size = 0
        buffers = corked
        if not self._plain or len(corked) > _GATHERED:
            buffers = [b"".join(corked)]
        sent = self._send(buffers)
        if sent < size:
            # each is kept for itself, or none could be withdrawn; OpenSSL has to be given the same
            self._keep_after(sent, buffers if self._tls else corked)

    def _withdraw(self, ahead: int, size: int) -> bool:
        """Take back *size* bytes that are kept behind *ahead* others; False where some have left.

        Of TLS the first bytes kept may be in a record that OpenSSL has begun, which must follow.
        """
        if self._out is None or ahead < self._tls:
            return False
        self._out.withdraw(ahead, size)
        if not self._out.size:
            self._out = None
        return True

    def _send(self, buffers: list[Any]) -> int:
        """Return how many bytes of *buffers* are dealt with: taken, or all when it is lost."""
        try:
            sent = kernel.send(self._stream, buffers) if self._plain else self._send_each(buffers)
        except OSError as error:
            self._lose(error)
            return sum(map(len, buffers))
        self.written += sent
        return sent

    def _send_each(self, buffers: list[Any]) -> int:
        sent = 0
        for data in buffers:
            try:
                taken = self._stream.send(data)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return sent
            sent += taken
            if taken < len(data):
                break
        return sent

    def _lose(self, error: OSError) -> None:
        self.error = error
        self._out = None
        self._hub.loop.run_callback(self._wake_all)

    def _wake_all(self) -> None:
        """Have all who wait here look again."""
        if self._writer is not None:
            self._writer.switch(READY)

    def _watch_writable(self) -> None:
        if self._out_io is None:
            self._out_io = self._hub.loop.io(self._socket.fileno(), WRITE)
        self._out_io.start(self._on_writable)

    def _on_writable(self) -> None:
        self._send_kept()
        if self._out is not None:
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
        while self._out is not None and self.written < target:
            head = self._out.head()
            sent = self._send([head])
            if self.error is not None:
                return
            if sent:
                self._moved = clock.monotonic()
            self._out.leave(sent)
            if not self._out.size:
                self._out = None
            elif sent < len(head):
                return

    def _wait_drained(self, timeout: float | None) -> None:
        self._writer = getcurrent()
        self._moved = clock.monotonic()
        try:
            while self._out is not None and not self.closed:
                left = None if timeout is None else self._moved + timeout - clock.monotonic()
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
        if self._out is not None:
            self._on_writable()  # we may have been too busy to notice that there is room
        if self._writer is not None:
            self._writer.switch(TIMED_OUT)

    def _timer(self, seconds: float, call: Callable[[], None]) -> Any:
        timer = self._hub.loop.timer(max(seconds, 0.0))
        timer.start(call, update=True)  # the loop's idea of now is from before our caller's work
        return timer

    def shutdown(self) -> None:
        """Tell the peer that nothing more will be written, once all that was posted has left."""
        if not self._shut and not self.closed:
            self._shut = True
            if not self.unsent():
                self._shutdown()

    def _shutdown(self) -> None:
        try:
            if self._tls:
                with suppress(ssl.SSLError):  # the peer's own notice is not waited for
                    self._socket.unwrap()  # says that the stream is whole (RFC 8446 6.1)
            self._socket.shutdown(gevent.socket.SHUT_WR)
        except OSError as error:
            self._lose(error)


def _after(count: int, buffers: list[bytes]) -> list[bytes | memoryview]:
    """Return what comes after the first *count* bytes of *buffers*, of which there is some."""
    index = 0
    while count >= len(buffers[index]):
        count -= len(buffers[index])
        index += 1
    return [memoryview(buffers[index])[count:], *buffers[index + 1 :]]


def _leave_to_parent() -> None:
    for corks in list(_corks.values()):
        corks.forget()


os.register_at_fork(after_in_child=_leave_to_parent)
