"""What a room remembers, page by page, and tracks that are brought up to date."""

from __future__ import annotations

import gevent
import pytest

from geventws.adapters.redis.filling import PAGE, is_whole
from geventws.broker import Position, Publication
from tests.adapters.redis.conftest import Make
from tests.brokers import Inbox, messages, wait_until
from tests.redises import Cable, RedisServer

MANY = 3 * PAGE + 7


def at(offset: int) -> Publication:
    return Publication("tea", "x", Position(offset, "x"))


@pytest.mark.parametrize(
    ("found", "since", "expected"),
    [
        ([], None, True),
        ([1, 2, 3], Position(0, "x"), True),
        ([3], Position(2, "x"), True),
        ([], Position(3, "x"), True),
        ([3], Position(1, "x"), False),
        ([], Position(2, "x"), False),
        ([1, 2, 3], Position(0, "y"), False),
    ],
)
def test_history_is_whole_where_nothing_is_missing(
    found: list[int], since: Position | None, expected: bool
) -> None:
    assert is_whole(list(map(at, found)), since, Position(3, "x")) is expected


def test_long_history_comes_whole(make: Make) -> None:
    broker = make(history=1000)
    talking = [gevent.spawn(broker.publish, "tea", str(number)) for number in range(MANY)]
    gevent.joinall(talking, raise_error=True)
    everything = broker.history("tea")
    assert sorted(map(int, messages(everything))) == [*range(MANY)]
    assert everything.position == everything.publications[-1].position
    tenth = everything.publications[9].position
    rest = broker.history("tea", tenth)
    assert rest.publications == everything.publications[10:]
    assert rest.recovered
    other = broker.history("tea", Position(5, "elsewher"))
    assert (other.publications, other.recovered) == (everything.publications, False)


def test_long_gap_is_filled_in_order(cable: Cable, make: Make) -> None:
    here, other = make(cable.url, history=1000), make(history=1000)
    inbox = Inbox()
    here.subscribe("tea", inbox.deliver)
    cable.cut()
    for number in range(MANY):
        other.publish("tea", str(number))
    cable.mend()
    assert inbox.messages(MANY) == [str(number) for number in range(MANY)]
    assert here.counts.unrecovered == 0


def test_gap_of_long_messages_is_filled(cable: Cable, make: Make) -> None:
    here, other = make(cable.url), make()
    inbox = Inbox()
    here.subscribe("tea", inbox.deliver)
    cable.cut()
    texts = [str(number) * 300_000 for number in range(10)]
    for text in texts:
        other.publish("tea", text)
    cable.mend()
    assert inbox.messages(10) == texts


def test_track_is_filled_as_soon_as_redis_answers(cable: Cable, make: Make) -> None:
    here, other = make(cable.url, timeout=0.2), make()
    inbox = Inbox()
    here.subscribe("tea", inbox.deliver)
    cable.silent = True
    other.publish("tea", "1")
    wait_until(lambda: here.counts.losses > 1)
    cable.silent = False
    other.publish("tea", "2")
    assert inbox.messages(2) == ["1", "2"]


def test_room_that_is_left_while_it_is_filled_is_left(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url)
    inbox = Inbox()
    broker.subscribe("tea", inbox.deliver)
    mortal.kill()
    broker.unsubscribe("tea", inbox.deliver)
    mortal.start()
    broker.publish("tea", "x")
    again = Inbox()
    broker.subscribe("tea", again.deliver)
    broker.publish("tea", "y")
    assert again.messages(1) == ["y"]
    assert len(inbox) == 0
