"""A process says once for all its members that it lives; what comes of it where it does not."""

from __future__ import annotations

import re
import signal
import sys
from time import monotonic
from typing import Any

import pytest
from gevent.subprocess import PIPE, Popen

from geventws.adapters.redis.attendance import LIFE, MEMBERS
from geventws.adapters.redis.nodes import Cluster, book, place
from setup import ROOT
from tests.adapters.redis.conftest import Make
from tests.brokers import inbox_of, wait_until
from tests.redises import RedisServer

PROGRAM = "tests.adapters.redis.presence_program"
OTHERS = {"other-1": {"pid": True}}


def calls(server: RedisServer) -> dict[str, int]:
    """Return how often each command was called that presence takes."""
    found = re.findall(r"cmdstat_(\w+):calls=(\d+)", server.ask("INFO", "commandstats").decode())
    return {name: int(number) for name, number in found if name not in ("info", "ping")}


def cluster_url(servers: list[RedisServer]) -> str:
    return f"redis+cluster://127.0.0.1:{servers[1].port}"


def test_staying_costs_the_same_for_few_members_and_for_many(
    mortal: RedisServer, make: Make
) -> None:
    broker = make(mortal.url, presence_ttl=0.6)
    for members in (50, 500):
        names = {f"x-{number}" for number in range(members)}
        for name in names:
            broker.enter(f"room-{name[-1]}", name)
        found: set[str] = set()
        for digit in range(10):
            found |= broker.presence(f"room-{digit}").keys()
        assert found == names
        begin, before = monotonic(), calls(mortal)
        wait_until(lambda before=before: calls(mortal)["pexpire"] >= before["pexpire"] + 6)
        more = {name: number - before.get(name, 0) for name, number in calls(mortal).items()}
        beats = more.pop("pexpire")
        assert not any(more.values())
        assert beats <= (monotonic() - begin) / 0.2 + 1


def test_leaving_with_the_last_member_ends_the_beats(mortal: RedisServer, make: Make) -> None:
    broker, other = (make(mortal.url, presence_ttl=0.3) for _ in range(2))
    broker.enter("tea", "x-1")
    assert broker.presence("tea") == {"x-1": None}
    broker.leave("tea", "x-1")
    assert broker.presence("tea") == {}
    wait_until(lambda: b":0" in mortal.ask("DBSIZE"))
    broker.enter("tea", "x-2")
    wait_until(lambda: other.presence("tea") == {"x-2": None})


@pytest.mark.parametrize("where", ["redis", "cluster"])
def test_process_that_stood_still_is_gone_and_comes_back_with_all(
    request: pytest.FixtureRequest, where: str
) -> None:
    url = request.getfixturevalue("server").url
    if where == "cluster":
        url = cluster_url(request.getfixturevalue("clustered"))
    broker = request.getfixturevalue("make")(url, prefix=f"still-{where}:")
    command = [sys.executable, "-m", PROGRAM, url, f"still-{where}:", "1.0"]
    process: Any = Popen(command, stdout=PIPE, cwd=ROOT)
    try:
        assert process.stdout.readline() == b"here\n"
        assert broker.presence("tea") == OTHERS
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: broker.presence("tea") == {})
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: broker.presence("tea") == OTHERS)
        process.kill()
        wait_until(lambda: broker.presence("tea") == {})
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_all_are_named_again_after_all_was_deleted(mortal: RedisServer, make: Make) -> None:
    broker, other = (make(mortal.url, presence_ttl=1.0) for _ in range(2))
    names = {f"x-{number}" for number in range(2 * MEMBERS + 5)}
    for name in names:
        broker.enter("tea", name)
    broker.enter("milk", "x-1")
    wait_until(lambda: set(other.presence("tea")) == names)
    mortal.ask("FLUSHALL")
    wait_until(lambda: set(other.presence("tea")) == names)
    wait_until(lambda: other.presence("milk") == {"x-1": None})


def test_all_are_named_again_after_a_shard_of_a_cluster_was_emptied(
    clustered: list[RedisServer], make: Make
) -> None:
    url = cluster_url(clustered)
    broker, other = (make(url, presence_ttl=1.0) for _ in range(2))
    rooms = [f"tea-{number}" for number in range(12)]

    def are_all_there() -> bool:
        return all(other.presence(room) == {"x-1": 5} for room in rooms)

    for room in rooms:
        broker.enter(room, "x-1", 5)
    wait_until(are_all_there)
    for server in clustered[:3]:
        server.ask("FLUSHALL")
        wait_until(are_all_there)
    assert len({book("", room, Cluster.books).beats for room in rooms}) > 3


def test_room_that_redis_has_dropped_is_named_again_when_it_is_asked_for(
    server: RedisServer, make: Make
) -> None:
    broker = make(prefix="dropped:")
    for number in range(3):
        broker.enter("tea", f"x-{number}")
    assert len(broker.presence("tea")) == 3
    server.ask("DEL", book("dropped:", "tea", 1).members)
    assert broker.presence("tea") == {}
    assert len(broker.presence("tea")) == 3


def test_lost_connection_has_all_named_again(mortal: RedisServer, make: Make) -> None:
    broker, other = (make(mortal.url, prefix="lost:") for _ in range(2))
    inbox_of(broker)
    broker.enter("tea", "x-1")
    wait_until(lambda: other.presence("tea") == {"x-1": None})
    mortal.ask("DEL", book("lost:", "tea", 1).members)
    mortal.ask("CLIENT", "KILL", "TYPE", "pubsub")
    wait_until(lambda: other.presence("tea") == {"x-1": None})


def test_closed_broker_lives_no_more(mortal: RedisServer, make: Make) -> None:
    broker = make(mortal.url)
    for number in range(20):
        broker.enter(f"tea-{number}", "x-1")
        assert broker.presence(f"tea-{number}") == {"x-1": None}
    broker.close()
    assert mortal.ask("DBSIZE") == b":0\r\n"


def test_epoch_of_a_room_lives_as_long_as_its_members_are_kept(
    mortal: RedisServer, make: Make
) -> None:
    first, second = (make(mortal.url, history_ttl=1.0, prefix="quiet:") for _ in range(2))
    inbox_of(first)
    meta, members = place("quiet:", "tea").meta, book("quiet:", "tea", 1).members

    def are_kept() -> bool:
        left = [int(mortal.ask("PTTL", key)[1:-2]) for key in (meta, members)]
        return all(LIFE * 900 < each <= LIFE * 1000 for each in left)

    for broker, name in ((first, "x-1"), (second, "x-2")):
        mortal.ask("PEXPIRE", meta, "60000")
        broker.enter("tea", name)
        wait_until(are_kept)
    for key in (meta, members):
        mortal.ask("PEXPIRE", key, "60000")
    mortal.ask("CLIENT", "KILL", "TYPE", "pubsub")  # all are named again, as when it is time
    wait_until(are_kept)
