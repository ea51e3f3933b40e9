from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from time import monotonic
from weakref import ref

import gevent
import pytest
from gevent.event import Event
from zope.interface.verify import verifyObject

from geventws.interfaces import IEvent, ITransport
from geventws.transport import Transport, bare, breathe
from setup import ROOT
from tests.pairs import BIG, Kind, burn, drop, each_kind, ends, flood, plain_and_tls, tcp, tls

pytestmark = pytest.mark.usefixtures("leaks_nothing")


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


def test_bare_socket_takes_the_place_of_gevents() -> None:
    client, server = tcp()
    address = client.getsockname()
    one, other = Transport(bare(client)), Transport(server)
    assert client.fileno() == -1
    assert one.local_address == address
    one.post([b"abc"])
    assert other.read(10.0) == b"abc"
    drop(one, other)


def test_tls_socket_stays_what_it_is() -> None:
    client, server = tls()
    assert bare(client) is client
    drop(Transport(client), Transport(server))


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
    assert 0.099 < monotonic() - start < 8
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
    assert 0.099 < worker.get(timeout=5) < 3
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
        breathe()
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
    with gevent.Timeout(10):
        while not one.readable():  # the end of TCP may come a moment after that of TLS
            breathe()
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


def test_readers_go_on_one_after_the_other_whatever_each_does_next() -> None:
    pairs = [ends() for _ in range(4)]
    done: list[int] = []
    held = Event()

    def block(number: int) -> None:
        done.append(number)
        held.wait()

    def end(number: int) -> None:
        done.append(number)

    def read_on(number: int) -> None:
        done.append(number)
        assert pairs[number][0].read() == b"more"
        done.append(number)

    def serve(number: int, then: Callable[[int], None]) -> None:
        assert pairs[number][0].read() == b"x"
        then(number)

    deeds = [block, end, read_on, end]
    readers = [gevent.spawn(serve, number, deed) for number, deed in enumerate(deeds)]
    breathe()
    for _, other in pairs:
        other.post([b"x"])
    breathe()
    assert sorted(done) == [0, 1, 2, 3]
    pairs[2][1].post([b"more"])
    held.set()
    gevent.joinall(readers, timeout=10, raise_error=True)
    assert done[4:] == [2]
    for pair in pairs:
        drop(*pair)


def test_reader_whose_stream_another_one_closes_before_its_turn_is_told_so() -> None:
    pairs = [ends(), ends()]
    came: list[bytes] = []

    def serve(number: int) -> None:
        came.append(pairs[number][0].read())
        pairs[1 - number][0].close()

    readers = [gevent.spawn(serve, number) for number in range(2)]
    breathe()
    for _, other in pairs:
        other.post([b"x"])
    gevent.joinall(readers, timeout=10, raise_error=True)
    assert came == [b"x", b""]
    for pair in pairs:
        drop(*pair)


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
