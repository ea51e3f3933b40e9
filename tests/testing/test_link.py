"""One connection of a network: delays, cuts, and what can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import gevent
import pytest
from gevent.pool import Group

from geventws.testing.link import Conditions, Link
from geventws.testing.virtual import START, VirtualLoop, virtual_time
from tests.ends import caught

pytestmark = pytest.mark.usefixtures("leaks_nothing")

ADDRESSES: Final = (("client", 1), ("server", 2))


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """Have time be virtual for a test."""
    with virtual_time() as made:
        yield made


def link(capacity: int | None = None, seed: int = 1, **conditions: Any) -> Link:
    """Return a new link with these conditions."""
    given = {"latency": 0.0, "jitter": 0.0, "bandwidth": None, "pieces": None} | conditions
    return Link(Conditions(**given, seed=seed), ADDRESSES, capacity)


def arrivals(joined: Link, loop: VirtualLoop, seconds: float) -> list[tuple[float, bytes]]:
    """Return what the server reads within so many seconds, and when."""
    found = []
    deadline = loop.time + seconds
    with suppress(TimeoutError):
        while True:
            data = joined.server.read(deadline - loop.time)
            found.append((loop.time - START, data))
    return found


def test_ends_know_their_addresses(loop: VirtualLoop) -> None:
    joined = link()
    client, server = joined.client, joined.server
    known: Any = [client.local_address, client.peer_address]
    assert known == [*ADDRESSES]
    known = [server.peer_address, server.local_address]
    assert known == [*ADDRESSES]


def test_bytes_arrive_after_the_latency(loop: VirtualLoop) -> None:
    joined = link(latency=0.25)
    joined.client.post([b"one ", b"message"])
    assert (joined.server.readable(), joined.client.unsent()) == (False, 0)
    assert arrivals(joined, loop, 10) == [(0.25, b"one message")]


def test_bandwidth_has_bytes_wait_for_those_before(loop: VirtualLoop) -> None:
    joined = link(bandwidth=100.0, latency=1.0)
    joined.client.post([bytes(100)])
    joined.client.post([bytes(200)])
    assert [(when, len(data)) for when, data in arrivals(joined, loop, 10)] == [
        (2.0, 100),
        (4.0, 200),
    ]


def test_pieces_and_jitter_change_neither_order_nor_bytes(loop: VirtualLoop) -> None:
    said = bytes(range(256)) * 4
    joined = link(pieces=10, jitter=0.5)
    joined.client.post([said])
    found = arrivals(joined, loop, 10)
    assert b"".join(data for _, data in found) == said
    assert len(found) > 3


def test_same_seed_cuts_and_delays_alike(loop: VirtualLoop) -> None:
    def run(seed: int) -> list[tuple[float, int]]:
        joined = link(pieces=10, jitter=0.5, seed=seed)
        began = loop.time - START
        joined.client.post([bytes(200)])
        return [(round(when - began, 6), len(data)) for when, data in arrivals(joined, loop, 8)]

    first, again, other = run(1), run(1), run(2)
    assert first == again != other


def test_bytes_under_way_take_room(loop: VirtualLoop) -> None:
    joined = link(capacity=10, latency=1.0)
    joined.client.post([bytes(25)])
    assert (joined.client.written, joined.client.unsent()) == (10, 15)
    gevent.sleep(5)
    assert joined.client.unsent() == 15
    assert len(joined.server.read()) == 10
    assert joined.client.unsent() == 5


def test_end_comes_behind_the_bytes(loop: VirtualLoop) -> None:
    joined = link(latency=1.0)
    joined.client.post([b"last words"])
    joined.client.shutdown()
    assert (joined.server.read(5), joined.server.read(5)) == (b"last words", b"")
    assert loop.time == START + 1
    joined.server.post([b"heard"])
    assert joined.client.read(5) == b"heard"


def test_who_writes_to_a_closed_end_is_reset_a_round_trip_later(loop: VirtualLoop) -> None:
    joined = link(latency=1.0)
    joined.client.close()
    assert joined.server.read(5) == b""
    joined.server.write([b"too late"])
    joined.server.post([b"and again"])
    gevent.sleep(1.5)
    assert joined.server.error is None
    gevent.sleep(1)
    with pytest.raises(ConnectionResetError):
        joined.server.write([b"lost"])


def test_nothing_arrives_over_a_partition_until_it_heals(loop: VirtualLoop) -> None:
    joined = link()
    joined.partition()
    joined.client.post([b"kept "])
    joined.client.post([b"in order"])
    joined.client.shutdown()
    gevent.sleep(100)
    assert not joined.server.readable()
    joined.heal()
    assert (joined.server.read(), joined.server.read()) == (b"kept in order", b"")


def test_partition_may_be_of_one_direction(loop: VirtualLoop) -> None:
    joined = link()
    joined.partition("server")
    joined.client.post([b"there?"])
    joined.server.post([b"here"])
    assert joined.server.read(5) == b"there?"
    with pytest.raises(TimeoutError):
        joined.client.read(100)


def test_reset_is_heard_by_both_ends_at_once(loop: VirtualLoop) -> None:
    joined = link(latency=1.0)
    joined.client.post([b"lost"])
    readers = Group()
    found = [readers.spawn(caught, end.read) for end in (joined.client, joined.server)]
    gevent.sleep(0.5)
    joined.reset()
    readers.join()
    assert [type(each.value) for each in found] == [ConnectionResetError] * 2
    assert loop.time == START + 0.5
    gevent.sleep(5)
    assert isinstance(caught(joined.server.read), ConnectionResetError)


def test_half_open_is_found_out_by_who_says_something(loop: VirtualLoop) -> None:
    joined = link(latency=1.0)
    joined.half_open("server")
    assert isinstance(caught(joined.server.read), ConnectionResetError)
    joined.server.close()
    with pytest.raises(TimeoutError):
        joined.client.read(100)
    began = loop.time
    joined.client.post([b"still there?"])
    assert isinstance(caught(joined.client.read), ConnectionResetError)
    assert loop.time == began + 2


def test_who_has_vanished_answers_nothing(loop: VirtualLoop) -> None:
    joined = link(capacity=10)
    joined.vanish("server")
    assert isinstance(caught(joined.server.read), ConnectionResetError)
    joined.server.close()
    with pytest.raises(TimeoutError):
        joined.client.write([bytes(20)], 30.0)
    assert isinstance(caught(joined.client.read, 100), TimeoutError)
    assert loop.time == START + 130


def test_link_closes_both_ends(loop: VirtualLoop) -> None:
    joined = link()
    joined.close()
    assert (joined.client.closed, joined.server.closed) == (True, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("latency", -1.0), ("jitter", -0.1), ("bandwidth", 0.0), ("pieces", 0)],
)
def test_conditions_have_to_make_sense(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        link(**{name: value})
