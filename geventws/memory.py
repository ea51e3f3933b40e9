"""A stream in memory as two ITransports: no sockets, and room for as much as one likes.

bytes -> write, post -> the other end's buffer -> read -> bytes

A writer waits when that buffer is full, as it would for a kernel's. What is waiting to be told
hears of it from the hub, as with a socket, so that nothing runs earlier here than it would there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.event import Event
from zope.interface import classImplements

from geventws.clock import monotonic
from geventws.interfaces import ITransport

CAPACITY: Final = 64 * 1024  # bytes that an end takes before it reads any
CHUNK: Final = 64 * 1024  # the most that one read returns


class MemoryTransport:
    """One end of a stream in memory, as an ITransport; transports() makes two.

    Belongs to the thread that made it. One greenlet may read while another one writes.
    """

    def __init__(self, local_address: str, peer_address: str, capacity: int | None) -> None:
        self.local_address = local_address
        self.peer_address = peer_address
        self._peer = self  # until join()
        self._soon = gevent.get_hub().loop.run_callback
        # reading
        self._capacity = sys.maxsize if capacity is None else capacity
        self._here = bytearray()  # has arrived and is not read yet
        self._ended = False
        self._readable = Event()
        self._reading = False
        self._parked: Callable[[], None] | None = None
        self.on_neglect: Callable[[], None] | None = None  # bytes came and nobody reads
        # writing
        self._out = bytearray()
        self._drained = Event()
        self._drained.set()
        self.written = 0  # bytes the other end took
        self._moved = 0.0  # when it last took any
        self.on_drained: Callable[[], None] | None = None
        # ending
        self._shut = False
        self._cut = False
        self.closed = False
        self.torn = False
        self.turn = 0  # this network does not know
        self.error: OSError | None = None

    def join(self, peer: MemoryTransport) -> None:
        """Have *peer* be the other end; call it once, before anything is said."""
        self._peer = peer

    # Reading

    def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them; b"" is the end of the stream. See ITransport."""
        self._reading = True
        try:
            if not self._readable.wait(timeout):
                raise TimeoutError("nothing arrived in time")
        finally:
            self._reading = False
            self._soon(self._notice)
        return self._take()

    def read_now(self) -> bytes | None:
        """Return the bytes that are here without waiting; None where there are none."""
        return self._take() if self.readable() else None

    def readable(self) -> bool:
        """Return whether bytes, or the end of the stream, wait to be read."""
        return bool(self._here) or self._ended or self.closed

    def park(self, ready: Callable[[], None]) -> None:
        """Have the hub call *ready*, once, when bytes or the end of the stream are there."""
        self._parked = ready
        self._soon(self._notice)

    def nudge(self) -> None:
        """Have the hub call who is parked, though no bytes came."""
        self._soon(self._unpark)

    def arrive(self, data: bytes) -> None:
        """Take *data* as what the other end has sent."""
        self._here += data
        self._readable.set()
        self._soon(self._notice)

    def _take(self) -> bytes:
        data = bytes(self._here[:CHUNK])
        del self._here[:CHUNK]
        if not data and self._cut and not self.closed:
            raise ConnectionResetError("the connection is lost") from self.error
        if not self.readable():
            self._readable.clear()
        self._peer._move()
        self._soon(self._notice)
        return data

    def _notice(self) -> None:
        """Tell who is to be told of bytes when nobody waits for them."""
        if self._reading or not self.readable():
            return
        if self._parked is not None:
            self._unpark()
        elif self.on_neglect is not None:
            self.on_neglect()

    def _unpark(self) -> None:
        parked, self._parked = self._parked, None
        if parked is not None:
            parked()

    def _hear_end(self) -> None:
        self._ended = True
        self._readable.set()
        self._soon(self._notice)

    # Writing

    def write(self, buffers: list[bytes], timeout: float | None = None, more: bool = False) -> None:
        """Wait until the other end has taken all of *buffers*. See ITransport."""
        before = self.written + len(self._out)
        self.post(buffers)
        try:
            self._wait_until_drained(timeout)
        except BaseException:
            self.torn = self.written > before or not self._out
            if not self.torn:
                start = before - self.written
                del self._out[start : start + sum(map(len, buffers))]
                self._move()
            raise
        if self.error is not None:
            raise ConnectionResetError("the connection is lost") from self.error
        if self.closed:
            raise ConnectionAbortedError("the connection was dropped")

    def post(self, buffers: list[bytes]) -> None:
        """Send *buffers* as far as that goes without waiting. See ITransport."""
        if self._shut and buffers and not self._out:
            self._lose(BrokenPipeError("written after shutdown()"))
        if not self.closed and self.error is None:
            self._out += b"".join(buffers)
            self._move()

    def unsent(self) -> int:
        """Return how many bytes given to post() or write() have not left."""
        return len(self._out)

    def _move(self) -> None:
        """Have the other end take what it has room for."""
        room = max(self._room(), 0)
        data = bytes(self._out[:room])
        del self._out[:room]
        self.written += len(data)
        if data:
            self._moved = monotonic()
            self._carry(data)
        if self._out:
            self._drained.clear()
        elif not self._drained.is_set():
            self._drained.set()
            if self._shut:
                self._carry_end()
            self._soon(self._tell_drained)

    def _tell_drained(self) -> None:
        if self.on_drained is not None and not self._out:
            self.on_drained()

    # How things get to the other end, which a network with faults does otherwise

    def _room(self) -> int:
        """Return how many bytes more the other end takes."""
        return self._peer._capacity - len(self._peer._here)

    def _carry(self, data: bytes) -> None:
        self._peer.arrive(data)

    def _carry_end(self) -> None:
        self._peer._hear_end()

    def _carry_close(self) -> None:
        self._peer._lose(ConnectionResetError("the other end is closed"))
        self._peer._hear_end()

    def _wait_until_drained(self, timeout: float | None) -> None:
        self._moved = monotonic()
        left = timeout
        while not self._drained.wait(left):
            left = self._moved + (timeout or 0.0) - monotonic()
            if left <= 0.0:
                raise TimeoutError("the peer takes no more bytes")

    def _lose(self, error: OSError) -> None:
        self.error = error
        self._out.clear()
        self._drained.set()

    # Ending, and what is general

    def breathe(self) -> None:
        """Let other greenlets run."""
        gevent.sleep(0)

    def event(self) -> Any:
        """Return an event whose wait() lets other greenlets run."""
        return Event()

    def shutdown(self) -> None:
        """Tell the other end that nothing more comes, once all that was posted has left."""
        if not self._shut and not self.closed:
            self._shut = True
            if not self._out:
                self._carry_end()

    def close(self) -> None:
        """Drop the stream now and wake who waits for it; what has arrived can still be read."""
        if not self.closed:
            self.closed = True
            self.on_neglect = self.on_drained = None
            self._here.clear()
            self._out.clear()
            self._drained.set()
            self._hear_end()
            self._carry_close()

    def cut(self) -> None:
        """Lose the stream, as when a network fails: then both ends raise ConnectionResetError.

        What has arrived can still be read, all else is lost.
        """
        for end in (self, self._peer):
            end.lose()

    def lose(self) -> None:
        """Do for this end alone what cut() does for both."""
        self._cut = True
        self._lose(ConnectionResetError("the stream is cut"))
        self._hear_end()


def transports(capacity: int | None = CAPACITY) -> tuple[MemoryTransport, MemoryTransport]:
    """Return the two ends of a new stream, the client's first.

    *capacity* is how many bytes each takes before it reads any; None is no limit.
    """
    client = MemoryTransport("client", "server", capacity)
    server = MemoryTransport("server", "client", capacity)
    client.join(server)
    server.join(client)
    return client, server


classImplements(MemoryTransport, ITransport)
