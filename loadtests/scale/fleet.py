"""The arithmetic of a fleet: what so many nodes and connections need of Redis, by what they do.

Profile x Fleet x Prices -> needs() -> Needs
"""

from __future__ import annotations

from math import ceil, exp
from typing import Final, NamedTuple

from geventws.adapters.redis.attendance import LIFE, MEMBERS
from geventws.adapters.redis.nodes import Cluster
from loadtests.scale.calibration import Prices, Redis

GIB: Final = 2**30


class Fleet(NamedTuple):
    """How large it is, and how its brokers are set.

    Attributes:
        ttl: presence_ttl, in seconds; a third of it is between two beats of a node.
        history_ttl: in seconds.
        together: whether the load balancer sends the members of a room to the same node.
        markup: what all measured costs are multiplied by.
    """

    nodes: int = 100
    connections: int = 10_000_000
    ttl: float = 30.0
    history_ttl: float = 300.0
    together: bool = False
    markup: float = 1.0


class Limits(NamedTuple):
    """How far one Redis, which has one core, may be used."""

    processor: float = 0.5
    traffic: float = 625e6  # bytes a second: half of 10 Gbit/s
    memory: float = 16 * GIB  # of 32: a snapshot may need as much again


LIMITS: Final = Limits()


class Profile(NamedTuple):
    """What people do.

    Attributes:
        says: one sentence about it.
        members: connections in a room.
        joined: rooms of a connection.
        said: messages that a connection publishes in an hour.
        pushed: messages that servers publish in each room in an hour.
        size: bytes of a message.
        history: messages that a room remembers.
        stays: seconds until a connection leaves its rooms.
        looks: how often a connection asks in an hour who is in a room.
        in_rooms: whether there is presence; broadcasts without a room have none.
    """

    name: str
    says: str
    members: int
    joined: float = 1.0
    said: float = 0.0
    pushed: float = 0.0
    size: int = 200
    history: int = 100
    stays: float = 1800.0
    looks: float = 0.0
    in_rooms: bool = True


PROFILES: Final = [
    Profile(
        "chat rooms",
        "rooms of 20, everybody in one of them, and says something every two minutes",
        *(20, 1.0, 30.0),
    ),
    Profile(
        "one big room",
        "everybody follows one event, five messages a second, by broadcasts without a room",
        *(10_000_000, 1.0, 0.0, 5 * 3600.0),
        in_rooms=False,
    ),
    Profile(
        "presence-heavy",
        "five rooms of 50 each, one message an hour, gone after ten minutes, and looking every ten "
        "minutes who is there",
        *(50, 5.0, 1.0),
        stays=600.0,
        looks=6.0,
    ),
    Profile(
        "notifications",
        "a room for each user, who gets a message every ten minutes and has 20 kept",
        *(1, 1.0, 0.0, 6.0),
        history=20,
    ),
]


class Needs(NamedTuple):
    """What a fleet needs; rates are by the second.

    Attributes:
        rooms: how many there are.
        spread: nodes that have members of a room.
        published: messages that come to Redis.
        forwarded: messages that Redis sends to nodes.
        delivered: messages that nodes send to connections.
        arriving, leaving: bytes of all that, and of presence.
        memory: bytes.
        messages: seconds of Redis' processor time, for messages.
        presence: seconds of it for who is in what room.
        node: seconds of processor time of each node.
        shards: how many Redis it takes.
        reason: what asks for that many.
    """

    rooms: float
    spread: float
    published: float
    forwarded: float
    delivered: float
    arriving: float
    leaving: float
    memory: float
    messages: float
    presence: float
    node: float
    shards: int
    reason: str

    @property
    def processor(self) -> float:
        """Seconds of Redis' processor time a second: cores."""
        return self.messages + self.presence


def spread(nodes: int, members: float) -> float:
    """Return how many of *nodes* have somebody of so many, who are anywhere."""
    return float(nodes * (1 - (1 - 1 / nodes) ** members))


