"""A TCP proxy with faults: it delays, trickles, stalls, ends or resets what passes through it.

What passes it never changes nor reorders, for TCP does not either.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.queue import Queue
from gevent.server import StreamServer

CUT, RESET, HALF_CLOSE, STALL = "cut", "reset", "half-close", "stall"
NOW_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


class Fault(NamedTuple):
    """What happens to the bytes of one direction.

    Attributes:
        kind: what happens after *at* bytes; "" is nothing. CUT ends both directions, RESET does so
            with RST, HALF_CLOSE this direction alone, and STALL takes all that follows and passes
            nothing on.
        delay: seconds that every byte is under way.
        step: bytes that are passed on at a time.
    """

    kind: str = ""
    at: int = 0
    delay: float = 0.0
    step: int = 65536


NONE: Final = Fault()


class Faulty(StreamServer):
    """The proxy; its faults hold for the connections that come from then on.

    Attributes:
        forth, back: the faults of what clients send, and of what they get.
        passed: bytes that were passed on in each direction.
        stalled: is set once a direction stalls.
    """

    def __init__(self, upstream: Any, forth: Fault = NONE, back: Fault = NONE) -> None:
        super().__init__(("127.0.0.1", 0), self._lead, spawn=Pool())
        self.forth, self.back = forth, back
        self.passed = {"forth": 0, "back": 0}
        self.stalled = Event()
        self._upstream = upstream

    @property
    def uri(self) -> str:
        """Where it leads to the server from."""
        return f"ws://127.0.0.1:{self.server_port}/"

    def _lead(self, sock: Any, address: Any) -> None:
        with sock, socket.create_connection(self._upstream) as further:
            for each in (sock, further):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(self)
            ways = [
                gevent.spawn(link.carry, sock, further, self.forth, "forth"),
                gevent.spawn(link.carry, further, sock, self.back, "back"),
            ]
            try:
                gevent.joinall(ways)
            finally:
                gevent.killall(ways)


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Faulty) -> None:
        self._proxy = proxy

    def carry(self, source: Any, target: Any, fault: Fault, name: str) -> None:
        """Pass on what *source* says until it ends, or as long as *fault* allows."""
        passed = 0
        with suppress(OSError):
            for part in _delayed(source, fault):
                if fault.kind:
                    part = part[: fault.at - passed]
                _pass_on(part, target, fault.step)
                passed += len(part)
                self._proxy.passed[name] += len(part)
                if fault.kind and passed == fault.at:
                    self._go_wrong(source, target, fault.kind)
                    return
            target.shutdown(socket.SHUT_WR)

    def _go_wrong(self, source: Any, target: Any, kind: str) -> None:
        if kind == STALL:
            self._proxy.stalled.set()
            Event().wait()  # until the proxy is stopped
        elif kind == HALF_CLOSE:
            target.shutdown(socket.SHUT_WR)
            while source.recv(65536):  # nobody is there for it
                pass
        else:
            for each in (source, target):
                _end(each, kind)


def _end(sock: Any, kind: str) -> None:
    """End both directions of *sock*."""
    if kind == RESET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW_RESET)
        sock.close()
    else:
        with suppress(OSError):  # it may have ended by itself
            sock.shutdown(socket.SHUT_RDWR)


def _pass_on(part: bytes, target: Any, step: int) -> None:
    for at in range(0, len(part), step):
        target.sendall(part[at : at + step])
        if step < len(part):
            gevent.sleep(0)  # so that who reads reads it by itself


def _delayed(source: Any, fault: Fault) -> Iterator[bytes]:
    """Yield what *source* says, so much later, and end when it does."""
    if not fault.delay:
        while data := source.recv(65536):
            yield data
        return
    on_its_way: Any = Queue()
    reading = gevent.spawn(_read_into, on_its_way, source, fault.delay)
    try:
        while item := on_its_way.get():
            due, data = item
            gevent.sleep(max(0, due - gevent.get_hub().loop.now()))
            yield data
    finally:
        reading.kill()


def _read_into(on_its_way: Any, source: Any, delay: float) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            on_its_way.put((gevent.get_hub().loop.now() + delay, data))
    on_its_way.put(None)


@contextmanager
def through(upstream: Any, forth: Fault = NONE, back: Fault = NONE) -> Iterator[Faulty]:
    """Have a proxy run in front of *upstream*."""
    proxy = Faulty(upstream, forth, back)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop(timeout=0)
