"""Names that are unique in a room, whatever process their owners are connected to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest

from geventws.adapters.redis import RedisBroker
from geventws.broker import History, MemoryBroker, Position
from geventws.demo.people import DIRECTORY, People, claims, events, free_name, process
from geventws.manager import Manager
from geventws.websocket import WebSocket
from tests.crowds import until
from tests.pairs import pair
from tests.redises import RedisServer, redis_server


class Far(MemoryBroker):
    """A broker at some distance: whoever asks it for something waits, before and after."""

    def publish(self, *args: Any) -> Position | None:
        gevent.sleep(0)
        position = super().publish(*args)
        gevent.sleep(0)
        return position

    def history(self, *args: Any) -> History:
        gevent.sleep(0)
        return super().history(*args)

    def presence(self, room: str) -> dict[str, Any]:
        gevent.sleep(0)
        present = super().presence(room)
        gevent.sleep(0)
        return present


class Process:
    """The people of one process among those that share a broker."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.manager = Manager(broker=broker)
        self.people = People(broker, self.manager)
        self._stack = ExitStack()

    def somebody(self) -> WebSocket:
        """Return a connection that is in no room."""
        made = pair()
        self._stack.callback(made.drop)
        self.manager.add(made.server)
        return made.server

    def close(self) -> None:
        self._stack.close()
        self._broker.close()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def processes(
    request: pytest.FixtureRequest, redis: RedisServer, leaks_nothing: None
) -> Iterator[list[Process]]:
    prefix = f"{request.node.name}:"  # so that each test finds the server empty
    far = Far()
    brokers = [
        far if request.param == "memory" else RedisBroker(redis.url, prefix=prefix)
        for _ in range(2)
    ]
    processes = [Process(broker) for broker in brokers]
    yield processes
    for each in processes:
        each.close()


def test_people_are_seen_from_every_process(processes: list[Process]) -> None:
    here, there = (each.people for each in processes)
    ann, bob, eve = (each.somebody() for each in (*processes, processes[0]))
    assert here.enter(ann, "lobby", "Ann") == "Ann"
    assert there.enter(bob, "lobby", "Bob") == "Bob"
    assert here.enter(eve, "attic", "Eve") == "Eve"
    assert here.of("lobby") == there.of("lobby") == dict.fromkeys(["Ann", "Bob"], process())
    assert here.rooms() == there.rooms() == {"attic": 1, "lobby": 2}
    assert (here.here(), there.here()) == (["lobby", "attic"], ["lobby"])
    here.leave(ann, "lobby")
    until(lambda: there.of("lobby") == {"Bob": process()})
    until(lambda: there.rooms() == {"attic": 1, "lobby": 1})


def test_process_is_named_after_its_host() -> None:
    assert process() == f"{os.getpid()}@{socket.gethostname()}"


def test_who_leaves_hears_nothing_more(processes: list[Process]) -> None:
    ann = processes[0].somebody()
    processes[0].people.enter(ann, "lobby", "Ann")
    assert processes[0].manager.rooms(ann) == {"lobby", events("lobby")}
    processes[0].people.leave(ann, "lobby")
    assert processes[0].manager.rooms(ann) == set()
    until(lambda: processes[1].people.rooms() == {})


def test_name_that_is_taken_gets_a_number(processes: list[Process]) -> None:
    ann, other = (each.somebody() for each in processes)
    assert processes[0].people.enter(ann, "lobby", "Ann") == "Ann"
    assert processes[1].people.enter(other, "lobby", "ANN") == "ANN 2"
    assert processes[1].people.rename(other, "lobby", "ann") == "ann 2"
    assert processes[0].people.rename(ann, "lobby", "ann") == "ann"
    processes[0].people.leave(ann, "lobby")
    until(lambda: "ann" not in processes[1].people.of("lobby"))
    assert processes[1].people.rename(other, "lobby", "ann") == "ann"


def test_names_are_unique_where_all_ask_at_once(processes: list[Process]) -> None:
    def enter(people: People, ws: WebSocket) -> str:
        return people.enter(ws, "lobby", "Ann")

    asking = [
        gevent.spawn(enter, each.people, each.somebody()) for _ in range(10) for each in processes
    ]
    try:
        names = [each.get(timeout=20) for each in asking]
    finally:
        gevent.killall(asking)
    assert len(set(names)) == 20
    assert processes[0].people.of("lobby").keys() == set(names)


def test_people_mind_nothing_else_in_the_rooms(processes: list[Process]) -> None:
    people = processes[0].people
    other = processes[1].somebody()
    for info in (None, "Ann", ["name"], {"name": "Ann"}):
        processes[1].manager.join_room(other, "lobby", info)
        assert people.of("lobby") == {}
    assert people.enter(processes[0].somebody(), "lobby", "Ann") == "Ann"


def test_rooms_of_the_chat_are_none_that_people_can_name() -> None:
    names = [DIRECTORY, events("a"), claims("a")]
    assert len(set(names)) == 3
    assert all(not name.isprintable() for name in names)


@pytest.mark.parametrize(
    ("taken", "free"),
    [([], "Ann"), (["Bob"], "Ann"), (["ANN"], "Ann 2"), (["Ann 2", "ann", "Ann 4"], "Ann 3")],
)
def test_free_name_is_the_first_that_nobody_has(taken: list[str], free: str) -> None:
    assert free_name("Ann", taken) == free
