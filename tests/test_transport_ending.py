from __future__ import annotations

import gevent
import pytest
from gevent.event import Event
from gevent.socket import SHUT_WR

from geventws.transport import CHUNK, Transport
from tests.pairs import (
    BIG,
    SMALL,
    Kind,
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


# A stream that is lost


@plain_and_tls
def test_write_ends_when_the_stream_is_lost_while_it_waits(kind: Kind) -> None:
    client, server = kind(SMALL)
    one = Transport(server)
    writer = gevent.spawn(one.write, [BIG], None)
    gevent.sleep(0.001)
    assert not writer.ready()
    reset(client)
    with pytest.raises(ConnectionAbortedError) as raised:
        writer.get(timeout=5)
    assert isinstance(raised.value.__cause__, OSError)
    assert one.torn
    assert one.unsent() == 0
    with pytest.raises(ConnectionAbortedError):
        one.write([b"x"])
    one.close()


def test_write_to_a_unix_peer_that_went_is_an_error() -> None:
    client, server = unix()
    one = Transport(server)
    client.close()
    with pytest.raises(ConnectionAbortedError) as raised:
        one.write([b"x"])
    assert isinstance(raised.value.__cause__, BrokenPipeError)
    one.close()


def test_reader_learns_that_a_write_met_the_end() -> None:
    client, server = unix()
    one = Transport(server)
    reader = gevent.spawn(one.read)
    gevent.sleep(0)
    server.shutdown(SHUT_WR)  # by itself it tells a reader nothing
    one.post([b"x"])
    with pytest.raises(ConnectionAbortedError) as raised:
        reader.get(timeout=5)
    assert isinstance(raised.value.__cause__, BrokenPipeError)
    one.close()
    client.close()


def test_drained_is_told_when_the_stream_is_lost() -> None:
    client, server = tcp(SMALL)
    one = Transport(server)
    one.post([BIG])
    drained = Event()
    one.on_drained = drained.set
    reset(client)
    assert drained.wait(5)
    one.close()
