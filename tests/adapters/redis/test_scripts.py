"""What happens in Redis at once or not at all."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from geventws.adapters.redis.envelope import pack
from geventws.adapters.redis.links import GreenUnixConnection
from geventws.adapters.redis.scripts import ATTEND, HISTORY, PRESENCE, PUBLISH, Script
from tests.redises import RedisServer

META, STREAM, CHANNEL = "{s}:m", "{s}:s", "{s}"


@pytest.fixture
def client(server: RedisServer, leaks_nothing: None) -> Any:
    """redis-py itself, on a Redis without our keys."""
    pool = redis.ConnectionPool(
        connection_class=GreenUnixConnection, path=str(server.path), protocol=2
    )
    made = redis.Redis(connection_pool=pool)
    made.delete(META, STREAM, "{s}:p", "{s}:i")
    yield made
    pool.disconnect()


def run(client: Any, script: Script, keys: list[str], *words: Any) -> Any:
    return client.eval(script.text, len(keys), *keys, *words)


def publish(
    client: Any,
    number: int,
    node: bytes = b"12345678",
    *,
    size: int = 10,
    known: tuple[str, int] = ("", 0),
    retried: bool = False,
) -> Any:
    body = pack(f"{number}", frozenset(), node, number)
    words = [body, size, 60_000, 70_000, "newepoch", node, number, *known, "PUBLISH", int(retried)]
    return run(client, PUBLISH, [META, STREAM, CHANNEL], *words)


def test_publish_counts_from_one_and_remembers_so_many(client: Any) -> None:
    assert [publish(client, number, size=3) for number in range(1, 6)] == [
        [b"newepoch", number] for number in range(1, 6)
    ]
    assert [name for name, _ in client.xrange(STREAM)] == [b"3-0", b"4-0", b"5-0"]
    assert 0 < client.pttl(STREAM) <= 60_000 < client.pttl(META) <= 70_000


def test_retried_publish_returns_where_it_stands(client: Any) -> None:
    for number in (1, 2, 3):
        publish(client, number)
    assert publish(client, 2, retried=True) == [b"newepoch", 2]
    assert publish(client, 3, retried=True) == [b"newepoch", 3]
    assert client.xlen(STREAM) == 3


def test_retried_publish_that_never_came_is_published(client: Any) -> None:
    publish(client, 1)
    publish(client, 3)
    assert publish(client, 2, retried=True) == [b"newepoch", 3]
    assert publish(client, 2, retried=True) == [b"newepoch", 3]
    assert publish(client, 4, retried=True) == [b"newepoch", 4]
    assert client.xlen(STREAM) == 4


def test_retried_publish_is_not_repeated_where_nobody_knows(client: Any) -> None:
    for number in (1, 2, 4, 5, 6):
        publish(client, number, size=3)
    assert publish(client, 2, size=3, retried=True) == [b"newepoch", 0]
    assert client.hget(META, "s") == b"5"


def test_numbers_of_nodes_have_nothing_to_do_with_each_other(client: Any) -> None:
    publish(client, 7)
    assert publish(client, 7, b"another.", retried=True) == [b"newepoch", 2]


def test_numbers_of_nodes_that_are_long_gone_are_forgotten(client: Any) -> None:
    publish(client, 1)
    now = client.time()[0]
    old = {f"nold{number}": f"5:{now - 700}" for number in range(150)}
    client.hset(META, mapping={**old, "nyoung": f"5:{now - 10}"})
    publish(client, 1, b"another.")
    fields = set(client.hkeys(META))
    assert fields == {b"e", b"s", b"n12345678", b"nyoung", b"nanother."}


def test_publisher_that_knows_of_more_begins_a_new_epoch(client: Any) -> None:
    publish(client, 1)
    client.hset(META, "e", "theepoch")
    assert publish(client, 2, known=("theepoch", 1)) == [b"theepoch", 2]
    assert publish(client, 3, known=("another.", 9)) == [b"theepoch", 3]
    assert publish(client, 4, known=("theepoch", 9)) == [b"newepoch", 1]
    assert client.xlen(STREAM) == 1


@pytest.mark.parametrize(
    ("epoch", "offset", "expected"),
    [("", 0, [1, 2, 3]), ("newepoch", 1, [2, 3]), ("newepoch", 3, []), ("another.", 2, [1, 2, 3])],
)
def test_history_begins_after_what_is_known(
    client: Any, epoch: str, offset: int, expected: list[int]
) -> None:
    for number in (1, 2, 3):
        publish(client, number)
    known, at, entries = run(
        client, HISTORY, [META, STREAM], epoch, offset, 10, 1000, "freshone", 0
    )
    assert (known, at) == (b"newepoch", 3)
    assert [name for name, _ in entries] == [b"%d-0" % number for number in expected]


@pytest.mark.parametrize(("epoch", "offset"), [("", 0), ("newepoch", 4)])
def test_history_of_nothing_and_of_the_future_begins_an_epoch(
    client: Any, epoch: str, offset: int
) -> None:
    if epoch:
        publish(client, 1)
    reply = run(client, HISTORY, [META, STREAM], epoch, offset, 10, 1000, "freshone", 0)
    assert reply == [b"freshone", 0, []]
    assert not client.exists(STREAM)
    assert 0 < client.pttl(META) <= 1000


def test_members_stay_until_their_time_and_keep_the_epoch(client: Any) -> None:
    publish(client, 1)
    keys = ["{s}:p", "{s}:i", META]
    run(client, ATTEND, keys, 50_000, 2, 90_000, "a", "1", "b", "2", 0)
    run(client, ATTEND, keys, 1_000, 1, 90_000, "c", "3", "a", 0)
    assert 1_000 < client.pttl(keys[0]) <= 50_000
    assert client.pttl(META) > 80_000
    assert sorted(run(client, PRESENCE, keys[:2], 0)) == [b"2", b"3", b"b", b"c"]
    client.zadd(keys[0], {"b": 5})
    assert run(client, PRESENCE, keys[:2], 0) == [b"c", b"3"]
    assert client.zrange(keys[0], 0, -1) == [b"c"]
    run(client, ATTEND, keys, 1_000, 0, 90_000, "c", 0)
    assert not client.exists(*keys[:2])
