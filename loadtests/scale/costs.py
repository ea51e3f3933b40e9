"""What Redis itself spends and keeps: for each publication, subscriber, member and room.

One broker publishes to so many bare subscribers, and Redis says what it has used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import ceil
from statistics import median
from time import monotonic, process_time
from typing import Any, Final, NamedTuple

import gevent
from gevent import socket
from gevent.pool import Pool

from geventws.adapters.redis import RedisBroker
from loadtests.scale import stores
from tests.redises import DURABLE, RedisServer, redis_server

SUBSCRIBERS: Final = (1, 2, 10, 50)
HISTORIES: Final = (0, 100)
SIZES: Final = (128, 1024)
AT_ONCE: Final = 32  # publications that wait for an answer
ALONE: Final = 1
TICKS: Final = 9
PATIENCE: Final = 60.0
TICK: Final = 0.1
HISTORY: Final = "history"
NONE: Final = "none"
DURABLY: Final = ", append-only file"
EVERY_SECOND: Final = (*DURABLE[:-1], "everysec")


class Load(NamedTuple):
    """What is published: see Spent."""

    history: int
    at_once: int
    size: int
    subscribers: int
    publications: int


class Spent(NamedTuple):
    """What one publication took of Redis.

    Attributes:
        kind: "history", "none", or "history, append-only file".
        at_once: how many wait for an answer: with many, Redis writes many messages at once.
        microseconds: of processor time.
        arrived, sent: bytes over the network, of all connections.
    """

    kind: str
    at_once: int
    size: int
    subscribers: int
    microseconds: float
    arrived: float
    sent: float


class Kept(NamedTuple):
    """What Redis keeps, in bytes, and what it takes to keep it, in microseconds.

    Attributes:
        rooms: bytes of a room with 100 messages, by their size.
        channel: bytes of a channel that one more node is subscribed to.
        member: bytes of one member of a room.
        alone: bytes of the only member of a room.
        enter: microseconds for one member of a full room, one of many told of at once.
        enter_alone: microseconds for the only member of a room.
        refresh, refresh_alone: the same for those who are there already.
        refresh_node: what the latter takes of the node.
        told, told_alone: bytes that come to Redis for both.
        reading: microseconds for each message that is read from a history.
    """

    rooms: dict[str, float]
    channel: float
    member: float
    alone: float
    enter: float
    enter_alone: float
    refresh: float
    refresh_alone: float
    refresh_node: float
    told: float
    told_alone: float
    reading: float


def spending(publications: int, rounds: int = 1) -> Iterator[Spent]:
    """Yield what so many publications take, each, in all circumstances, some times."""
    for _ in range(rounds):
        yield from _spending(publications)


def _spending(publications: int) -> Iterator[Spent]:
    with redis_server() as redis:
        for subscribers in SUBSCRIBERS:
            for history in HISTORIES:
                for size in SIZES:
                    few = ceil(publications / (1 + subscribers / 8))
                    for at_once in (ALONE, AT_ONCE):
                        load = Load(history, at_once, size, subscribers, few)
                        yield _spent(redis, "", load)
    with redis_server(*EVERY_SECOND) as redis:
        for size in SIZES:
            yield _spent(redis, DURABLY, Load(100, AT_ONCE, size, 2, publications))


def _spent(redis: RedisServer, how: str, load: Load) -> Spent:
    room, message, count = "-".join(map(str, load)), "." * load.size, load.publications
    broker = RedisBroker(redis.url, history=load.history, timeout=60.0)
    pool = Pool(load.at_once)
    with listening(redis, "geventws:{" + room + "}", load.subscribers):
        broker.publish(room, message)
        before = _now(redis)
        for _ in range(count):
            pool.spawn(broker.publish, room, message)
        pool.join()
        used, arrived, sent = (b - a for a, b in zip(before, _now(redis), strict=True))
    broker.close()
    kind = (HISTORY if load.history else NONE) + how
    found = used / count * 1e6, arrived / count, sent / count
    return Spent(kind, load.at_once, load.size, load.subscribers, *found)


def _now(redis: RedisServer) -> list[float]:
    bytes_ = [
        stores.number(redis, "stats", f"total_net_{way}_bytes") for way in ("input", "output")
    ]
    return [stores.processor(redis), *bytes_]


@contextmanager
def listening(redis: RedisServer, channel: str, count: int) -> Iterator[None]:
    """Have so many connections be subscribed to *channel*, which read and forget."""
    ends = [socket.create_connection(("127.0.0.1", redis.port)) for _ in range(count)]
    try:
        for end in ends:
            end.sendall(f"SUBSCRIBE {channel}\r\n".encode())
            end.recv(1024)
        greenlets = [gevent.spawn(_swallow, end) for end in ends]
        yield
        gevent.killall(greenlets)
    finally:
        for end in ends:
            end.close()


def _swallow(end: Any) -> None:
    with suppress(OSError):
        while end.recv(262_144):
            pass


def keeping(count: int, rounds: int = 1) -> Kept:
    """Return what Redis keeps of *count* rooms or members, each; the medians of some rounds."""
    found = [_kept(count) for _ in range(rounds)]
    rooms = {size: median(each.rooms[size] for each in found) for size in found[0].rooms}
    others = zip(*(each[1:] for each in found), strict=True)
    return Kept(rooms, *map(median, others))


def _kept(count: int) -> Kept:
    with redis_server() as redis:
        rooms = {str(size): _room(redis, size, max(1, count // 50)) for size in SIZES}
        channel = _channels(redis, count)
        many = _members(redis, max(1, count // 100), 100)
        alone = _members(redis, count, 1)
        reading = _reading(redis, max(1, count // 50))
    spent = many.enter, alone.enter, many.refresh, alone.refresh, alone.node
    told = many.arrived, alone.arrived
    return Kept(rooms, channel, many.kept, alone.kept, *spent, *told, reading)


def _room(redis: RedisServer, size: int, rooms: int) -> float:
    """Return the bytes of a room that remembers 100 messages."""
    broker = RedisBroker(redis.url, timeout=60.0)
    pool = Pool(AT_ONCE)
    before = stores.memory(redis)
    for number in range(rooms * 120):
        pool.spawn(broker.publish, f"{size}-{number % rooms}", "." * size)
    pool.join()
    kept = (stores.memory(redis) - before) / rooms
    broker.close()
    return kept


def _channels(redis: RedisServer, channels: int) -> float:
    """Return the bytes of a channel with one subscriber."""
    with socket.create_connection(("127.0.0.1", redis.port)) as end:
        end.sendall(b"PING\r\n")
        end.recv(1024)
        before = stores.memory(redis)
        for number in range(channels):
            end.sendall(f"SUBSCRIBE geventws:{{channel-{number}}}\r\n".encode())
            end.recv(4096)
        return (stores.memory(redis) - before) / channels


class _Told(NamedTuple):
    """What it took to tell of members, each: bytes, and microseconds the first time and again."""

    kept: float
    arrived: float
    enter: float
    refresh: float
    node: float


def _members(redis: RedisServer, rooms: int, members: int) -> _Told:
    """Tell of so many members in each of so many rooms, and once more."""
    broker = RedisBroker(redis.url, timeout=60.0)
    broker.publish("warm", "")
    idle = _idle(redis, TICKS)
    count, kept = rooms * members, stores.memory(redis)
    used, scripts = stores.processor(redis), stores.scripts(redis)
    _enter(broker, rooms, count)
    _await(redis, scripts + rooms)
    entered, scripts = stores.processor(redis), stores.scripts(redis)
    kept, arrived = stores.memory(redis) - kept, _arrived(redis)
    own, began = process_time(), monotonic()
    _enter(broker, rooms, count)
    _await(redis, scripts + rooms)
    again = stores.processor(redis) - entered - idle * (monotonic() - began)
    own, arrived = process_time() - own, _arrived(redis) - arrived
    broker.close()
    spent = (each / count * 1e6 for each in (entered - used, again, own))
    return _Told(kept / count, arrived / count, *spent)


def _enter(broker: RedisBroker, rooms: int, count: int) -> None:
    for number in range(count):
        broker.enter(f"{rooms}-{number % rooms}", f"0123456789abcdef-{number}", {"name": "Ann"})


def _arrived(redis: RedisServer) -> float:
    return stores.number(redis, "stats", "total_net_input_bytes")


def _idle(redis: RedisServer, ticks: int) -> float:
    """Return the processor time that Redis takes in a second in which it is only asked."""
    before = stores.processor(redis)
    for _ in range(ticks):
        gevent.sleep(TICK)
        stores.scripts(redis)
    return (stores.processor(redis) - before) / (ticks * TICK)


def _await(redis: RedisServer, scripts: int) -> None:
    """Wait until Redis has run so many."""
    with gevent.Timeout(PATIENCE):
        while stores.scripts(redis) < scripts:
            gevent.sleep(TICK)


def _reading(redis: RedisServer, rooms: int) -> float:
    """Return what it takes to read one message of a history of 100."""
    broker = RedisBroker(redis.url, timeout=60.0)
    before = stores.processor(redis)
    read = sum(len(broker.history(f"128-{number}").publications) for number in range(rooms))
    used = stores.processor(redis) - before
    broker.close()
    return used / max(1, read) * 1e6