def needs(
    profile: Profile,
    fleet: Fleet,
    prices: Prices,
    redis: Redis | None = None,
    limits: Limits = LIMITS,
) -> Needs:
    """Return what *fleet* needs where people do as in *profile*.

    Args:
        redis: what a message takes of Redis, one of *prices*; None is where each comes alone.
    """
    redis = redis or prices.alone
    members = min(profile.members, fleet.connections)
    rooms = fleet.connections * profile.joined / members
    at = 1.0 if fleet.together else spread(fleet.nodes, members)
    published = (fleet.connections * profile.said + rooms * profile.pushed) / 3600
    forwarded, delivered = published * at, published * members
    size = profile.size
    messages = published * redis.publish.at(size) + forwarded * redis.forward.at(size)
    there = _presence(profile, fleet, prices, rooms, at)
    arriving = published * prices.arrived.at(size) + there.arriving
    leaving = forwarded * prices.sent.at(size) + there.leaving
    memory = _memory(profile, fleet, prices, rooms, at, published / rooms)
    moved = published * prices.publish + forwarded * prices.receive + delivered * prices.deliver
    node = moved + there.nodes
    scale = fleet.markup / 1e6
    shares = {
        "processor": (messages + there.processor) * scale / limits.processor,
        "traffic": max(arriving, leaving) / limits.traffic,
        "memory": memory / limits.memory,
    }
    reason = max(shares, key=lambda each: shares[each])
    return Needs(
        *(rooms, at, published, forwarded, delivered, arriving, leaving, memory),
        *(messages * scale, there.processor * scale, node * scale / fleet.nodes),
        *(max(1, ceil(shares[reason])), reason),
    )


class _There(NamedTuple):
    """What presence needs by the second; processors' time in microseconds."""

    processor: float = 0.0
    arriving: float = 0.0
    leaving: float = 0.0
    nodes: float = 0.0


def _presence(profile: Profile, fleet: Fleet, prices: Prices, rooms: float, at: float) -> _There:
    """Return what it takes that all are known to be there, come, leave and are asked for."""
    if not profile.in_rooms:
        return _There()
    seats = rooms * min(profile.members, fleet.connections)
    again = max(fleet.ttl, fleet.history_ttl, LIFE) / 3
    told, calls = seats / again, max(rooms * at, seats / MEMBERS) / again
    beats = fleet.nodes * min(Cluster.books, rooms * at / fleet.nodes) / (fleet.ttl / 3)
    changes = 2 * seats / profile.stays
    kept = prices.kept
    call = max(0.0, kept.enter_alone - kept.enter)
    read = fleet.connections * profile.looks / 3600 * profile.members
    return _There(
        calls * call
        + told * kept.refresh
        + beats * kept.refresh_alone  # which is more than it takes
        + changes * kept.enter_alone
        + read * kept.reading,
        calls * max(0.0, kept.told_alone - kept.told)
        + told * kept.told
        + (beats + changes) * kept.told_alone,
        read * kept.told,
        (calls + beats) * kept.refresh_node,
    )


def _memory(
    profile: Profile, fleet: Fleet, prices: Prices, rooms: float, at: float, rate: float
) -> float:
    """Return the bytes of histories, members and channels; *rate* is of one room.

    Messages come at random times, and a room forgets where none comes for as long as its TTL.
    """
    quiet = exp(-rate * fleet.history_ttl)
    run = 1 / quiet if quiet > 1 / profile.history else float(profile.history)
    remembered = (1 - quiet) * min(profile.history, run)
    history = rooms * (prices.room + remembered * prices.entry.at(profile.size))
    seats = rooms * profile.members if profile.in_rooms else 0.0
    member = prices.kept.alone if profile.members == 1 else prices.kept.member
    return history + seats * member + rooms * at * prices.kept.channel


class Change(NamedTuple):
    """An assumption that may be wrong: what else it could be."""

    name: str
    profile: dict[str, float]
    fleet: dict[str, float]


def changes(profile: Profile, fleet: Fleet) -> list[Change]:
    """Return what else could be assumed."""
    twice = {"said": profile.said * 2, "pushed": profile.pushed * 2}
    return [
        Change("as assumed", {}, {}),
        Change("twice the messages", twice, {}),
        Change("messages of 1 KiB", {"size": 1024}, {}),
        Change("rooms twice as large", {"members": profile.members * 2}, {}),
        Change("histories half as long", {"history": profile.history // 2}, {}),
        Change("twice the nodes", {}, {"nodes": fleet.nodes * 2}),
        Change("members of a room at one node", {}, {"together": True}),
        Change("presence_ttl=300", {}, {"ttl": 300.0}),
        Change("connections last half as long", {"stays": profile.stays / 2}, {}),
        Change("all costs half of those measured", {}, {"markup": 0.5}),
        Change("all costs twice those measured", {}, {"markup": 2.0}),
    ]


def changed(
    change: Change, profile: Profile, fleet: Fleet, prices: Prices, redis: Redis | None = None
) -> Needs:
    """Return what is needed where *change* is so."""
    other = profile._replace(**change.profile)  # type: ignore[arg-type]
    return needs(other, fleet._replace(**change.fleet), prices, redis)  # type: ignore[arg-type]
