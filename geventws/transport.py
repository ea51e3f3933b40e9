"""A gevent socket, plain or TLS, as an ITransport.

One watcher lies on the socket for as long as it lives. libev's watchers are level-triggered: while
bytes wait and nobody reads, it would fire on every turn of the hub; so it stops itself then and
tells *on_neglect*. A read waits first and receives second, for a receive that was tried in vain
costs as much as the switch. What writes is in outgoing.py.
"""

from __future__ import annotations

import select
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

import gevent
import gevent.socket
from gevent.event import Event
from gevent.monkey import get_original
from greenlet import getcurrent
from zope.interface import classImplements

from geventws import clock, kernel
from geventws.interfaces import ITransport
from geventws.outgoing import READY, TIMED_OUT, Outgoing, corks_of

CHUNK: Final = 80 * 1024  # bytes asked for at once: a message of 64 KiB has a head, too
_CHUNK: Final = CHUNK  # as C has it
SHARE: Final = 0.005  # seconds of reading what is already here, before others run
READ: Final = 1  # the event of gevent's io watchers
POLL: Final = get_original("select", "poll")  # gevent's lets others run, however short its wait
SOCKET: Final = get_original("socket", "SocketType")  # without watchers and buffers of its own


def breathe() -> None:
    """Let other greenlets run, those too for whom something has just come.

    gevent.sleep(0) is no help to the latter: the hub looks at its sockets only after 50 of those.
    """
    hub = gevent.get_hub()
    # by its priority it comes behind all that has happened in the same turn, and by the callback
    # behind the callbacks that follow from that
    timer = hub.loop.timer(0, priority=-1)
    timer.start(hub.loop.run_callback, getcurrent().switch)
    try:
        hub.switch()
    finally:
        timer.close()


def bare(socket: Any) -> Any:
    """Return what takes the place of *socket*, which its caller alone has, under a Transport.

    A gevent socket has two watchers and more, where the transport brings its own.
    """
    if type(socket) is not gevent.socket.socket:
        return socket
    return SOCKET(socket.family, socket.type, socket.proto, socket.detach())


_latest: list[Any] = [None]  # the last address that a socket of ours had


def _shared(address: Any) -> Any:
    """Return *address*, or the one before where that is the same, as on a server it mostly is."""
    latest = _latest[0]
    if address == latest:
        return latest
    _latest[0] = address
    return address


class Readers:
    """Those of one hub who can read on, each by its transport; use readers_of().

    The hub switches to the first of them. Who then waits for more switches to the next one itself,
    and only the last one back to the hub: that is one switch for each, where it would be two.
    """

    __slots__ = ("__weakref__", "_begun", "_corks", "_due")

    def __init__(self, hub: Any) -> None:
        self._corks = corks_of(hub)
        self._due: deque[Transport] = deque()
        self._begun = False  # the hub will take turns

    def add(self, transport: Transport) -> None:
        """Have the reader of *transport* go on in its turn; called on the hub."""
        self._due.append(transport)
        self._corks.crowd += 1
        if not self._begun:
            self._begun = True
            transport._hub.loop.run_callback(self._take)

    def _take(self) -> None:
        self._begun = False
        while self._due:
            reader = self._next()
            if reader is not None:  # nothing else has woken it meanwhile
                reader.switch(READY)

    def _next(self) -> Any:
        self._corks.crowd -= 1
        transport = self._due.popleft()
        return transport._reader

    def wait(self, hub: Any) -> Any:
        """Give way to the next reader, or to *hub*; return what the caller is switched to with."""
        while self._due:
            reader = self._next()
            if reader is not None:
                return reader.switch(READY)
        return hub.switch()


_readers: WeakKeyDictionary[Any, Readers] = WeakKeyDictionary()


def readers_of(hub: Any) -> Readers:
    """Return the Readers of *hub*."""
    found = _readers.get(hub)
    if found is None:
        found = _readers[hub] = Readers(hub)
    return found


