"""Who is in a room, whatever becomes of the processes and of Redis."""

from __future__ import annotations

import sys
from itertools import count
from typing import Any

import gevent
from gevent.subprocess import PIPE, Popen

from geventws.adapters.redis.attendance import MEMBERS
from geventws.broker import History
from setup import ROOT
from tests.adapters.redis.conftest import Make
from tests.brokers import inbox_of, wait_until
from tests.redises import Cable, RedisServer

PROGRAM = "tests.adapters.redis.presence_program"
_names = count()


def test_members_and_where_their_room_stands_stay_until_their_process_is_killed(
    server: RedisServer, make: Make
) -> None:
    prefix = f"killed{next(_names)}:"
    broker = make(prefix=prefix, presence_ttl=1.0, history_ttl=0.3)
    broker.enter("tea", "mine-1")
    position = broker.publish("tea", "hot")
    command = [sys.executable, "-m", PROGRAM, server.url, prefix, "1.0"]
    process: Any = Popen(command, stdout=PIPE, cwd=ROOT)
    try:
        assert process.stdout.readline() == b"here\n"
        gevent.sleep(1.2)  # longer than the time of who says nothing
        assert broker.presence("tea") == {"mine-1": None, "other-1": {"pid": True}}
        assert broker.history("tea", position) == History([], position, True)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    wait_until(lambda: broker.presence("tea") == {"mine-1": None})


def test_closed_broker_takes_its_members_back_at_once(make: Make) -> None:
    first, second = make(), make()
    first.enter("tea", "a-1")
    second.enter("tea", "b-1")
    second.enter("milk", "b-2")
    assert first.presence("tea") == {"a-1": None} or "b-1" in first.presence("tea")
    wait_until(lambda: set(first.presence("tea")) == {"a-1", "b-1"})
    second.close()
    assert first.presence("tea") == {"a-1": None}
    assert first.presence("milk") == {}


def test_presence_has_what_the_same_process_has_just_said(make: Make) -> None:
    broker = make()
    for number in range(20):
        broker.enter("tea", "x-1", number)
        assert broker.presence("tea") == {"x-1": number}
        broker.leave("tea", "x-1")
        assert broker.presence("tea") == {}


def test_members_are_named_again_to_a_redis_that_forgot_them(
    mortal: RedisServer, make: Make
) -> None:
    broker = make(mortal.url, timeout=20.0)
    inbox_of(broker)  # who listens finds out at once, others within a third of the time
    names = {f"x-{number}" for number in range(2 * MEMBERS + 5)}
    for name in names:
        broker.enter("tea", name)
    assert set(broker.presence("tea")) == names
    mortal.restart()
    wait_until(lambda: set(broker.presence("tea")) == names)


def test_members_who_come_and_go_while_redis_is_away_are_told_later(
    mortal: RedisServer, make: Make
) -> None:
    broker, other = (make(mortal.url, timeout=0.3) for _ in range(2))
    broker.enter("tea", "x-1")
    wait_until(lambda: other.presence("tea") == {"x-1": None})
    mortal.kill()
    broker.enter("tea", "x-2")
    broker.leave("tea", "x-1")
    gevent.sleep(0.5)  # the first attempts come to nothing
    mortal.start()

    def present() -> object:
        try:
            return other.presence("tea")
        except ConnectionError as error:
            return error

    wait_until(lambda: present() == {"x-2": None})


def test_change_that_was_told_late_does_not_undo_a_later_one(cable: Cable, make: Make) -> None:
    broker, other = make(cable.url), make()
    for number in range(8):
        cable.loses = b"$-1"  # what the script answers
        broker.enter("tea", f"x-{number}")
        gevent.sleep(0)
        broker.leave("tea", f"x-{number}")
        broker.enter("tea", "last", number)
        wait_until(lambda number=number: other.presence("tea") == {"last": number})


def test_room_with_many_members_is_named_whole(make: Make) -> None:
    broker, other = make(), make()
    names = {f"x-{number}" for number in range(2 * MEMBERS + 5)}
    for name in names:
        broker.enter("tea", name)
    wait_until(lambda: set(other.presence("tea")) == names)
