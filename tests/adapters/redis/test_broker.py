"""RedisBroker where things go wrong: Redis dies, comes back, is lost, or stands still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import gevent
import pytest
from zope.event import subscribers  # type: ignore[import-untyped]

from geventws.adapters.redis import RedisBroker, Unrecovered
from geventws.adapters.redis.broker import PUBLISHED
from geventws.broker import Position
from tests.adapters.redis.conftest import Make
from tests.brokers import Inbox, inbox_of, messages, wait_until
from tests.redises import DURABLE, Cable, RedisServer, redis_server

SOON = 0.3  # seconds, for what is to run out of time


@pytest.fixture
def durable() -> Iterator[RedisServer]:
    """A Redis that has on disk what it has answered."""
    with redis_server(*DURABLE) as running:
        yield running


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """What zope.event tells of losses."""
    told: list[Any] = []

    def note(event: object) -> None:
        if isinstance(event, Unrecovered):
            told.append(event)

    subscribers.append(note)
    yield told
    subscribers.remove(note)


def talk(broker: RedisBroker, name: str, count: int) -> list[str]:
    """Publish *count* messages, and those again that were not; return what was tried."""
    for number in range(count):
        broker.publish("tea", f"{name}{number}")
    return [f"{name}{number}" for number in range(count)]


def test_stream_survives_that_redis_is_killed_and_starts_again(
    durable: RedisServer, make: Make
) -> None:
    first, second = (make(durable.url, timeout=20.0, history=1000) for _ in range(2))
    inboxes = [inbox_of(first), inbox_of(second)]
    who = ((first, "a"), (first, "b"), (second, "c"))
    talkers = [gevent.spawn(talk, *each, 200) for each in who]
    for _ in range(2):
        count = len(inboxes[0])
        wait_until(lambda count=count: len(inboxes[0]) > count + 50)
        durable.restart()
    gevent.joinall(talkers, raise_error=True)
    came = [inbox.take(600) for inbox in inboxes]
    assert came[0] == came[1]
    assert [each.position.offset for each in came[0] if each.position] == [*range(1, 601)]
    for _, name in who:
        mine = [each.message for each in came[0] if str(each.message).startswith(name)]
        assert mine == [f"{name}{number}" for number in range(200)]
    assert first.counts.unrecovered == second.counts.unrecovered == 0
    assert first.counts.losses > 0
    assert first.history("tea", Position(300, came[0][0].position.epoch)).recovered  # type: ignore


def test_redis_that_forgot_all_begins_a_new_epoch(
    mortal: RedisServer, make: Make, events: list[Any]
) -> None:
    first, second = make(mortal.url), make(mortal.url)
    inbox = inbox_of(second)
    before = first.publish("tea", "1")
    assert inbox.messages(1) == ["1"]
    mortal.restart()
    after = first.publish("tea", "2")
    assert inbox.messages(1) == ["2"]
    assert before is not None
    assert after is not None
    assert (after.offset, after.epoch == before.epoch) == (1, False)
    assert not first.history("tea", before).recovered
    assert second.counts.unrecovered == 1
    assert [(each.broker, each.room, each.since) for each in events] == [(second, "tea", before)]


def test_redis_that_came_back_older_begins_a_new_epoch(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url)
    inbox = inbox_of(broker)
    old = broker.publish("tea", "1")
    mortal.ask("SAVE")
    newer = broker.publish("tea", "2")
    assert inbox.messages(2) == ["1", "2"]
    mortal.restart()
    after = broker.publish("tea", "3")
    assert inbox.messages(1) == ["3"]
    assert old is not None
    assert newer is not None
    assert after is not None
    assert newer.epoch == old.epoch != after.epoch
    assert not broker.history("tea", newer).recovered


def test_redis_that_comes_back_older_twice_begins_a_new_epoch_each_time(
    mortal: RedisServer, make: Make
) -> None:
    broker = make(mortal.url)
    inbox = inbox_of(broker)
    broker.publish("tea", "1")
    mortal.ask("SAVE")
    broker.publish("tea", "2")
    came = inbox.take(2)
    for _ in range(2):  # each time from the same copy
        mortal.restart()
        broker.publish("tea", "3")
        came += inbox.take(1)
    assert [each.position.offset for each in came if each.position] == [1, 2, 1, 1]
    assert len({each.position.epoch for each in came if each.position}) == 3


def test_publisher_that_hears_nothing_notices_that_redis_came_back_older(
    mortal: RedisServer, make: Make
) -> None:
    broker = make(mortal.url)
    rooms = [f"room{number}" for number in range(PUBLISHED + 50)]  # more than are remembered
    gevent.joinall([gevent.spawn(broker.publish, room, "x") for room in rooms], raise_error=True)
    old = broker.publish("tea", "1")
    mortal.ask("SAVE")
    broker.publish("tea", "2")
    mortal.restart()
    after = broker.publish("tea", "3")
    assert old is not None
    assert after is not None
    assert (after.offset, after.epoch == old.epoch) == (1, False)


@pytest.mark.parametrize("history", [50, 5])
def test_gap_is_filled_as_far_as_history_goes_and_the_rest_is_told(
    cable: Cable, make: Make, events: list[Any], history: int
) -> None:
    here, other = make(cable.url, history=history), make(history=history)
    inbox = inbox_of(here)
    since = other.publish("tea", "0")
    assert inbox.messages(1) == ["0"]
    cable.cut()
    talk(other, "", 20)
    cable.mend()
    expected = list(map(str, range(max(0, 20 - history), 20)))
    assert inbox.messages(len(expected)) == expected
    now = other.publish("tea", "live")
    assert inbox.messages(1) == ["live"]
    assert here.counts.lost == max(0, 20 - history)
    assert now is not None
    told = [Unrecovered(here, "tea", since, now._replace(offset=21))] if history == 5 else []  # type: ignore
    assert events == told
    assert here.counts.unrecovered == len(told)


def test_live_ones_that_come_while_a_gap_is_filled_keep_their_order(
    cable: Cable, make: Make
) -> None:
    here, other = make(cable.url, history=1000), make(history=1000)
    inbox = inbox_of(here)
    talking = gevent.spawn(talk, other, "a", 900)
    for _ in range(3):
        count = len(inbox)
        wait_until(lambda count=count: len(inbox) > count or talking.ready())
        cable.cut()
        gevent.sleep(0.01)
        cable.mend()
    talking.get(timeout=20)
    assert inbox.messages(900) == talking.value
    assert here.counts.unrecovered == 0


def test_publish_raises_in_time_where_redis_stands_still_and_works_when_it_goes_on(
    mortal: RedisServer, make: Make
) -> None:
    broker = make(mortal.url, timeout=SOON)
    inbox = inbox_of(broker)
    broker.publish("tea", "1")
    mortal.pause()
    try:
        with pytest.raises(ConnectionError, match=r"^redis: "):
            broker.publish("tea", "perhaps")
        with pytest.raises(ConnectionError, match=r"^redis: "):
            broker.history("tea")
        wait_until(lambda: broker.counts.losses)  # the connection that listens is tried
    finally:
        mortal.resume()

    def publish() -> bool:
        with suppress(ConnectionError):
            return broker.publish("tea", "2") is not None
        return False

    wait_until(publish)
    came = [each.message for each in broker.history("tea").publications]
    assert came.count("perhaps") <= 1
    assert inbox.messages(len(came)) == came


def test_publish_raises_where_there_is_no_redis(make: Make) -> None:
    broker = make("redis://127.0.0.1:1", timeout=SOON)
    calls: list[Any] = [
        lambda: broker.publish("tea", "x"),
        lambda: broker.presence("tea"),
        lambda: broker.subscribe("tea", Inbox().deliver),
    ]
    for calling in [gevent.spawn(call) for call in calls]:
        with pytest.raises(ConnectionError, match=r"^redis: ") as caught:
            calling.get(timeout=20)
        assert caught.value.__cause__ is not None
    broker.enter("tea", "x-1")
    broker.leave("tea", "x-1")


@pytest.mark.parametrize("thrown", [gevent.Timeout, gevent.GreenletExit])
def test_caller_that_is_interrupted_has_published_once_or_not_at_all(
    mortal: RedisServer, make: Make, thrown: type[BaseException]
) -> None:
    broker = make(mortal.url)
    broker.publish("tea", "1")
    mortal.pause()
    caller = gevent.spawn(broker.publish, "tea", "perhaps")
    gevent.sleep(0.01)
    caller.kill(thrown())
    mortal.resume()
    assert isinstance(caller.value if caller.successful() else caller.exception, thrown)
    broker.publish("tea", "2")
    came = messages(broker.history("tea"))
    assert came in (["1", "perhaps", "2"], ["1", "2"])


def test_subscribe_waits_for_a_redis_that_is_away(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url, timeout=20.0)
    broker.publish("milk", "x")
    mortal.kill()
    inbox = Inbox()
    subscribing = gevent.spawn(broker.subscribe, "tea", inbox.deliver)
    gevent.sleep(0.05)
    assert not subscribing.ready()
    mortal.start()
    subscribing.get(timeout=20)
    broker.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]


def test_subscribe_ends_where_another_one_unsubscribes(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url, timeout=60.0)
    broker.publish("milk", "x")
    mortal.pause()
    inbox = Inbox()
    subscribing = gevent.spawn(broker.subscribe, "tea", inbox.deliver)
    gevent.sleep(0.01)
    broker.unsubscribe("tea", inbox.deliver)
    mortal.resume()
    subscribing.get(timeout=20)
    broker.publish("tea", "x")
    assert len(inbox) == 0


def test_subscriber_that_cannot_subscribe_again_stays_one(cable: Cable, make: Make) -> None:
    broker, other = make(cable.url, timeout=SOON), make()
    inbox = inbox_of(broker)
    cable.cut()
    wait_until(lambda: broker.counts.losses)
    with pytest.raises(ConnectionError):
        broker.subscribe("tea", inbox.deliver)
    cable.mend()
    other.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]


def test_room_that_is_left_and_joined_at_once_misses_nothing(make: Make) -> None:
    broker = make()
    for number in range(30):
        inbox = inbox_of(broker)
        broker.publish("tea", f"{number}")
        assert inbox.messages(1) == [f"{number}"]
        broker.unsubscribe("tea", inbox.deliver)
        again = Inbox()
        joining = gevent.spawn(broker.subscribe, "tea", again.deliver)
        gevent.sleep(0)
        broker.unsubscribe("tea", again.deliver)
        joining.kill()


def test_subscribers_of_many_rooms_are_all_back_after_a_restart(
    durable: RedisServer, make: Make
) -> None:
    broker = make(durable.url, timeout=20.0)
    rooms = [f"room{number}" for number in range(1200)]
    inbox = Inbox()
    joining = [gevent.spawn(broker.subscribe, room, inbox.deliver) for room in rooms]
    gevent.joinall(joining, raise_error=True)
    durable.restart()
    publishing = [gevent.spawn(broker.publish, room, room) for room in rooms]
    gevent.joinall(publishing, raise_error=True)
    assert sorted(map(str, inbox.messages(1200))) == sorted(rooms)


def test_what_is_no_publication_is_counted_and_harms_nothing(
    server: RedisServer, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make(prefix="foreign:")
    inbox = inbox_of(broker)
    for data in ("", "hello", "x" * 100):
        server.ask("PUBLISH", "foreign:{tea}", data)
    broker.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]
    assert broker.counts.foreign == 3
    assert [each.levelname for each in caplog.records if "no publication" in each.message] == [
        "WARNING"
    ]
    server.ask("XADD", "foreign:{tea}:s", "5-0", "d", "nonsense")
    broker.publish("milk", "x")
    assert messages(broker.history("tea")) == ["hot"]
    assert broker.counts.foreign == 4


def test_broker_without_history_says_that_it_lost_its_connection(
    mortal: RedisServer, make: Make
) -> None:
    broker = make(mortal.url, history=0, timeout=20.0)
    inbox = inbox_of(broker)
    mortal.restart()
    wait_until(lambda: broker.counts.losses)
    assert broker.publish("milk", "x") is None
    inbox_of(broker, "milk")  # comes back when the connection does
    broker.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]


def test_room_whose_keys_are_not_ours_is_a_connection_error(
    server: RedisServer, make: Make
) -> None:
    broker = make(prefix="theirs:", timeout=SOON)
    server.ask("SET", "theirs:{tea}:m", "x")
    with pytest.raises(ConnectionError, match="not subscribed in time") as caught:
        broker.subscribe("tea", Inbox().deliver)
    assert "WRONGTYPE" in str(caught.value.__cause__)
    with pytest.raises(ConnectionError, match="WRONGTYPE"):
        broker.publish("tea", "x")
    server.ask("DEL", "theirs:{tea}:m")
    inbox = inbox_of(broker)
    broker.publish("tea", "hot")
    server.ask("XADD", "theirs:{tea}:s", "5-3", "a", "b", "c", "d")
    assert inbox.messages(1) == messages(broker.history("tea")) == ["hot"]
