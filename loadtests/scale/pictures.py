"""The plots: what a delivery costs, and what a fleet needs as it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from loadtests.bench import plot
from loadtests.bench.plot import Points
from loadtests.scale.calibration import Prices
from loadtests.scale.fleet import PROFILES, Fleet, Profile, changed, changes, needs, spread
from loadtests.scale.measure import ALL, FULL, Sample

GROWING: Final = [10**power for power in range(4, 9)]  # connections
PER_NODE: Final = 100_000
LEAST: Final = 0.01  # cores; less is no bar
MEMBERS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
NODES: Final = (10, 30, 100, 300)
CHANGED: Final = PROFILES[0]


def measured(samples: Sequence[Sample], size: int) -> dict[str, str]:
    """Return the plots of what was measured with messages of *size* bytes."""
    drawn = {}
    if any(each.size == size for each in samples):
        drawn["delivery"] = plot.lines(
            f"What a delivery of {size} B costs two nodes, publishing included",
            *("members of a room, half of them at either node", "CPU us per delivery"),
            _by_members(samples, size),
        )
    return drawn


def _by_members(samples: Sequence[Sample], size: int) -> Mapping[str, Points]:
    own = [each for each in samples if each.size == size and each.phase == FULL]
    crowds = sorted({each.members for each in own})
    return {
        contender.name: [
            (members, median(found))
            for members in crowds
            if (
                found := [
                    each.per_delivery
                    for each in own
                    if each.members == members and each.contender == contender.name
                ]
            )
        ]
        for contender in ALL
    }


def simulated(prices: Prices, fleet: Fleet) -> dict[str, str]:
    """Return the plots of what a fleet needs."""
    return {
        "cores": plot.lines(
            f"What Redis needs, with {PER_NODE:,} connections at each node",
            *("connections", "cores of Redis"),
            {each.name: _cores(each, prices, fleet) for each in PROFILES},
        ),
        "spread": plot.lines(
            "How many nodes a message goes to, where the members of a room are anywhere",
            *("members of a room", "nodes"),
            {f"{nodes} nodes": [(m, spread(nodes, m)) for m in MEMBERS] for nodes in NODES},
        ),
        "parts": plot.bars("Cores of Redis, by what for", _parts(prices, fleet), "presence"),
        "changes": plot.bars(
            f"{CHANGED.name}: cores of Redis, where something is otherwise",
            {
                each.name: (now, now)
                for each in changes(CHANGED, fleet)
                if (now := changed(each, CHANGED, fleet, prices).processor)
            },
            "as assumed",
        ),
    }


def _cores(profile: Profile, prices: Prices, fleet: Fleet) -> Points:
    return [(each, needs(profile, grown(fleet, each), prices).processor) for each in GROWING]


def grown(fleet: Fleet, connections: int) -> Fleet:
    """Return *fleet* with so many connections, and the nodes that these take."""
    nodes = max(2, connections // PER_NODE)
    return fleet._replace(connections=connections, nodes=nodes)


def _parts(prices: Prices, fleet: Fleet) -> dict[str, tuple[float, float]]:
    """Return both parts of each profile; the mark is where messages come many at once."""
    found = {}
    for each in PROFILES:
        alone, crowded = (
            needs(each, fleet, prices, redis) for redis in (prices.alone, prices.crowded)
        )
        found[f"messages, {each.name}"] = alone.messages, crowded.messages
        found[f"presence, {each.name}"] = alone.presence, crowded.presence
    return {name: pair for name, pair in found.items() if pair[0] >= LEAST}
