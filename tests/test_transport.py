from __future__ import annotations

import subprocess
import sys
from time import monotonic
from weakref import ref

import gevent
import pytest
from gevent.event import Event
from gevent.socket import SHUT_WR
from zope.interface.verify import verifyObject

from geventws.interfaces import IEvent, ITransport
from geventws.transport import CHUNK, Transport, breathe
from setup import ROOT
from tests.pairs import (
    BIG,
    SMALL,
    Kind,
    burn,
    drop,
    each_kind,
    ends,
    flood,
    plain_and_tls,
    read_all,
    reset,
    tcp,
    unix,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def turns(hub_runs_for: float) -> int:
    """Return how often the hub's loop goes round in so many seconds with nothing to do."""
    rounds = 0

    def count() -> None:
        nonlocal rounds
        rounds += 1

    check = gevent.get_hub().loop.check()
    check.start(count)
    gevent.sleep(hub_runs_for)
    check.stop()
    check.close()
    return rounds


# What it is


def test_transport_keeps_its_contract() -> None:
    one, other = ends()
    assert verifyObject(ITransport, one)
    assert verifyObject(IEvent, one.event(), tentative=True)
    drop(one, other)


def test_transport_knows_both_addresses() -> None:
    client, server = tcp()
    one, other = Transport(client), Transport(server)
    assert one.local_address == other.peer_address
    assert one.peer_address == other.local_address
    drop(one, other)


def test_transport_has_no_peer_address_when_the_peer_went_before_it_looked() -> None:
    client, server = tcp()
    client.close()
    server.sendall(b"x")  # is answered with a reset
    assert server.recv(1) == b""
    transport = Transport(server)
    assert transport.peer_address is None
    transport.close()


def test_transport_is_freed_when_closed_and_let_go() -> None:
    one, other = ends()
    seen = ref(one)
    drop(one, other)
    gevent.sleep(0)
    del one
    assert seen() is None


# Reading


@each_kind
def test_read_waits_for_bytes(kind: Kind) -> None:
    one, other = ends(kind)
    reader = gevent.spawn(one.read)
    gevent.sleep(0)
    other.post([b"hello"])
    assert reader.get(timeout=5) == b"hello"
    drop(one, other)


@each_kind
def test_read_returns_what_is_here_already(kind: Kind) -> None:
    one, other = ends(kind)
    other.post([b"hello"])
    assert one.read(5) == b"hello"
    drop(one, other)


@each_kind
def test_read_returns_nothing_at_the_end_of_the_stream(kind: Kind) -> None:
    one, other = ends(kind)
    other.post([b"last"])
    other.shutdown()
    assert one.read(5) == b"last"
    assert one.read(5) == b""
    assert one.read(5) == b""
    drop(one, other)


@each_kind
def test_read_times_out_on_time(kind: Kind) -> None:
    one, other = ends(kind)
    start = monotonic()
    with pytest.raises(TimeoutError):
        one.read(0.1)
    assert 0.099 < monotonic() - start < 0.3
    other.post([b"later"])
    assert one.read(5) == b"later"
    drop(one, other)


def test_read_counts_its_timeout_from_its_call_after_work_without_a_switch() -> None:
    one, other = ends()

    def busy() -> float:
        one.read()  # the loop's idea of now is that of this moment
        burn(0.2)
        start = monotonic()
        with pytest.raises(TimeoutError):
            one.read(0.1)
        return monotonic() - start

    worker = gevent.spawn(busy)
    gevent.sleep(0)
    other.post([b"x"])
    assert 0.099 < worker.get(timeout=5) < 0.3
    drop(one, other)


@each_kind
def test_read_without_time_returns_what_is_here(kind: Kind) -> None:
    one, other = ends(kind)
    other.post([b"first"])
    assert one.read(5) == b"first"
    with pytest.raises(TimeoutError):
        one.read(0)
    other.post([b"second"])
    assert one.read(0) == b"second"
    drop(one, other)


@each_kind
def test_read_loses_nothing_when_it_is_interrupted_again_and_again(kind: Kind) -> None:
    one, other = ends(kind)
    data = bytearray()

    def read() -> None:
        while len(data) < len(BIG):
            data.extend(one.read())

    writer = gevent.spawn(other.write, [BIG], None)
    while len(data) < len(BIG):
        reader = gevent.spawn(read)
        gevent.sleep(0)
        reader.kill()
    assert bytes(data) == BIG
    writer.get(timeout=5)
    drop(one, other)


def test_read_interrupted_by_a_timeout_of_gevent_goes_on() -> None:
    one, other = ends()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        one.read()
    other.post([b"x"])
    assert one.read(5) == b"x"
    drop(one, other)


@each_kind
def test_read_lets_others_run_while_there_is_always_more(kind: Kind) -> None:
    one, other = ends(kind)
    done = Event()
    rounds = 0

    def count() -> None:
        nonlocal rounds
        while rounds < 20:
            rounds += 1
            gevent.sleep(0)
        done.set()

    flooder, counter = gevent.spawn(flood, other), gevent.spawn(count)
    with gevent.Timeout(5):
        while not done.is_set():
            one.read()
    drop(one, other)
    for each in (flooder, counter):
        each.join(timeout=5)
    assert isinstance(flooder.exception, ConnectionAbortedError)


def test_read_now_never_waits() -> None:
    one, other = ends()
    assert one.read_now() is None
    other.post([b"x"])
    assert one.read_now() == b"x"
    other.shutdown()
    assert one.read_now() == b""
    drop(one, other)
    assert one.read_now() == b""


@plain_and_tls
def test_readable_tells_of_bytes_and_of_the_end(kind: Kind) -> None:
    one, other = ends(kind)
    while one.read_now() is not None:  # a TLS client is sent tickets after the handshake
        pass
    assert not one.readable()
    other.post([b"x"])
    assert one.readable()
    assert one.read(5) == b"x"
    assert one.read_now() is None
    assert not one.readable()
    other.shutdown()
    assert one.readable()
    assert one.read(5) == b""
    assert one.readable()
    one.close()
    assert one.readable()
    other.close()


def test_readable_never_switches_in_a_patched_process() -> None:
    code = """
        from gevent import monkey; monkey.patch_all()
        import gevent, socket
        from geventws.transport import Transport
        one, other = map(Transport, socket.socketpair())
        others = gevent.spawn(print, "switched")
        assert not one.readable()
        assert not others.started or not others.ready()
        other.post([b"x"])
        assert one.readable()
        assert not others.ready()
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    subprocess.run([sys.executable, "-W", "error", "-c", lines], cwd=ROOT, check=True, timeout=20)


def test_breathe_lets_those_run_for_whom_bytes_have_just_come() -> None:
    one, other = ends()
    reader = gevent.spawn(one.read)
    breathe()
    other.post([b"x"])
    breathe()  # one is enough, where gevent.sleep(0) may take 50
    assert reader.value == b"x"
    drop(one, other)


def test_breathe_can_be_interrupted() -> None:
    one, other = ends()
    breathing = gevent.spawn(one.breathe)
    gevent.sleep(0)
    breathing.kill()
    assert breathing.ready()
    drop(one, other)


# Nobody reads


def test_neglect_is_told_once_and_the_hub_rests() -> None:
    one, other = ends()
    told: list[int] = []
    one.on_neglect = lambda: told.append(1)
    assert one.read_now() is None
    other.post([b"x"])
    assert turns(0.05) < 10
    assert told == [1]
    drop(one, other)


def test_neglect_is_told_again_after_reading() -> None:
    one, other = ends()
    told: list[int] = []
    one.on_neglect = lambda: told.append(1)
    for count in range(1, 4):
        one.read_now()
        other.post([b"x"])
        gevent.sleep(0.001)
        assert len(told) == count
    drop(one, other)


def test_neglect_of_the_end_of_the_stream_lets_the_hub_rest() -> None:
    one, other = ends()
    assert one.read_now() is None
    other.close()
    assert turns(0.05) < 10
    one.close()


def test_read_after_neglect_returns_what_was_neglected() -> None:
    one, other = ends()
    with pytest.raises(TimeoutError):
        one.read(0.001)
    other.post([b"x"])
    gevent.sleep(0.001)
    assert one.read(0) == b"x"
    drop(one, other)


# Parked


@each_kind
def test_park_calls_once_when_bytes_come(kind: Kind) -> None:
    one, other = ends(kind)
    calls: list[int] = []
    while one.read_now() is not None:
        pass
    one.park(lambda: calls.append(1))
    gevent.sleep(0.001)
    assert calls == []
    other.post([b"x"])
    assert turns(0.02) < 10
    assert calls == [1]
    assert one.read(5) == b"x"
    drop(one, other)


def test_park_calls_for_bytes_that_are_here_already() -> None:
    one, other = ends()
    other.post([b"x"])
    calls: list[int] = []
    one.park(lambda: calls.append(1))
    assert calls == []  # from the hub, later
    gevent.sleep(0.001)
    assert calls == [1]
    drop(one, other)


def test_park_calls_when_the_transport_is_closed() -> None:
    one, other = ends()
    assert one.read_now() is None
    calls: list[int] = []
    one.park(lambda: calls.append(1))
    one.close()
    gevent.sleep(0.001)
    assert calls == [1]
    one.park(lambda: calls.append(2))
    gevent.sleep(0.001)
    assert calls == [1, 2]
    other.close()


# Ending


@each_kind
def test_shutdown_comes_after_all_that_was_posted(kind: Kind) -> None:
    one, other = ends(kind, SMALL)
    one.post([BIG])
    assert one.unsent()
    one.shutdown()
    one.shutdown()
    assert read_all(other, len(BIG)) == BIG
    assert other.read(5) == b""
    drop(one, other)


def test_shutdown_leaves_the_other_direction_open() -> None:
    one, other = ends()
    one.shutdown()
    assert other.read(5) == b""
    other.post([b"still"])
    assert one.read(5) == b"still"
    drop(one, other)


def test_shutdown_of_a_stream_that_is_lost_raises_nothing() -> None:
    client, server = tcp()
    transport = Transport(server)
    reset(client)
    with pytest.raises(ConnectionResetError):
        transport.read(5)
    transport.shutdown()
    assert transport.error is not None
    transport.close()


@each_kind
def test_close_wakes_the_reader_and_the_writer(kind: Kind) -> None:
    one, other = ends(kind, SMALL)
    reader = gevent.spawn(one.read)
    writer = gevent.spawn(one.write, [BIG], None)
    gevent.sleep(0.001)
    assert not writer.ready()
    one.close()
    assert reader.get(timeout=5) == b""
    with pytest.raises(ConnectionAbortedError):
        writer.get(timeout=5)
    assert one.unsent() == 0
    other.close()


def test_close_is_final() -> None:
    one, other = ends()
    one.close()
    one.close()
    one.shutdown()
    one.post([b"x"])
    assert one.read(0) == b""
    with pytest.raises(ConnectionAbortedError):
        one.write([b"x"])
    assert other.read(5) == b""
    other.close()


def test_close_during_a_share_ends_the_read() -> None:
    one, other = ends()
    writer = gevent.spawn(flood, other)
    closer = gevent.spawn_later(0.02, one.close)
    while one.read(5):
        pass
    closer.get(timeout=5)
    with pytest.raises(ConnectionAbortedError):
        writer.get(timeout=5)
    other.close()


def test_end_of_stream_behind_bytes_is_read_after_them() -> None:
    client, server = unix()
    transport = Transport(server)
    client.sendall(bytes(CHUNK))
    client.shutdown(SHUT_WR)
    assert len(read_all(transport, CHUNK)) == CHUNK
    assert transport.read(5) == b""
    transport.close()
    client.close()
