"""The counters of a group: who is here, who has left, and how that ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

import geventws
from geventws.counts import MAX_CODES, NOTHING, OTHER, Counts
from geventws.manager import Manager
from geventws.testing import pair
from geventws.websocket import Stats, WebSocket

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Ended:
    """Something over, that ended with *code*."""

    def __init__(self, code: int | None, stats: Stats = NOTHING) -> None:
        self.close_code = code
        self.stats = stats


@pytest.fixture
def joined() -> Iterator[tuple[Manager, WebSocket, WebSocket]]:
    """A manager, the server's end that it has, and the client's."""
    client, server = pair()
    manager = Manager()
    manager.add(server)
    yield manager, server, client
    client.drop()
    server.drop()


def leave(counts: Counts, ended: Ended) -> None:
    counts.leave(ended, {ended: None})


def total(manager: Manager) -> Stats:
    return manager.counts.total(manager)


def test_manager_counts_what_its_connections_do(
    joined: tuple[Manager, WebSocket, WebSocket],
) -> None:
    manager, server, client = joined
    client.send("hello")
    assert server.receive(timeout=10) == "hello"
    server.send(b"bye")
    found = total(manager)
    assert (found.messages_received, found.bytes_received) == (1, 5)
    assert (found.messages_sent, found.bytes_sent) == (1, 3)
    assert manager.counts.opened == 1
    assert manager.counts.closes == {}


def test_manager_counts_a_connection_that_has_ended(
    joined: tuple[Manager, WebSocket, WebSocket],
) -> None:
    manager, server, client = joined
    closing = gevent.spawn(client.close, 4000, "done")
    with pytest.raises(geventws.ConnectionClosed):
        server.receive(timeout=10)
    server.close()
    closing.get(timeout=10)
    assert manager.join(timeout=10)
    assert total(manager) == server.stats
    assert manager.counts.closes == {4000: 1}
    assert manager.counts.opened == 1


def test_manager_counts_what_was_done_before_a_removal(
    joined: tuple[Manager, WebSocket, WebSocket],
) -> None:
    manager, server, _ = joined
    server.send("hello")
    manager.remove(server)
    server.send("hello again")
    assert total(manager).messages_sent == 1
    assert manager.counts.closes == {}


def test_manager_counts_whom_a_broadcast_did_not_reach() -> None:
    client, server = pair(capacity=64, compression=None)
    manager = Manager(slow_peers="latest")
    manager.add(server)
    for _ in range(3):  # the first is on its way, the second waits, and the third is in its place
        manager.broadcast("x" * 1000)
    server.begin_close()
    manager.broadcast("too late")
    counts = manager.counts
    assert (counts.buffered, counts.dropped, counts.not_sent) == (1, 1, 1)
    client.drop()
    server.drop()


def test_manager_tells_its_followers_of_each_connection() -> None:
    client, server = pair()
    manager = Manager()
    met: list[WebSocket] = []
    manager.add(client)
    manager.follow(met.append)
    manager.add(server)
    manager.add(server)
    assert met == [server]
    client.drop()
    server.drop()


def test_counts_add_up_stats_and_take_what_is_queued_as_it_is() -> None:
    counts = Counts()
    leave(counts, Ended(1000, Stats(1, 2, 3, 4, 5, 6, 7, 8)))
    leave(counts, Ended(1001, Stats(1, 1, 1, 1, 1, 1, 1, 1)))
    assert counts.total([]) == Stats(2, 3, 4, 5, 6, 7, 8, 0)
    here = [Ended(None, Stats(1, 1, 1, 1, 1, 1, 1, 4)) for _ in range(2)]
    assert counts.total(here) == Stats(4, 5, 6, 7, 8, 9, 10, 8)


def test_counts_have_who_leaves_once_at_any_moment() -> None:
    class Watched(dict[Any, None]):
        def __delitem__(self, key: Any) -> None:
            totals.append(counts.total(self))
            super().__delitem__(key)
            totals.append(counts.total(self))

    counts = Counts()
    totals: list[Stats] = []
    one = Ended(1000, Stats(1, 1, 1, 1, 1, 1, 1, 0))
    counts.leave(one, Watched({one: None}))
    assert totals == [one.stats] * 2


def test_counts_look_again_where_somebody_left_meanwhile() -> None:
    class Slow(dict[Any, None]):
        def __iter__(self) -> Iterator[Any]:
            if one in self:
                yield from list(self.keys())
                counts.leave(one, self)
            yield from ()

    counts = Counts()
    one = Ended(1000, Stats(1, 1, 1, 1, 1, 1, 1, 0))
    assert counts.total(Slow({one: None})) == one.stats


def test_counts_tell_a_bounded_number_of_close_codes_apart() -> None:
    counts = Counts()
    for code in [*range(3000, 3000 + MAX_CODES), 4000, 4001, 3000]:
        leave(counts, Ended(code))
    assert len(counts.closes) == MAX_CODES + 1
    assert (counts.closes[3000], counts.closes[OTHER]) == (2, 2)


def test_counts_leave_no_code_of_what_is_not_over() -> None:
    counts = Counts()
    leave(counts, Ended(None))
    assert counts.closes == {}


def test_counts_count_refusals_by_status() -> None:
    counts = Counts()
    for status in (403, 503, 403):
        counts.refuse(status)
    assert counts.refused == {403: 2, 503: 1}
