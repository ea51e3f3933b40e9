from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from geventws.adapters.ws4py.transports import ObjectTransport, look_after, transport_of
from geventws.interfaces import ITransport
from geventws.sockets import SocketTransport
from setup import ROOT
from tests.threads import PATIENCE, Threads, joined_threads, read, write


class Pipe:
    """Takes what is sent, when the test lets it, and has nothing to receive."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.in_sendall = Event()
        self.go_on = Event()
        self.go_on.set()
        self.ends: list[Any] = []

    def recv(self, size: int) -> bytes:
        return b""

    def sendall(self, data: bytes) -> None:
        self.in_sendall.set()
        assert self.go_on.wait(PATIENCE)
        self.sent.append(data)

    def shutdown(self, how: int) -> None:
        self.ends.append(how)

    def close(self) -> None:
        self.ends.append("closed")


class Broken(Pipe):
    def sendall(self, data: bytes) -> None:
        raise BrokenPipeError("gone")

    def shutdown(self, how: int) -> None:
        raise OSError("gone")


@contextmanager
def over(kind: Any = Pipe) -> Iterator[tuple[Any, ObjectTransport, Threads]]:
    """Give an object and its transport."""
    source = kind()
    with joined_threads() as threads:
        yield source, ObjectTransport(source), threads


def test_transport_fits_what_it_is_over() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert type(transport_of(near)) is SocketTransport
    assert type(transport_of(Pipe())) is ObjectTransport
    with pytest.raises(TypeError, match="sock"):
        transport_of(object())


def test_socket_of_gevent_needs_the_hub() -> None:
    program = """
from gevent import socket
from geventws.adapters.ws4py.websocket import WebSocket
near, far = socket.socketpair()
try:
    WebSocket(near).send("x")
except TypeError as error:
    print(error)
near.close()
far.close()
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert "import geventws.adapters.ws4py.hub first" in done.stdout, done.stderr


def test_transport_keeps_its_contract() -> None:
    transport = ObjectTransport(Pipe())
    assert verifyObject(ITransport, transport)
    look_after(transport, None)  # which is nothing, for threads


def test_object_that_knows_addresses_is_asked_for_them() -> None:
    near, far = socket.socketpair()
    with near, far:
        transport = ObjectTransport(near)
        assert (transport.local_address, transport.peer_address) == ("", "")
        write(transport, b"there")
        assert far.recv(64) == b"there"
        far.sendall(b"back")
        assert read(transport) == b"back"


def test_bytes_of_two_threads_leave_one_after_the_other() -> None:
    with over() as (source, transport, threads):
        source.go_on.clear()
        first = threads.start(write, transport, b"first ", b"of two")
        assert source.in_sendall.wait(PATIENCE)
        with transport.monitor:
            transport.post([b"posted"])
        second = threads.start(write, transport, b"second")
        while transport.unsent() < 24:
            with transport.monitor:
                transport.breathe()
        source.go_on.set()
        first.result(PATIENCE)
        second.result(PATIENCE)
        assert source.sent[0] == b"first of two"
        assert b"".join(source.sent[1:]) == b"postedsecond"
        assert (transport.unsent(), transport.written) == (0, 24)


def test_owner_is_told_when_all_has_left() -> None:
    with over() as (_, transport, _):
        told: list[int] = []
        transport.on_drained = lambda: told.append(transport.unsent())
        write(transport, b"x")
        write(transport)
        assert told == [0]


def test_write_raises_where_the_object_does() -> None:
    with over(Broken) as (_, transport, _):
        with pytest.raises(ConnectionAbortedError):
            write(transport, b"x")
        assert transport.torn
        with transport.monitor:
            transport.post([b"more"])
            transport.shutdown()
            transport.close()
        assert transport.unsent() == 0


def test_shutdown_and_close_are_passed_on_once() -> None:
    with over() as (source, transport, _), transport.monitor:
        assert not transport.readable()
        assert transport.read_now() is None
        transport.shutdown()
        transport.shutdown()
        transport.close()
        transport.close()
        assert source.ends == [socket.SHUT_WR, socket.SHUT_RDWR, "closed"]
        assert transport.readable()
        assert (transport.read(None), transport.read_now()) == (b"", b"")
        with pytest.raises(ConnectionAbortedError):
            transport.write([b"late"])


def test_close_wakes_who_waits_to_send() -> None:
    with over() as (source, transport, threads):
        source.go_on.clear()
        first = threads.start(write, transport, b"first")
        assert source.in_sendall.wait(PATIENCE)
        second = threads.start(write, transport, b"second")
        while transport.unsent() < 11:
            with transport.monitor:
                transport.breathe()
        with transport.monitor:
            transport.close()
        with pytest.raises(ConnectionAbortedError):
            second.result(PATIENCE)
        source.go_on.set()
        with pytest.raises(ConnectionAbortedError):
            first.result(PATIENCE)
