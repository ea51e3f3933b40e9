"""Who is in a room, whatever process they are connected to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from geventws.adapters.redis import RedisBroker
from geventws.broker import MemoryBroker
from geventws.demo.people import DIRECTORY, People, events, free_name, process
from geventws.manager import Manager
from geventws.websocket import WebSocket
from tests.crowds import until
from tests.pairs import pair
from tests.redises import RedisServer, redis_server


class Process:
    """The people of one process among those that share a broker."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.manager = Manager(broker=broker)
        self.people = People(self.manager)
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
    shared = MemoryBroker()
    brokers = [
        shared if request.param == "memory" else RedisBroker(redis.url, prefix=prefix)
        for _ in range(2)
    ]
    processes = [Process(broker) for broker in brokers]
    yield processes
    for each in processes:
        each.close()


def names(people: People, room: str = "lobby") -> list[str]:
    return sorted(card["name"] for card in people.of(room).values())


def test_people_are_seen_from_every_process(processes: list[Process]) -> None:
    here, there = (each.people for each in processes)
    ann, bob, eve = (each.somebody() for each in (*processes, processes[0]))
    card = here.enter(ann, "lobby", "a", "Ann")
    assert card == {"who": "a", "name": "Ann", "process": process()}
    there.enter(bob, "lobby", "b", "Bob")
    here.enter(eve, "attic", "e", "Eve")
    assert there.of("lobby")[processes[0].manager.id_of(ann)] == card
    assert names(here) == names(there) == ["Ann", "Bob"]
    assert here.rooms() == there.rooms() == {"attic": 1, "lobby": 2}
    here.leave(ann, "lobby")
    until(lambda: names(there) == ["Bob"])
    until(lambda: there.rooms() == {"attic": 1, "lobby": 1})


def test_process_is_named_after_its_host() -> None:
    assert process() == f"{os.getpid()}@{socket.gethostname()}"


def test_who_leaves_hears_nothing_more(processes: list[Process]) -> None:
    ann = processes[0].somebody()
    processes[0].people.enter(ann, "lobby", "a", "Ann")
    assert processes[0].manager.rooms(ann) == {"lobby", events("lobby"), DIRECTORY}
    processes[0].people.leave(ann, "lobby")
    assert processes[0].manager.rooms(ann) == set()
    until(lambda: processes[1].people.rooms() == {})


def test_name_that_is_taken_gets_a_number(processes: list[Process]) -> None:
    here, there = (each.people for each in processes)
    ann, other = (each.somebody() for each in processes)
    assert here.enter(ann, "lobby", "a", "Ann")["name"] == "Ann"
    assert there.enter(other, "lobby", "b", "ANN")["name"] == "ANN 2"
    assert there.rename(other, "lobby", "b", "ann")["name"] == "ann 2"
    assert here.rename(ann, "lobby", "a", "ann")["name"] == "ann"
    here.leave(ann, "lobby")
    until(lambda: names(there) == ["ann 2"])
    assert there.rename(other, "lobby", "b", "ann")["name"] == "ann"


def test_who_comes_back_gets_the_own_name_though_still_present(processes: list[Process]) -> None:
    before, now = (each.somebody() for each in processes)
    processes[0].people.enter(before, "lobby", "a", "Ann")
    assert processes[1].people.enter(now, "lobby", "a", "Ann")["name"] == "Ann"
    assert names(processes[1].people) == ["Ann", "Ann"]


def test_people_mind_nothing_else_in_the_rooms(processes: list[Process]) -> None:
    people = processes[0].people
    other = processes[1].somebody()
    for info in (None, "Ann", ["name"], {"name": "Ann"}):
        processes[1].manager.join_room(other, "lobby", info)
        assert people.of("lobby") == {}
    assert people.enter(processes[0].somebody(), "lobby", "a", "Ann")["name"] == "Ann"


def test_rooms_of_the_chat_are_none_that_people_can_name() -> None:
    assert events("a") != DIRECTORY
    assert not DIRECTORY.isprintable()
    assert not events("a").isprintable()


@pytest.mark.parametrize(
    ("taken", "free"),
    [([], "Ann"), (["Bob"], "Ann"), (["ANN"], "Ann 2"), (["Ann 2", "ann", "Ann 4"], "Ann 3")],
)
def test_free_name_is_the_first_that_nobody_has(taken: list[str], free: str) -> None:
    assert free_name("Ann", taken) == free
