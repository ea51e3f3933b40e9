"""A fleet placed at random, as load balancers and slots do, to see what the arithmetic leaves out.

rooms of many sizes -> a node for each member, a shard for each room -> how uneven that is
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import exp
from random import Random
from typing import Final, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

ROOMS: Final = 20_000
SEED: Final = 1
UNEVEN: Final = (
    1.0  # sigma of the logarithm of the rooms' sizes: one in a hundred has 6 times as many
)


class Placed(NamedTuple):
    """What came of it.

    Attributes:
        rooms: how many were placed.
        members: of a room, on average.
        largest: members of the largest room.
        spread: nodes that a message goes to, where large rooms have more messages.
        hottest: messages of the busiest shard, to those of the average one.
    """

    rooms: int
    members: float
    largest: int
    spread: float
    hottest: float


@cache
def place(nodes: int, shards: int, members: float, rooms: int = ROOMS, seed: int = SEED) -> Placed:
    """Return how *rooms* of so many members on average come to lie; each member says the same."""
    dice = Random(seed)
    sizes = list(_sizes(dice, members, rooms))
    load = [0] * shards
    forwarded = 0
    for number, size in enumerate(sizes):
        at = len({int(dice.random() * nodes) for _ in range(size)})
        forwarded += at * size
        slot = key_slot(b"room-%d" % number)
        load[slot * shards // REDIS_CLUSTER_HASH_SLOTS] += size
    said = sum(sizes)
    return Placed(rooms, said / rooms, max(sizes), forwarded / said, max(load) / (said / shards))


def _sizes(dice: Random, members: float, rooms: int) -> Iterator[int]:
    if members <= 1:
        yield from [1] * rooms
        return
    middle = members / exp(UNEVEN**2 / 2)
    for _ in range(rooms):
        yield max(1, round(middle * exp(dice.gauss(0.0, UNEVEN))))
