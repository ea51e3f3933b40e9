"""The prices that the arithmetic uses, out of what was measured.

samples of two nodes, what Redis spent and what it kept -> Prices
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any, Final, NamedTuple

from loadtests.scale import results
from loadtests.scale.costs import ALONE, AT_ONCE, HISTORY, NONE, Kept, Spent
from loadtests.scale.measure import FULL, OURS, Sample

MANY: Final = 100  # messages of the rooms whose memory was measured


class Line(NamedTuple):
    """What costs *base*, and *slope* for each byte or member more."""

    base: float
    slope: float

    def at(self, value: float) -> float:
        """Return what *value* costs."""
        return self.base + self.slope * value


class Redis(NamedTuple):
    """What Redis takes for a message, in microseconds by its bytes.

    Attributes:
        publish: to take and keep one.
        forward: to send it to one node.
    """

    publish: Line
    forward: Line


class Prices(NamedTuple):
    """What everything costs: processor time in microseconds, memory and traffic in bytes.

    Attributes:
        alone: Redis with a history, where each message comes alone and is written alone.
        crowded: the same where many come, and are written, at once.
        forgetful: Redis without history, messages alone.
        arrived: bytes that Redis receives for a message, by its size.
        sent: bytes that it sends to each node, by its size.
        room: bytes that Redis keeps of a room with no message.
        entry: bytes that it keeps of a message, by its size.
        kept: of members and channels, as measured.
        publish: of a node, for each message that is published there.
        receive: of a node, for each message that Redis sends it.
        deliver: of a node, for each connection that is sent it.
    """

    alone: Redis
    crowded: Redis
    forgetful: Redis
    arrived: Line
    sent: Line
    room: float
    entry: Line
    kept: Kept
    publish: float
    receive: float
    deliver: float


def prices(known: dict[str, Any]) -> Prices:
    """Return the prices that follow from what is *known*."""
    spent, kept = results.spent(known), results.kept(known)
    with_history = [each for each in spent if each.kind == HISTORY]
    room, entry = _memory(kept)
    return Prices(
        _redis(_of(spent, HISTORY, ALONE)),
        _redis(_of(spent, HISTORY, AT_ONCE)),
        _redis(_of(spent, NONE, ALONE)),
        line((each.size, each.arrived) for each in with_history),
        line((each.size, each.sent / each.subscribers) for each in with_history),
        room,
        entry,
        kept,
        *_node(results.samples(known)),
    )


def line(points: Iterable[tuple[float, float]], relative: bool = False) -> Line:
    """Return the line that is nearest to *points* by least squares; flat where all have one x.

    Args:
        relative: whether distances count as parts of the values: one per cent of a small one is as
            much as of a large one. Values must not be 0 then.
    """
    known = [(x, y, 1 / y**2 if relative else 1.0) for x, y in points]
    weight = sum(each for _, _, each in known)
    x = sum(a * w for a, _, w in known) / weight
    y = sum(b * w for _, b, w in known) / weight
    width = sum(w * (a - x) ** 2 for a, _, w in known)
    slope = sum(w * (a - x) * (b - y) for a, b, w in known) / width if width else 0.0
    return Line(y - slope * x, slope)


def _of(spent: Sequence[Spent], kind: str, at_once: int) -> list[Spent]:
    return [each for each in spent if each.kind == kind and each.at_once == at_once]


def _redis(spent: Sequence[Spent]) -> Redis:
    """Return what a message takes: for each size a line over subscribers, then lines over sizes."""
    points = middles(spent)
    by_size = {
        size: line((many, found) for (one, many), found in points.items() if one == size)
        for size in sorted({size for size, _ in points})
    }
    publish = line((size, each.base) for size, each in by_size.items())
    forward = line((size, each.slope) for size, each in by_size.items())
    return Redis(_rising(publish), _rising(forward))


def middles(spent: Iterable[Spent]) -> dict[tuple[int, int], float]:
    """Return the medians of the rounds, by size and subscribers."""
    found: dict[tuple[int, int], list[float]] = {}
    for each in spent:
        found.setdefault((each.size, each.subscribers), []).append(each.microseconds)
    return {circumstances: median(times) for circumstances, times in found.items()}


def _rising(found: Line) -> Line:
    """Return *found* as it can be: noise may have it that longer messages are cheaper."""
    return Line(max(0.0, found.base), max(0.0, found.slope))


def _memory(kept: Kept) -> tuple[float, Line]:
    """Return what a room takes, and each of its messages.

    What is over the messages' own bytes is theirs but for what a room has besides, which was
    measured with the only member of a room.
    """
    entry = line((int(size), found / MANY) for size, found in kept.rooms.items())
    room = min(kept.alone, entry.base * MANY)
    return room, Line(entry.base - room / MANY, entry.slope)


def _node(samples: Sequence[Sample]) -> tuple[float, float, float]:
    """Return what a node takes to publish, receive and deliver a message.

    Nothing is published at the second node: what it takes for a message is a line over its half of
    the members. The first one publishes besides.
    """
    own = [each for each in samples if each.contender == OURS.name and each.phase == FULL]
    crowds = sorted({each.members for each in own})
    points = [(members / 2, _middle(own, members, lambda each: each.second)) for members in crowds]
    second = line(points, relative=True)
    publish = _middle(own, crowds[0], lambda each: each.first - each.second)
    return max(0.0, publish), max(0.0, second.base), max(0.0, second.slope)


def _middle(samples: Iterable[Sample], members: int, used: Callable[[Sample], float]) -> float:
    """Return the median of what was *used* for a publication, in rooms of so many."""
    own = [each for each in samples if each.members == members]
    return median(used(each) / max(1, each.publications) * 1e6 for each in own)
