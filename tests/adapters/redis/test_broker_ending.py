"""How a RedisBroker ends: closed while somebody waits, or forked away from."""

from __future__ import annotations

import os
from typing import Any

import gevent
import gevent.os
import pytest

from geventws.adapters.redis import RedisBroker
from tests.adapters.redis.conftest import Make
from tests.brokers import Inbox, inbox_of
from tests.redises import RedisServer


def test_broker_that_was_used_before_a_fork_is_closed_in_the_child(make: Make) -> None:
    broker = make()
    inbox = inbox_of(broker)
    broker.enter("tea", "x-1")
    hears, says = os.pipe()
    pid = gevent.os.fork()
    if not pid:
        try:
            broker.publish("tea", "child")
        except ConnectionError as error:
            os.write(says, str(error).encode())
            gevent.sleep(0.3)  # in which it would take what is not for it
        finally:
            os._exit(0)
    os.close(says)
    with open(hears, "rb", buffering=0) as pipe:
        assert pipe.read(100) == b"the broker was used before the fork"
    for _ in range(20):
        broker.publish("tea", "parent")
    assert inbox.messages(20) == ["parent"] * 20
    os.waitpid(pid, 0)
    assert broker.presence("tea") == {"x-1": None}
    assert broker.counts.losses == 0


def test_broker_that_was_made_before_a_fork_works_in_the_child(
    server: RedisServer, make: Make
) -> None:
    here = make()
    inbox = inbox_of(here)
    unused = make()
    pid = gevent.os.fork()
    if not pid:
        try:
            unused.publish("tea", "child")
            unused.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert inbox.messages(1) == ["child"]


def test_broker_that_is_closed_in_the_midst_of_all_says_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def work(broker: RedisBroker, room: str, inbox: Inbox) -> None:
        while True:
            broker.subscribe(room, inbox.deliver)
            broker.publish(room, "x")
            broker.enter(room, "x-1")
            broker.presence(room)
            broker.unsubscribe(room, inbox.deliver)

    for turn in range(6):
        broker = make()
        working = [gevent.spawn(work, broker, f"room{n}", Inbox()) for n in range(20)]
        gevent.sleep(turn / 200)
        broker.close()
        gevent.joinall(working, timeout=20)
        assert [type(each.exception) for each in working] == [ConnectionError] * 20
    assert caplog.records == []


def test_closed_broker_lets_those_go_who_wait(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url, timeout=60.0)
    inbox_of(broker)
    mortal.kill()
    calls: list[Any] = [
        lambda: broker.publish("tea", "x"),
        lambda: broker.subscribe("milk", Inbox().deliver),
        lambda: broker.presence("tea"),
    ]
    waiting = [gevent.spawn(call) for call in calls]
    gevent.sleep(0.05)
    broker.close()
    gevent.joinall(waiting, timeout=20)
    assert [type(each.exception) for each in waiting] == [ConnectionError] * 3
