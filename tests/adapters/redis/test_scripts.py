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
MEMBERS, BEATS = "{0}:p:s", "{0}:n:"


@pytest.fixture
def client(server: RedisServer, leaks_nothing: None) -> Any:
    """redis-py itself, on a Redis without our keys."""
    pool = redis.ConnectionPool(
        connection_class=GreenUnixConnection, path=str(server.path), protocol=2
    )
    made = redis.Redis(connection_pool=pool)
    made.delete(META, STREAM, MEMBERS, BEATS + "12345678", BEATS + "87654321")
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
    text: str = "",
    over: str = "",
) -> Any:
    body = pack(text or f"{number}", frozenset(), node, number)
    words = [
        body,
        size,
        60_000,
        70_000,
        *known,
        over,
        "newepoch",
        node,
        number,
        "PUBLISH",
        int(retried),
    ]
    return run(client, PUBLISH, [META, STREAM, CHANNEL], *words)


def history(
    client: Any, since: tuple[str, int], known: tuple[str, int] = ("", 0), over: str = ""
) -> Any:
    return run(client, HISTORY, [META, STREAM], *since, 10, *known, over, "freshone", 1000, 0)


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


def test_retried_publish_is_not_repeated_in_another_epoch(client: Any) -> None:
    assert publish(client, 1, retried=True) == [b"newepoch", 0]
    assert publish(client, 1, known=("theepoch", 5), retried=True) == [b"newepoch", 0]
    assert not client.exists(STREAM)
    publish(client, 1)
    assert publish(client, 1, known=("theepoch", 5), retried=True) == [b"newepoch", 1]
    assert client.xlen(STREAM) == 1


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
    now, at, entries = history(client, (epoch, offset))
    assert (now, at) == (b"newepoch", 3)
    assert [name for name, _ in entries] == [b"%d-0" % number for number in expected]


@pytest.mark.parametrize("since", [("", 0), ("newepoch", 4)])
def test_history_of_nothing_begins_an_epoch(client: Any, since: tuple[str, int]) -> None:
    assert history(client, since) == [b"freshone", 0, []]
    assert 0 < client.pttl(META) <= 1000


def test_room_begins_anew_for_who_knows_more_but_not_for_who_says_so(client: Any) -> None:
    publish(client, 1)
    assert history(client, ("newepoch", 4))[:2] == [b"newepoch", 1]
    assert history(client, ("newepoch", 1), known=("another.", 4)) == [b"newepoch", 1, []]
    assert history(client, ("newepoch", 1), known=("newepoch", 4)) == [b"freshone", 0, []]
    assert not client.exists(STREAM)


def test_room_in_an_epoch_that_is_over_begins_anew(client: Any) -> None:
    publish(client, 1)
    assert history(client, ("", 0), ("another.", 4), "theepoch")[:2] == [b"newepoch", 1]
    assert history(client, ("", 0), ("another.", 4), "theepoch newepoch") == [b"freshone", 0, []]
    assert publish(client, 2, known=("another.", 4), over="freshone") == [b"newepoch", 1]


def test_long_messages_are_not_read_all_at_once(client: Any) -> None:
    for number in range(1, 11):
        publish(client, number, text="x" * 400_000)
    names = [[name for name, _ in history(client, ("newepoch", at))[2]] for at in (0, 3, 9)]
    assert [len(each) for each in names] == [3, 3, 1]
    assert [each[0] for each in names] == [b"1-0", b"4-0", b"10-0"]


@pytest.mark.parametrize(
    "fields",
    [{"e": "abc", "s": 5}, {"e": b"\xff" * 8, "s": 5}, {"e": "theepoch"}, {"s": 5}, {"x": "y"}],
    ids=["short", "no-text", "no-offset", "no-epoch", "something-else"],
)
def test_room_begins_anew_where_what_is_there_is_not_ours(client: Any, fields: Any) -> None:
    client.hset(META, mapping=fields)
    assert history(client, ("", 0)) == [b"freshone", 0, []]
    client.delete(META)
    client.hset(META, mapping=fields)
    assert publish(client, 1) == [b"newepoch", 1]


def test_publish_that_fails_takes_no_offset(client: Any) -> None:
    publish(client, 1)
    client.delete(STREAM)
    client.set(STREAM, "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        publish(client, 2)
    client.delete(STREAM)
    assert publish(client, 2) == [b"newepoch", 2]


def test_members_are_there_while_who_named_them_lives(client: Any) -> None:
    run(client, ATTEND, [MEMBERS], 50_000, 2, "a", "12345678[1]", "b", "87654321[2]", 0)
    assert 40_000 < client.pttl(MEMBERS) <= 50_000
    client.set(BEATS + "12345678", "")
    client.set(BEATS + "87654321", "")
    assert run(client, PRESENCE, [MEMBERS, BEATS], 0) == [b"a", b"[1]", b"b", b"[2]"]
    run(client, ATTEND, [MEMBERS], 50_000, 1, "c", "12345678[3]", "a", 0)
    client.delete(BEATS + "87654321")
    assert run(client, PRESENCE, [MEMBERS, BEATS], 0) == [b"c", b"[3]"]
    assert client.hkeys(MEMBERS) == [b"c"]
    run(client, ATTEND, [MEMBERS], 50_000, 0, "c", 0)
    assert not client.exists(MEMBERS)


def test_members_that_nobody_has_named_are_taken_away(client: Any) -> None:
    client.hset(MEMBERS, mapping={"a": "", "b": "x", "c": "no such broker"})
    assert run(client, PRESENCE, [MEMBERS, BEATS], 0) == []
    assert not client.exists(MEMBERS)
