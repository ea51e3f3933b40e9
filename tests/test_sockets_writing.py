from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from threading import Event
from threading import enumerate as threads_now

import pytest

from tests.threads import (
    BIG,
    PATIENCE,
    Kind,
    Threads,
    both_securities,
    close,
    each_kind,
    end_and_peer,
    ends,
    joined_threads,
    no_more_threads,
    post,
    read,
    read_all,
    receive,
    tcp,
    tls,
    write,
)


@pytest.fixture
def threads() -> Iterator[Threads]:
    with joined_threads() as started:
        yield started


# Writing


@each_kind
def test_post_drops_the_stream_where_no_thread_can_send_what_is_left(kind: Kind) -> None:
    with end_and_peer(kind) as (transport, _):
        with no_more_threads():
            post(transport, BIG)
        assert transport.closed
        assert transport.unsent() == 0
        with pytest.raises(ConnectionResetError) as raised:
            write(transport, b"more")
        assert "no thread could be started to send" in str(raised.value.__cause__)


@each_kind
def test_write_waits_until_all_has_left(kind: Kind, threads: Threads) -> None:
    with ends(kind) as (one, other):
        reading = threads.start(read_all, other, len(BIG) + 3)
        write(one, b"abc", b"", BIG)
        assert one.unsent() == 0
        assert one.written == len(BIG) + 3
        assert reading.result(PATIENCE) == b"abc" + BIG


@each_kind
def test_one_thread_reads_while_another_one_writes(kind: Kind, threads: Threads) -> None:
    with ends(kind) as (one, other):
        reading = [threads.start(read_all, end, len(BIG)) for end in (one, other)]
        writing = [threads.start(write, end, BIG) for end in (one, other)]
        for written in writing:
            written.result(PATIENCE)
        for data in reading:
            assert data.result(PATIENCE) == BIG


@both_securities
def test_write_raises_when_the_peer_takes_nothing(kind: Kind) -> None:
    with ends(kind) as (one, _):
        with pytest.raises(TimeoutError, match="the peer takes no more bytes"):
            write(one, BIG, timeout=0.01)
        assert one.torn


@both_securities
def test_write_waits_as_long_as_there_is_progress(kind: Kind, threads: Threads) -> None:
    with end_and_peer(kind) as (transport, peer):
        writing = threads.start(lambda: write(transport, BIG, timeout=1.0))
        assert receive(peer, len(BIG)) == BIG
        writing.result(PATIENCE)


def test_write_takes_back_what_did_not_leave(threads: Threads) -> None:
    with end_and_peer() as (transport, peer):
        post(transport, BIG)
        assert transport.unsent()
        with pytest.raises(TimeoutError):
            write(transport, b"never", timeout=0)
        assert not transport.torn
        post(transport, b"later")
        assert receive(peer, len(BIG) + 5) == BIG + b"later"


def test_write_over_tls_takes_nothing_back() -> None:
    with ends(tls) as (one, _):
        post(one, BIG)
        with pytest.raises(TimeoutError):
            write(one, b"never", timeout=0)
        assert one.torn


def test_write_raises_when_the_stream_is_lost() -> None:
    with end_and_peer(tcp) as (transport, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with transport.monitor:
            while not transport.readable():
                transport.breathe()
        with pytest.raises(ConnectionResetError, match="the connection is lost"):
            write(transport, b"x")
        post(transport, b"y")  # raises nothing
        assert transport.unsent() == 0


def test_write_raises_when_the_stream_is_dropped() -> None:
    with ends() as (one, _):
        close(one)
        with pytest.raises(ConnectionAbortedError, match="dropped"):
            write(one, b"x")


# Posting


@both_securities
def test_post_sends_the_rest_by_itself(kind: Kind) -> None:
    with end_and_peer(kind) as (transport, peer):
        drained = Event()
        transport.on_drained = drained.set
        post(transport, BIG)
        assert transport.unsent()
        post(transport, b"and", b"this")
        assert receive(peer, len(BIG) + 7) == BIG + b"andthis"
        assert drained.wait(PATIENCE)
        assert transport.unsent() == 0


@both_securities
def test_post_sends_while_another_thread_waits_for_bytes(kind: Kind, threads: Threads) -> None:
    with end_and_peer(kind) as (transport, peer):
        reading = threads.start(read, transport)
        post(transport, BIG)
        assert receive(peer, len(BIG)) == BIG
        peer.sendall(b"x")
        assert reading.result(PATIENCE) == b"x"


def test_post_stays_behind_what_is_being_written(threads: Threads) -> None:
    with end_and_peer() as (transport, peer):
        writing = threads.start(write, transport, BIG)
        with transport.monitor:
            while not transport.unsent():
                transport.breathe()
        post(transport, b"after")
        assert receive(peer, len(BIG) + 5) == BIG + b"after"
        writing.result(PATIENCE)


def test_no_thread_is_left_when_all_has_been_sent() -> None:
    with end_and_peer() as (transport, peer):
        post(transport, BIG)
        (sender,) = [each for each in threads_now() if each.name == "geventws send"]
        receive(peer, len(BIG))
        sender.join(PATIENCE)
        assert not sender.is_alive()
