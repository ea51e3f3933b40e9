"""Which Redis has a room: names, slots that move, and nodes that are lost."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from redis.crc import key_slot

from geventws.adapters.redis.nodes import book, place
from tests.adapters.redis.conftest import Make
from tests.brokers import Inbox, inbox_of, messages, wait_until
from tests.redises import MASTERS, RedisServer

ROOMS = ["", "tea", "}", "{}", "a}b", "%", "%7D", "{a}b", "x" * 200, "\N{HOT BEVERAGE}"]


def url_of(server: RedisServer) -> str:
    return f"redis+cluster://127.0.0.1:{server.port}"


@pytest.mark.parametrize("room", ROOMS)
def test_keys_of_a_room_are_in_one_slot(room: str) -> None:
    names = place("geventws:", room)
    assert len({key_slot(name) for name in names}) == 1
    assert len(set(names)) == len(names)


def test_rooms_have_different_keys() -> None:
    names = [name for room in ROOMS for name in place("geventws:", room)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("books", [1, 1024])
def test_who_is_in_a_room_is_in_one_slot_with_who_says_so(books: int) -> None:
    names = [book("geventws:", room, books) for room in ROOMS]
    assert all(key_slot(each.members) == key_slot(each.beats + b"}x") for each in names)
    assert len({each.members for each in names}) == len(ROOMS)
    assert len({each.beats for each in names}) >= min(books, 8)
    others = {name for room in ROOMS for name in place("geventws:", room)}
    assert not others & {name for each in names for name in each}


def test_rooms_are_spread_over_the_nodes(clustered: list[RedisServer], make: Make) -> None:
    broker = make(url_of(clustered[0]), prefix="spread:")
    rooms = [f"room{number}" for number in range(30)]
    inboxes = {room: inbox_of(broker, room) for room in rooms}
    gevent.joinall([gevent.spawn(broker.publish, room, room) for room in rooms], raise_error=True)
    assert [inboxes[room].messages(1) for room in rooms] == [[room] for room in rooms]
    counts = [
        int(server.ask("PUBSUB", "SHARDCHANNELS", "spread:*").partition(b"\r")[0][1:])
        for server in clustered[:MASTERS]
    ]
    assert sum(counts) == 30
    assert all(counts)


def move(servers: list[RedisServer], slot: int, source: int, target: int) -> None:
    """Move *slot* with its keys, as redis-cli --cluster reshard does it."""
    names = [server.name for server in servers]
    servers[target].ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", names[source])
    servers[source].ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", names[target])
    reply = servers[source].ask("CLUSTER", "GETKEYSINSLOT", str(slot), "100")
    keys = [each for each in reply.split(b"\r\n")[2::2] if each]
    if keys:
        where = ("127.0.0.1", str(servers[target].port), "", "0", "5000", "KEYS")
        assert servers[source].ask("MIGRATE", *where, *keys).startswith(b"+OK")
    for server in (servers[target], servers[source], *servers[:MASTERS]):
        server.ask("CLUSTER", "SETSLOT", str(slot), "NODE", names[target])


def test_room_whose_slot_moves_loses_nothing(clustered: list[RedisServer], make: Make) -> None:
    urls = [url_of(server) for server in clustered]
    first, second = (make(url, timeout=20.0, prefix="") for url in urls[:2])
    inbox = inbox_of(first)
    slot = key_slot(place("", "tea").channel)
    home = slot * 3 // 16384
    sent = []
    for turn in range(3):
        sent += [f"{turn}.{number}" for number in range(10)]
        for text in sent[-10:]:
            second.publish("tea", text)
        move(clustered, slot, (home + turn) % 3, (home + turn + 1) % 3)
    second.publish("tea", "last")
    assert inbox.messages(31) == [*sent, "last"]
    assert messages(second.history("tea")) == [*sent, "last"]
    assert first.counts.unrecovered == 0


def test_lost_node_takes_its_own_rooms_alone_until_its_replica_takes_over(
    clustered: list[RedisServer], make: Make
) -> None:
    for server in clustered:
        server.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    master, *_, replica = clustered
    wait_until(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"))
    broker = make(url_of(master), timeout=20.0, prefix="")
    rooms = {key_slot(place("", f"r{n}").channel) * 3 // 16384: f"r{n}" for n in range(50)}
    inboxes = {number: inbox_of(broker, room) for number, room in rooms.items()}
    broker.publish(rooms[0], "before")
    assert inboxes[0].messages(1) == ["before"]
    wait_until(lambda: b":1" in master.ask("WAIT", "1", "0"))
    master.kill()
    for number in (1, 2):
        broker.publish(rooms[number], "hot")
        assert inboxes[number].messages(1) == ["hot"]
    waiting = gevent.spawn(broker.publish, rooms[0], "waits")
    assert replica.ask("CLUSTER", "FAILOVER", "TAKEOVER").startswith(b"+OK")
    clustered[0], clustered[-1] = replica, master
    position = waiting.get(timeout=20)
    assert position is not None
    assert position.offset == 2
    assert inboxes[0].messages(1) == ["waits"]
    assert broker.counts.unrecovered == 0
    master.start()  # as a replica


def test_cluster_that_is_taken_for_a_single_redis_says_so(
    clustered: list[RedisServer], make: Make
) -> None:
    broker = make(clustered[0].url, prefix="")
    elsewhere = next(f"r{n}" for n in range(50) if key_slot(place("", f"r{n}").channel) > 10_000)
    with pytest.raises(ConnectionError, match=r"redis\+cluster"):
        broker.publish(elsewhere, "x")


def test_cluster_of_which_nobody_answers_is_a_connection_error(make: Make) -> None:
    broker = make("redis+cluster://127.0.0.1:1", timeout=0.3)
    with pytest.raises(ConnectionError, match=r"^redis: ") as caught:
        broker.publish("tea", "x")
    assert caught.value.__cause__ is not None


def test_closed_broker_waits_for_no_cluster(make: Make) -> None:
    broker = make("redis+cluster://127.0.0.1:1", timeout=60.0)
    calls: list[Any] = [
        lambda: broker.publish("tea", "x"),
        lambda: broker.subscribe("tea", Inbox().deliver),
    ]
    waiting = [gevent.spawn(call) for call in calls]
    gevent.sleep(0.05)
    broker.close()
    gevent.joinall(waiting, timeout=20)
    assert [type(each.exception) for each in waiting] == [ConnectionError] * 2