class Transport(Outgoing):
    """A connected gevent socket that this transport alone uses from now on.

    While others can go on, what is written leaves a moment later, unless *at_once* is set.
    Belongs to the thread whose hub made it. One greenlet may read while another one writes.
    """

    __slots__ = (
        "__weakref__",
        "_io",
        "_more",
        "_parked",
        "_reader",
        "_readers",
        "_since",
        "_watching",
        "local_address",
        "on_neglect",
        "peer_address",
    )

    def __init__(self, socket: Any, at_once: bool = False) -> None:
        socket.settimeout(0.0)
        super().__init__(socket, at_once)
        self._io: Any = self._hub.loop.io(socket.fileno(), READ)
        self._watching = False
        self._readers = readers_of(self._hub)
        self._reader: Any = None
        self._more = self._tls  # bytes may be here that no watcher tells of
        self._since = 0.0  # when others last ran, while there is always more
        self._parked: Callable[[], None] | None = None
        self.on_neglect: Callable[[], None] | None = None  # bytes came and nobody reads
        self.local_address = _shared(socket.getsockname())
        self.peer_address: Any = None
        with suppress(OSError):  # it may have gone away before we look
            self.peer_address = socket.getpeername()

    # Reading

    def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them; b"" is the end of the stream. See ITransport."""
        deadline = None if timeout is None else clock.monotonic() + timeout
        if self._more:
            self._share()
            self._watch_readable()  # who reads without waiting may stay away after that
        while True:
            late = False
            if not self._more:
                late = self._wait_readable(
                    None if deadline is None else deadline - clock.monotonic()
                )
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
            data = kernel.receive(self._stream, _CHUNK) if self._plain else self._receive_record()
        except TimeoutError as error:  # the kernel's, which must not pass for the caller's
            raise ConnectionAbortedError(*error.args) from error
        if data is None:
            self._more = False
            if self.error is not None:  # which a write met, and told nobody
                raise ConnectionAbortedError("the connection is lost") from self.error
            return None
        # TLS may hold a record more; only a receive in vain says that it does not
        self._more = self._tls or len(data) == _CHUNK
        return data

    def _receive_record(self) -> bytes | None:
        try:
            data: bytes = self._stream.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        return data

    def _share(self) -> None:
        """Let others run now and then, where there is always more to read at once."""
        now = clock.monotonic()
        if now - self._since > SHARE:
            self._since = now  # who is interrupted here has let others run as well
            self.breathe()
            self._since = clock.monotonic()

    def _wait_readable(self, timeout: float | None) -> bool:
        """Wait for something to receive; return whether the time is up instead."""
        if self.closed:
            return False
        self._watch_readable()
        timer = None if timeout is None else self._timer(timeout, self._read_timed_out)
        self._reader = getcurrent()
        try:
            told = self._readers.wait(self._hub)
        finally:
            self._reader = None
            if timer is not None:
                timer.close()
        if self._tls:  # there is always more to try at once, so what counts is when others ran
            self._since = clock.monotonic()
        return told is TIMED_OUT

    def _watch_readable(self) -> None:
        """Have the hub tell of the next bytes: a reader, who is parked, or on_neglect."""
        if not self._watching and not self.closed:
            self._watching = True
            self._io.start(self._on_readable)

    def _on_readable(self) -> None:
        self._more = True
        if self._reader is not None:
            self._readers.add(self)
        elif self._parked is not None:
            self._unpark()
        else:
            self._io.stop()
            self._watching = False
            if self.on_neglect is not None:
                self.on_neglect()

    def _unpark(self) -> None:
        parked, self._parked = self._parked, None
        if parked is not None:
            parked()

    def _read_timed_out(self) -> None:
        if self._reader is not None:
            self._reader.switch(TIMED_OUT)

    # Ending, and what is general

    @property
    def turn(self) -> int:
        """A number that is another one once others have run: that of the hub's turns."""
        turns: int = getattr(self._hub.loop, "iteration", 0)  # libuv's loop does not count them
        return turns

    def breathe(self) -> None:
        """Let other greenlets run, those too for whom something has just come."""
        breathe()

    def event(self) -> Any:
        """Return an event whose wait() lets other greenlets run."""
        return Event()

    def close(self) -> None:
        """Drop the stream now and wake who waits for it."""
        if self.closed:
            return
        if self._corked is not None:
            self._uncork()
        self.closed = True
        self._out = None
        for watcher in (self._io, self._out_io):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._socket.close()
        self.on_neglect = self.on_drained = None
        self._hub.loop.run_callback(self._wake_all)

    def _wake_all(self) -> None:
        if self._reader is not None:
            self._reader.switch(READY)
        super()._wake_all()
        self._unpark()


classImplements(Transport, ITransport)
