from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from threading import Event

import pytest
from zope.interface.verify import verifyObject

from geventws.interfaces import IEvent, ITransport
from geventws.sockets import Monitor, SocketTransport
from setup import ROOT
from tests.threads import (
    BIG,
    PATIENCE,
    Kind,
    Threads,
    await_waiters,
    both_securities,
    close,
    each_kind,
    end_and_peer,
    end_writing,
    ends,
    joined_threads,
    post,
    read,
    read_all,
    receive,
    tcp,
    tls,
    unix,
    write,
)


@pytest.fixture
def threads() -> Iterator[Threads]:
    with joined_threads() as started:
        yield started


# The seam


def test_transport_keeps_its_contract() -> None:
    with ends() as (one, _):
        assert verifyObject(ITransport, one)
        assert verifyObject(IEvent, one.event(), tentative=True)


def test_transport_knows_both_addresses() -> None:
    with ends(tcp) as (one, other):
        assert one.local_address == other.peer_address
        assert other.local_address == one.peer_address


def test_transport_of_a_lost_peer_has_no_address_of_it() -> None:
    near, far = tcp()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    with pytest.raises(ConnectionResetError):
        near.recv(1)
    transport = SocketTransport(near)
    assert transport.peer_address is None
    close(transport)


# Monitor


def test_monitor_lets_one_thread_in_at_a_time(threads: Threads) -> None:
    monitor = Monitor()
    inside = Event()

    def enter() -> None:
        with monitor:
            inside.set()

    with monitor:
        entered = threads.start(enter)
        assert not inside.wait(0.05)
    entered.result(PATIENCE)


def test_monitor_is_left_altogether_by_who_entered_it_twice(threads: Threads) -> None:
    monitor = Monitor()

    def enter() -> str:
        with monitor:
            return "was in"

    with monitor, monitor:
        with monitor.outside():
            assert threads.start(enter).result(PATIENCE) == "was in"
        late = threads.start(enter)
        assert not late.done()
    assert late.result(PATIENCE) == "was in"


def test_event_lets_others_in_while_it_is_waited_for(threads: Threads) -> None:
    with ends() as (one, _):
        event = one.event()

        def set_it() -> None:
            with one.monitor:
                event.set()

        with one.monitor:
            assert not event.wait(0.001)
            threads.start(set_it)
            assert event.wait(PATIENCE)
            assert event.is_set()


def test_breathe_lets_others_in(threads: Threads) -> None:
    with ends() as (one, _):
        inside = Event()

        def enter() -> None:
            with one.monitor:
                inside.set()

        with one.monitor:
            threads.start(enter)
            while not inside.is_set():
                one.breathe()


# Reading


@each_kind
def test_read_waits_for_bytes(kind: Kind, threads: Threads) -> None:
    with ends(kind) as (one, other):
        reading = threads.start(read, one)
        write(other, b"some", b"thing")
        data = reading.result(PATIENCE)
        assert b"something".startswith(data)
        assert data + read_all(one, 9 - len(data)) == b"something"


@each_kind
def test_read_returns_nothing_at_the_end_of_the_stream(kind: Kind) -> None:
    with ends(kind) as (one, other):
        write(other, b"last")
        end_writing(other)
        assert read(one) == b"last"
        assert read(one) == b""
        assert read(one) == b""


@each_kind
def test_read_raises_when_nothing_comes_in_time(kind: Kind) -> None:
    with ends(kind) as (one, other):
        with pytest.raises(TimeoutError, match="nothing arrived in time"):
            read(one, 0.01)
        write(other, b"late")
        assert read(one) == b"late"


@each_kind
def test_read_takes_what_is_here_when_it_may_not_wait(kind: Kind) -> None:
    with end_and_peer(kind) as (transport, peer):
        with pytest.raises(TimeoutError):
            read(transport, 0)
        peer.sendall(b"here")
        with transport.monitor:
            while not transport.readable():
                transport.breathe()
        assert read(transport, 0) == b"here"


