"""What Redis tells of: subscribed as the tracks need it, alive, and fair to everybody else."""

from __future__ import annotations

from time import monotonic

import gevent
import pytest

from geventws.adapters.redis.envelope import NOWHERE, pack
from tests.adapters.redis.conftest import Make
from tests.brokers import Inbox, inbox_of, wait_until
from tests.redises import Cable, RedisServer

BODY = pack("x" * 100, frozenset(), b"somebody", 1) + NOWHERE


def test_connection_on_which_nothing_comes_any_more_is_replaced(cable: Cable, make: Make) -> None:
    broker = make(cable.url, timeout=0.3)
    inbox = inbox_of(broker)
    cable.silent = True
    wait_until(lambda: broker.counts.losses)
    cable.silent = False
    other = make()
    other.publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]


def test_connection_on_which_nothing_is_said_stays(cable: Cable, make: Make) -> None:
    broker = make(cable.url, timeout=0.3)
    inbox = inbox_of(broker)
    broker.unsubscribe("tea", inbox.deliver)  # the answer to a PING is another one then
    gevent.sleep(0.4)
    inbox = inbox_of(broker)
    gevent.sleep(0.4)
    make().publish("tea", "hot")
    assert inbox.messages(1) == ["hot"]
    assert broker.counts.losses == 0


def test_flood_lets_timers_run(server: RedisServer, make: Make) -> None:
    broker = make(history=0, prefix="flood:")
    inbox = Inbox()
    broker.subscribe("tea", inbox.deliver)
    ticks = []

    def tick() -> None:
        while True:
            gevent.sleep(0.001)
            ticks.append(len(inbox))

    ticking = gevent.spawn(tick)
    script = "for i = 1, 20000 do redis.call('PUBLISH', ARGV[1], ARGV[2]) end"
    try:
        server.ask("EVAL", script, "0", "flood:{tea}", BODY)
        wait_until(lambda: len(inbox) >= 20_000)
    finally:
        ticking.kill()
    assert len({count for count in ticks if 0 < count < 20_000}) > 10


def test_rooms_come_and_go_while_messages_come(make: Make) -> None:
    broker, other = make(), make()
    steady = inbox_of(broker, "steady")

    def talk() -> None:
        for number in range(200):
            other.publish("steady", str(number))

    talking = gevent.spawn(talk)
    for number in range(100):
        inbox = inbox_of(broker, f"room{number}")
        other.publish(f"room{number}", "hello")
        assert inbox.messages(1) == ["hello"]
        broker.unsubscribe(f"room{number}", inbox.deliver)
    talking.get(timeout=20)
    assert steady.messages(200) == [str(number) for number in range(200)]


def test_redis_that_lets_nobody_subscribe_is_the_cause(mortal: RedisServer, make: Make) -> None:
    mortal.ask("ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all", "resetchannels")
    broker = make(mortal.url.replace("//", "//mute:secret@"), timeout=0.5)
    began = monotonic()
    with pytest.raises(ConnectionError, match="not subscribed in time") as caught:
        broker.subscribe("tea", Inbox().deliver)
    assert "permission" in str(caught.value.__cause__)
    assert monotonic() - began >= 0.5


def test_channels_of_rooms_that_nobody_is_in_are_left(server: RedisServer, make: Make) -> None:
    broker = make(prefix="left:")
    inboxes = [inbox_of(broker, room) for room in ("tea", "milk")]
    assert server.ask("PUBSUB", "CHANNELS", "left:*").startswith(b"*2")
    broker.unsubscribe("tea", inboxes[0].deliver)
    wait_until(lambda: server.ask("PUBSUB", "CHANNELS", "left:*").startswith(b"*1"))
    broker.close()
    wait_until(lambda: server.ask("PUBSUB", "CHANNELS", "left:*").startswith(b"*0"))
