"""Which Redis has a room: the only one, or that node of a cluster which has the room's slot.

room -> Place: names of keys -> slot -> Node: a pipe and a subscriber
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import Any, Final, NamedTuple
from zlib import crc32

from gevent.lock import RLock
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    RedisError,
    TryAgainError,
)

from geventws.adapters.redis.links import Link, Source
from geventws.adapters.redis.pipe import Delays, Lost, Pipe, Request
from geventws.adapters.redis.subscriber import PLAIN, SHARDED, Listener, Subscriber
from geventws.adapters.redis.tracks import Track

ELSEWHERE: Final = (MovedError, AskError, TryAgainError, ClusterDownError, MasterDownError)

UNKNOWN: Final = "redis: the connection broke, and nobody knows whether it was published"
ADVICE: Final = "a cluster's url begins with redis+cluster"


class Place(NamedTuple):
    """What a room is called in Redis."""

    channel: bytes
    meta: bytes
    stream: bytes


def place(prefix: str, room: str) -> Place:
    """Return the names of *room*, which share their hash tag: not empty, and without a "}"."""
    tag = room.replace("%", "%25").replace("}", "%7D") or "%"
    stem = f"{prefix}{{{tag}}}".encode()
    return Place(stem, stem + b":m", stem + b":s")


class Book(NamedTuple):
    """Where is written who is in a room; many rooms are in the same book.

    Attributes:
        beats: what the names begin with of what says that a broker lives.
        members: the room's own key. It shares the hash tag with all others in the book.
    """

    beats: bytes
    members: bytes


def book(prefix: str, room: str, books: int) -> Book:
    """Return the one of so many *books* that *room* is in."""
    name = room.encode()
    stem = b"%b{%d}" % (prefix.encode(), crc32(name) % books)
    return Book(stem + b":n:", stem + b":p:" + name)


class Node:
    """One Redis: the connection that asks, and the one that listens."""

    def __init__(self, asks: Link, listens: Link, listener: Listener, is_sharded: bool) -> None:
        self.pipe = Pipe(asks, listener.stale if is_sharded else None)
        self.subscriber = Subscriber(listens, SHARDED if is_sharded else PLAIN, listener)

    def close(self) -> None:
        """Let go of both."""
        self.pipe.close()
        self.subscriber.close()


class Nodes:
    """The Redis that has all rooms.

    Attributes:
        publish: the command that publishes.
        books: how many there are. A broker says of each that it lives.
    """

    publish = "PUBLISH"
    books = 1
    is_sharded = False

    def __init__(self, source: Source, listener: Listener) -> None:
        self._source = source
        self._listener = listener
        self._first = Node(source.link(), source.link(), listener, self.is_sharded)
        self._closed = False

    def ask(self, key: bytes, request: Request, timeout: float) -> Any:
        """Send *request* to whoever has *key*, until there is an answer; return that.

        Raises:
            ConnectionError: there was none within *timeout* seconds, or Redis refused.
        """
        deadline = monotonic() + timeout
        delays = Delays()
        while not self._closed:
            node = self._node(key, deadline)
            try:
                return node.pipe.ask(request, deadline)
            except Lost as lost:
                if not request.repeatable:
                    raise ConnectionError(UNKNOWN) from lost.args[0]
                self._lost(deadline, delays)
            except ELSEWHERE as error:
                if not self.is_sharded:
                    raise ConnectionError(f"redis: {error}; {ADVICE}") from error
                if monotonic() > deadline:
                    raise ConnectionError(f"redis: {error}") from error
                delays.wait()
                self._lost(deadline, delays)
            except (RedisError, TimeoutError) as error:
                raise ConnectionError(f"redis: {error}") from (error.__cause__ or error)
        raise ConnectionError("the broker is closed")

    def follow(self, track: Track, deadline: float) -> Subscriber:
        """Have *track* be told of what is published; return by whom. Raises ConnectionError."""
        subscriber = self._node(track.channel, deadline).subscriber
        subscriber.add(track)
        return subscriber

    def unfollow(self, track: Track) -> None:
        """Have *track* be told of nothing any more; does not wait."""
        for node in self._all():
            node.subscriber.drop(track)

    def move(self) -> None:
        """Look where the rooms are now, and have the tracks follow; may wait."""

    def close(self) -> None:
        """Let go of all."""
        self._closed = True
        for node in self._all():
            node.close()

    def _node(self, key: bytes, deadline: float) -> Node:
        return self._first

    def _all(self) -> Iterable[Node]:
        return [self._first]

    def _lost(self, deadline: float, delays: Delays) -> None:
        """Do nothing: the pipe waits before it connects again."""


class Cluster(Nodes):
    """The nodes of a cluster, by the slots that they have.

    Where the slots are is asked at first, and again when a node says that it has not got one, or is
    lost. Who loses its slots is let go of.
    """

    publish = "SPUBLISH"
    books = 1024  # enough for any number of nodes to have about the same
    is_sharded = True

    def __init__(self, source: Source, listener: Listener) -> None:
        super().__init__(source, listener)
        self._nodes: dict[tuple[str, int], Node] = {}
        self._slots: list[tuple[int, int, tuple[str, int]]] = []
        self._lock = RLock()
        self._version = 0

    def move(self) -> None:
        """Look where the slots are, and have the tracks follow. Raises ConnectionError."""
        self._look(self._version, monotonic() + self._source.timeout)

    def _look(self, version: int, deadline: float) -> None:
        with self._lock:
            if version != self._version:  # another greenlet has just looked
                return
            self._slots = self._read_slots(deadline)
            self._version += 1
            self._settle()

    def _read_slots(self, deadline: float) -> list[tuple[int, int, tuple[str, int]]]:
        """Ask the nodes that are known, one after the other, and the one of the URL."""
        known = [*self._nodes.values(), self._first]
        problem: Exception | None = None
        for number, node in enumerate(known):
            share = (deadline - monotonic()) / (len(known) - number)
            try:
                reply = node.pipe.ask(Request("CLUSTER", "SLOTS"), monotonic() + share)
            except (Lost, RedisError, TimeoutError) as error:
                problem = error.args[0] if isinstance(error, Lost) else error
            else:
                host, _ = node.pipe.address
                return [_slot(each, host or "") for each in reply]
        raise ConnectionError("redis: no node of the cluster answers") from problem

    def _settle(self) -> None:
        """Have the nodes, and the tracks at them, be what the slots say."""
        addresses = {address for _, _, address in self._slots}
        tracks = [
            (track, node) for node in self._nodes.values() for track in node.subscriber.tracks()
        ]
        gone = [self._nodes.pop(each) for each in self._nodes.keys() - addresses]
        for address in addresses - self._nodes.keys():
            links = self._source.link_to(*address), self._source.link_to(*address)
            self._nodes[address] = Node(*links, self._listener, True)
        for track, node in tracks:
            home = self._home(track.channel) or node
            if home is not node:
                node.subscriber.drop(track)
                track.lose()
            home.subscriber.add(track)
        for node in gone:
            node.close()

    def _home(self, key: bytes) -> Node | None:
        slot = key_slot(key)
        for first, last, address in self._slots:
            if first <= slot <= last:
                return self._nodes[address]
        return None

    def _node(self, key: bytes, deadline: float) -> Node:
        delays = Delays()
        while (node := self._home(key)) is None:
            if monotonic() > deadline:
                raise ConnectionError("redis: no node of the cluster has the slot")
            if self._version:
                delays.wait()
            self._lost(deadline, delays)
        return node

    def _all(self) -> Iterable[Node]:
        return [self._first, *self._nodes.values()]

    def _lost(self, deadline: float, delays: Delays) -> None:
        """Look where the slots are; where nobody says it, wait a moment."""
        try:
            self._look(self._version, deadline)
        except ConnectionError:
            if self._closed or monotonic() > deadline:
                raise
            delays.wait()


def _slot(entry: Any, host: str) -> tuple[int, int, tuple[str, int]]:
    """Return the first and the last slot of *entry*, and who has them.

    A node that does not know its own address says so by none: it is the one at *host*.
    """
    first, last, (name, port, *_) = entry[:3]
    return first, last, ((name or b"").decode() or host, port)


def nodes_of(source: Source, listener: Listener) -> Nodes:
    """Return the Redis of *source*, or its whole cluster; nothing is opened yet."""
    return (Cluster if source.is_cluster else Nodes)(source, listener)