def test_read_raises_when_the_stream_is_reset() -> None:
    with end_and_peer(tcp) as (transport, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with pytest.raises(ConnectionResetError):
            read(transport)


def test_read_now_returns_none_where_nothing_is_here() -> None:
    with ends() as (one, other), one.monitor:
        assert one.read_now() is None
        assert not one.readable()
        write(other, b"x")
        assert one.readable()
        assert one.read_now() == b"x"


def test_readable_sees_what_tls_holds() -> None:
    with end_and_peer(tls) as (transport, peer):
        peer.sendall(b"x" * 100_000)
        with transport.monitor:
            total = len(transport.read(PATIENCE))
            while total < 100_000:
                total += len(transport.read(PATIENCE))
            assert not transport.readable()
        close(transport)
        assert transport.readable()


@both_securities
def test_pending_tells_of_what_the_descriptor_does_not(kind: Kind) -> None:
    with end_and_peer(kind) as (transport, peer):
        peer.sendall(b"some bytes")
        with transport.monitor:
            data = transport.read(PATIENCE)
            assert not transport.pending()
            peer.sendall(b"more")
            while not data.endswith(b"bytesm"):
                try:
                    data += transport._socket.recv(1)
                except (BlockingIOError, ssl.SSLWantReadError):
                    transport.breathe()
            assert transport.pending() is (kind is tls)


# Ending


@both_securities
def test_shutdown_lets_what_was_posted_leave_first(kind: Kind) -> None:
    with end_and_peer(kind) as (transport, peer):
        post(transport, BIG)
        end_writing(transport)
        end_writing(transport)
        assert receive(peer, len(BIG)) == BIG
        assert peer.recv(1) == b""
        if kind is unix:  # a TLS socket of the standard library cannot go on after that
            peer.sendall(b"still")
            assert read(transport) == b"still"


@each_kind
def test_close_wakes_a_reader(kind: Kind, threads: Threads) -> None:
    with ends(kind) as (one, _):
        reading = threads.start(read, one, None)
        await_waiters(one, 1)
        close(one)
        close(one)
        assert reading.result(PATIENCE) == b""
        end_writing(one)


@each_kind
def test_close_wakes_a_writer(kind: Kind, threads: Threads) -> None:
    with ends(kind) as (one, _):
        writing = threads.start(lambda: write(one, BIG, timeout=None))
        await_waiters(one, 1)
        close(one)
        with pytest.raises(ConnectionAbortedError):
            writing.result(PATIENCE)


def test_close_keeps_the_descriptor_until_nobody_polls_it(threads: Threads) -> None:
    near, far = unix()
    transport = SocketTransport(near)
    reading = threads.start(read, transport, None)
    await_waiters(transport, 1)
    with transport.monitor:
        transport.close()
        assert near.fileno() >= 0
    reading.result(PATIENCE)
    assert near.fileno() < 0
    far.close()


@each_kind
def test_descriptor_that_is_held_outlives_the_stream(kind: Kind) -> None:
    near, far = kind()
    transport = SocketTransport(near)
    with far, transport.monitor:
        assert transport.hold() == transport.hold() == near.fileno()
        transport.close()
        transport.let_go()
        assert near.fileno() >= 0
        assert transport.readable()  # who polls it is told
        transport.let_go()
        assert near.fileno() < 0


def test_descriptor_that_nobody_holds_stays_until_the_end() -> None:
    near, far = unix()
    transport = SocketTransport(near)
    with far, transport.monitor:
        transport.hold()
        transport.let_go()
        assert near.fileno() >= 0
        transport.close()
        assert near.fileno() < 0


# Where it works


def test_transport_works_with_a_high_descriptor(threads: Threads) -> None:
    near, far = unix()
    high = socket.socket(fileno=fcntl.fcntl(near.fileno(), fcntl.F_DUPFD, 1500))
    near.close()
    assert high.fileno() >= 1500  # select() knows 1024
    transport = SocketTransport(high)
    reading = threads.start(read, transport)
    far.sendall(b"high")
    assert reading.result(PATIENCE) == b"high"
    close(transport)
    far.close()


def test_tls_of_the_older_version_works_too(threads: Threads) -> None:
    with ends(lambda: tls(ssl.TLSVersion.TLSv1_2)) as (one, other):
        reading = threads.start(read_all, other, len(BIG))
        write(one, BIG)
        assert reading.result(PATIENCE) == BIG


PATCHED = """
from gevent import monkey
monkey.patch_all()
import gevent, socket
from geventws.sockets import SocketTransport

one, other = map(SocketTransport, socket.socketpair())
big = bytes(4 << 20)

def read_all():
    total = 0
    while total < len(big):
        with other.monitor:
            total += len(other.read(10))
    return total

def write():
    with one.monitor:
        one.write([big], 10)

reading, writing = gevent.spawn(read_all), gevent.spawn(write)
gevent.joinall([reading, writing], raise_error=True)
assert reading.value == len(big)
with one.monitor:
    waiting = gevent.spawn(lambda: one.event().wait(0.01))
    one.post([big])
    assert one.unsent()
assert gevent.spawn(read_all).get() == len(big)
with one.monitor:
    while one.unsent():
        one.breathe()
    one.close()
with other.monitor:
    assert other.read(10) == b""
    other.close()
print("done")
"""


def test_transport_works_in_a_process_that_gevent_has_patched() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PATCHED], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
