from __future__ import annotations

from itertools import pairwise
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.transport import Transport
from tests.pairs import (
    BIG,
    SMALL,
    Kind,
    burn,
    drop,
    each_kind,
    ends,
    read_all,
    reset,
    tcp,
    tls,
    unix,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")

plain_kinds = pytest.mark.parametrize("kind", [tcp, unix], ids=["tcp", "unix"])


def stuffed(kind: Kind) -> tuple[Transport, Transport, bytes]:
    """Return two transports, and the bytes that the first one posted and could not send yet."""
    one, other = ends(kind, SMALL)
    one.post([BIG])
    assert 0 < one.unsent() <= len(BIG)
    return one, other, BIG


def interrupted(transport: Transport, buffers: list[bytes]) -> None:
    """Write *buffers* and be interrupted while waiting."""
    writer = gevent.spawn(transport.write, buffers, None)
    gevent.sleep(0)
    assert not writer.ready()
    writer.kill()


# Posting


@each_kind
def test_post_sends_at_once(kind: Kind) -> None:
    one, other = ends(kind)
    one.post([b"a", b"b", b"", b"c"])
    assert one.unsent() == 0
    assert one.written == 3
    assert read_all(other, 3) == b"abc"
    drop(one, other)


@each_kind
def test_post_keeps_the_order_of_what_cannot_leave_at_once(kind: Kind) -> None:
    one, other, first = stuffed(kind)
    before = one.unsent()
    one.post([b"second", b"third"])
    assert one.unsent() == before + 11
    assert read_all(other, len(first) + 11) == first + b"secondthird"
    assert one.unsent() == 0
    assert one.written == len(first) + 11
    drop(one, other)


@each_kind
def test_drained_is_told_when_all_has_left(kind: Kind) -> None:
    one, other, first = stuffed(kind)
    unsent: list[int] = []
    drained = Event()

    def on_drained() -> None:
        unsent.append(one.unsent())
        drained.set()

    one.on_drained = on_drained
    assert read_all(other, len(first)) == first
    assert drained.wait(5)
    one.post([b"leaves at once"])
    gevent.sleep(0.001)
    assert unsent == [0]
    drop(one, other)


def test_drained_may_post_more() -> None:
    one, other, first = stuffed(unix)
    more = [b"last", BIG]
    one.on_drained = lambda: one.post([more.pop()] if more else [])
    assert read_all(other, len(first) + len(BIG) + 4) == first + BIG + b"last"
    drop(one, other)


def test_post_raises_nothing_for_a_stream_that_is_lost() -> None:
    client, server = tcp()
    one = Transport(server)
    reset(client)
    one.post([b"x", b"y"])
    one.post([b"z"])
    assert one.unsent() == 0
    assert one.error is not None
    one.close()


@each_kind
def test_hub_rests_once_all_has_left(kind: Kind) -> None:
    one, other, first = stuffed(kind)
    assert read_all(other, len(first)) == first
    gevent.sleep(0.001)
    assert one.unsent() == 0
    loop = gevent.get_hub().loop
    active = loop.activecnt
    one.post([b"x"])
    gevent.sleep(0)
    assert loop.activecnt == active
    drop(one, other)


# Writing


@each_kind
def test_write_returns_when_the_kernel_has_all(kind: Kind) -> None:
    one, other = ends(kind, SMALL)
    writer = gevent.spawn(one.write, [b"head", BIG, b"tail"], None)
    gevent.sleep(0.001)
    assert not writer.ready()
    assert read_all(other, len(BIG) + 8) == b"head" + BIG + b"tail"
    writer.get(timeout=5)
    assert one.unsent() == 0
    assert not one.torn
    drop(one, other)


@each_kind
def test_write_waits_for_what_was_posted_before(kind: Kind) -> None:
    one, other, first = stuffed(kind)
    writer = gevent.spawn(one.write, [b"written"], None)
    gevent.sleep(0)
    one.post([b"posted"])
    assert not writer.ready()
    assert read_all(other, len(first) + 13) == first + b"writtenposted"
    writer.get(timeout=5)
    drop(one, other)


@each_kind
def test_write_goes_both_ways_at_once(kind: Kind) -> None:
    one, other = ends(kind, SMALL)
    data = BIG * 4
    writers: list[Any] = [gevent.spawn(each.write, [data], None) for each in (one, other)]
    readers = [gevent.spawn(read_all, each, len(data)) for each in (one, other)]
    gevent.joinall([*writers, *readers], timeout=10, raise_error=True)
    assert [reader.value == data for reader in readers] == [True, True]
    drop(one, other)


def test_write_lets_others_run_beside_a_peer_that_reads_at_once() -> None:
    one, other = ends(unix)
    rounds = 0

    def count() -> None:
        nonlocal rounds
        while not writer.ready():
            rounds += 1
            gevent.sleep(0)

    writer = gevent.spawn(one.write, [BIG * 8], None)
    counter = gevent.spawn(count)
    read_all(other, len(BIG) * 8)
    both: list[Any] = [writer, counter]
    gevent.joinall(both, timeout=5, raise_error=True)
    assert rounds > 10
    drop(one, other)


# A write that is broken off


@each_kind
def test_write_times_out_without_any_progress(kind: Kind) -> None:
    one, other, _ = stuffed(kind)
    gevent.sleep(0.001)  # what the kernel takes late
    start = monotonic()
    with pytest.raises(TimeoutError):
        one.write([b"x"], 0.1)
    assert 0.099 < monotonic() - start < 8
    drop(one, other)


def test_write_takes_its_time_while_there_is_progress() -> None:
    one, other = ends(unix, SMALL)
    start = monotonic()
    writer = gevent.spawn(one.write, [BIG * 8], 0.1)
    read = 0
    while monotonic() - start < 0.4:
        read += len(other.read(5))
        gevent.sleep(0.02)
    assert not writer.ready()
    read_all(other, len(BIG) * 8 - read)
    writer.get(timeout=5)
    drop(one, other)


def test_write_times_out_that_long_after_the_last_progress() -> None:
    one, other = ends(unix, SMALL)
    writer = gevent.spawn(one.write, [BIG], 0.2)
    gevent.sleep(0.1)
    other.read(5)
    gevent.sleep(0)
    last = monotonic()
    with pytest.raises(TimeoutError):
        writer.get(timeout=5)
    assert 0.19 < monotonic() - last < 5
    assert one.torn
    drop(one, other)


def test_write_does_not_time_out_because_we_were_busy() -> None:
    one, other = ends(unix, SMALL)
    writer = gevent.spawn(one.write, [BIG], 0.05)
    gevent.sleep(0)
    read = 0
    while (data := other.read_now()) is not None:  # the peer makes room, and nobody can see that
        read += len(data)
    burn(0.1)
    read_all(other, len(BIG) - read)
    writer.get(timeout=5)
    drop(one, other)


@plain_kinds
def test_write_interrupted_before_a_byte_left_leaves_no_trace(kind: Kind) -> None:
    one, other, first = stuffed(kind)
    one.post([b"before"])
    before = one.unsent()
    interrupted(one, [b"taken", b"back"])
    assert not one.torn
    assert one.unsent() == before
    one.post([b"after"])
    assert read_all(other, len(first) + 11) == first + b"beforeafter"
    drop(one, other)


@plain_kinds
def test_write_interrupted_leaves_what_others_posted_meanwhile(kind: Kind) -> None:
    one, other, first = stuffed(kind)
    same = b"posted and written"  # by chance one object, as a broadcast frame may be
    one.post([same])
    writer = gevent.spawn(one.write, [same, same], None)
    gevent.sleep(0)
    one.post([same, b"end"])
    writer.kill()
    assert not one.torn
    assert read_all(other, len(first) + 2 * len(same) + 3) == first + same + same + b"end"
    drop(one, other)


@plain_kinds
def test_write_interrupted_with_nothing_else_kept_can_be_followed_by_another(kind: Kind) -> None:
    one, other = ends(kind, SMALL)
    data = bytearray()
    while not one.unsent():  # fill the kernel's buffers to the last byte
        one.post([b"x"])
        data += b"x"
    interrupted(one, [b"taken back"])
    assert not one.torn
    assert one.unsent() == 1
    one.post([b"end"])
    assert read_all(other, len(data) + 3) == data + b"end"
    drop(one, other)


@each_kind
def test_write_interrupted_after_a_part_left_is_torn(kind: Kind) -> None:
    one, other = ends(kind, SMALL)
    interrupted(one, [BIG])
    assert one.torn
    drop(one, other)


def test_write_interrupted_is_torn_once_tls_has_made_a_record_of_it() -> None:
    one, other = ends(tls, SMALL)
    sent = 0
    while not one.unsent():  # until OpenSSL has a record that the kernel does not take
        one.post([bytes(1000)])
        sent += 1000
    data = sent - one.unsent()
    assert one.written == data
    while one.unsent():  # the hub sends that, and the kernel is left full, or nearly so
        read = len(other.read_now() or b"")
        gevent.sleep(0)
        sent -= read
    refused = False
    while not refused:
        written = one.written
        writer = gevent.spawn(one.write, [bytes(16000)], None)
        gevent.sleep(0)
        if writer.ready():
            sent += 16000
        else:
            writer.kill()
            refused = one.written == written
            assert one.torn
    drop(one, other)


@each_kind
def test_write_after_a_timeout_of_gevent_goes_on_where_nothing_left(kind: Kind) -> None:
    one, other, first = stuffed(kind)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        one.write([b"taken back"])
    assert not one.torn
    writer = gevent.spawn(one.write, [b"goes"], None)
    assert read_all(other, len(first) + 4) == first + b"goes"
    writer.get(timeout=5)
    drop(one, other)


def test_bytes_leave_in_order_whatever_was_asked_for() -> None:
    one, other = ends(unix, SMALL)
    chunks = [bytes([n % 256]) * (n * 37 % 5000 + 1) for n in range(400)]

    def write() -> None:
        for n, chunk in enumerate(chunks):
            if n % 3:
                one.post([chunk])
            else:
                one.write([chunk], None)

    writer = gevent.spawn(write)
    whole = b"".join(chunks)
    assert read_all(other, len(whole)) == whole
    writer.get(timeout=5)
    starts = [0]
    for chunk in chunks:
        starts.append(starts[-1] + len(chunk))
    assert all(whole[a] == whole[b - 1] for a, b in pairwise(starts))
    drop(one, other)


@each_kind
@pytest.mark.parametrize("size", [1, 5000, 100_000])
def test_buffers_leave_in_order_however_many_there_are(kind: Kind, size: int) -> None:
    one, other = ends(kind)
    buffers = [bytes([number]) * size for number in range(20)]
    writer = gevent.spawn(one.write, buffers, 10.0)
    assert read_all(other, 20 * size) == b"".join(buffers)
    writer.get(timeout=10.0)
    assert one.written == 20 * size
    drop(one, other)
