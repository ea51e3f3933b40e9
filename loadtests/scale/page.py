"""docs/explanation/scale.md and its plots, written from the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from loadtests.bench.report import figure, table
from loadtests.scale import pictures, prose, results
from loadtests.scale.calibration import Prices, middles, prices
from loadtests.scale.costs import Spent
from loadtests.scale.fleet import GIB, PROFILES, Fleet, Needs, changed, changes, needs
from loadtests.scale.measure import ALL, FULL, OTHER, OURS, PACED, Sample
from loadtests.scale.placing import place
from setup import ROOT

PLACE: Final = ROOT / "docs" / "explanation"
IMAGES: Final = "images"
SHOWN: Final = 128  # bytes of the messages that are plotted
STREAMS: Final = {
    "none": "nothing breaks",
    "restart": "Redis killed and started again",
    "kill-node": "a node killed",
    "pause": "Redis stands still",
    "slow": "a node stands still",
}


def write(known: Mapping[str, Any], fleet: Fleet, place: Path = PLACE) -> None:
    """Write scale.md into *place*, and its plots into the folder of images there."""
    found = dict(known)
    drawn = pictures.measured(results.samples(found), SHOWN)
    drawn |= pictures.simulated(prices(found), fleet)
    draw(drawn, place / IMAGES)
    (place / "scale.md").write_text(page(found, fleet, drawn), encoding="utf-8")


def draw(drawn: Mapping[str, str], images: Path) -> None:
    """Write the plots that are *drawn* into *images*."""
    images.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawn.items():
        (images / f"scale-{name}.svg").write_text(drawing, encoding="utf-8")


def page(known: dict[str, Any], fleet: Fleet, drawn: Iterable[str]) -> str:
    """Return the page, with the plots that are *drawn*."""
    found = results.samples(known)
    parts = [
        prose.HEAD.format(facts=_facts(known), load=known["facts"]["load"]),
        *_measured(found, "delivery" in drawn),
        *_costs(known),
        *_streams(known.get("streams", {})),
        *simulation(prices(known), fleet),
        prose.LIMITS,
    ]
    return "\n".join(parts)


def _facts(known: Mapping[str, Any]) -> str:
    facts = known["facts"]
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    how = "compiled" if facts["compiled"] else "interpreted"
    return (
        f"geventws {facts['geventws']}, {how}, {facts['python']}, {versions}; {facts['cores']} "
        f"cores of {facts['processor']}, {facts['date']}"
    )


def image(name: str, words: str) -> str:
    """Return a plot as it stands in the page."""
    return f"![{words}]({IMAGES}/scale-{name}.svg)\n"


# What was measured


def _measured(samples: Sequence[Sample], is_drawn: bool) -> Iterator[str]:
    rounds = len({each.round for each in samples})
    yield prose.MEASURED.format(rounds=rounds)
    if is_drawn:
        yield image("delivery", "What a delivery costs, by the members of a room")
    for size in sorted({each.size for each in samples}):
        for members in sorted({each.members for each in samples}):
            own = [each for each in samples if (each.size, each.members) == (size, members)]
            yield f"### {size} B, rooms of {members}\n\n{_contenders(own)}"


def _contenders(samples: Sequence[Sample]) -> str:
    head = ["", "in/s", "out/s", "p50 ms", "p99 ms", "us/delivery", "least", "us/message"]
    head += [f"x {OTHER.name}", "Redis us/message"]
    rows = []
    for contender in ALL:
        full, paced = (
            [each for each in samples if (each.contender, each.phase) == (contender.name, phase)]
            for phase in (FULL, PACED)
        )
        if full and paced:
            rows.append([contender.name, *_row(full, paced, ratio(samples, contender.name))])
    return table(head, rows)


def _row(full: Sequence[Sample], paced: Sequence[Sample], part: float | None) -> list[str]:
    least = min(each.per_delivery for each in full)
    return [
        figure(median(each.publications / each.seconds for each in full)),
        figure(median(each.deliveries / each.seconds for each in full)),
        figure(median(each.p50 * 1e3 for each in paced)),
        figure(median(each.p99 * 1e3 for each in paced)),
        figure(median(each.per_delivery for each in full)),
        figure(least),
        figure(median(each.per_publication for each in full)),
        figure(part),
        figure(median(each.redis_per_publication for each in full)),
    ]


def ratio(samples: Iterable[Sample], name: str) -> float | None:
    """Return what a delivery costs beside the other one: the median of the rounds' ratios."""
    cost = {
        (each.contender, each.round): each.per_delivery for each in samples if each.phase == FULL
    }
    found = [
        cost[name, number] / value
        for (contender, number), value in cost.items()
        if contender == OTHER.name and (name, number) in cost and value
    ]
    return median(found) if found else None


def _costs(known: dict[str, Any]) -> Iterator[str]:
    found, kept = prices(known), results.kept(known)
    yield prose.NODE.format(
        publish=figure(found.publish),
        receive=figure(found.receive),
        deliver=figure(found.deliver),
    )
    yield prose.REDIS
    yield _spent(results.spent(known))
    yield prose.CHECK.format(**_checked(found, results.samples(known)))
    body = [[f"a room with 100 messages of {size} B", figure(b)] for size, b in kept.rooms.items()]
    body += [
        ["a member, one of a hundred in a room", figure(kept.member)],
        ["a member, alone in a room", figure(kept.alone)],
        ["a channel, for each node that listens", figure(kept.channel)],
    ]
    yield table(["Redis keeps", "bytes"], body)
    body = [
        ["tell of a member, one of a hundred in a room", figure(kept.enter)],
        ["tell of a member, alone in a room", figure(kept.enter_alone)],
        ["tell again of one of a hundred", figure(kept.refresh)],
        ["tell again of one alone", figure(kept.refresh_alone)],
        ["read a message of a history", figure(kept.reading)],
    ]
    yield table(["It takes Redis to", "us"], body)


def _checked(found: Prices, samples: Sequence[Sample]) -> dict[str, str]:
    """Return what a message to two nodes is reckoned to take of Redis, and what it did."""
    fewest = min(each.members for each in samples)
    own = [
        each.redis_per_publication
        for each in samples
        if (each.contender, each.phase, each.members) == (OURS.name, FULL, fewest)
    ]
    size = samples[0].size
    alone, crowded = (
        figure(each.publish.at(size) + 2 * each.forward.at(size))
        for each in (found.alone, found.crowded)
    )
    return {"alone": alone, "crowded": crowded, "measured": figure(median(own))}


def _spent(spent: Sequence[Spent]) -> str:
    kinds = sorted({(each.kind, each.at_once) for each in spent})
    sizes = sorted({each.size for each in spent})
    rows = []
    for kind, at_once in kinds:
        found = middles(each for each in spent if (each.kind, each.at_once) == (kind, at_once))
        for nodes in sorted({nodes for _, nodes in found}):
            times = [figure(found[size, nodes]) for size in sizes]
            rows.append([kind, str(at_once), str(nodes), *times])
    return table(["history", "at once", "nodes", *(f"us, {size} B" for size in sizes)], rows)


def _streams(streams: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    known = {name: streams[name] for name in STREAMS if name in streams}
    if not known:
        return
    yield prose.STREAMS
    rows = dict.fromkeys(key for found in known.values() for key in found)
    body = [
        [row, *("" if row not in found else count(found[row]) for found in known.values())]
        for row in rows
    ]
    yield table(["", *(STREAMS[name] for name in known)], body)


def count(value: float) -> str:
    """Return a number of messages as it is, and what was measured rounded."""
    return f"{value:,}" if isinstance(value, int) else figure(value)


# What a fleet needs


def simulation(known: Prices, fleet: Fleet) -> Iterator[str]:
    """Yield the part of the page that is about a fleet."""
    found = {each.name: needs(each, fleet, known) for each in PROFILES}
    many = {each.name: needs(each, fleet, known, known.crowded) for each in PROFILES}
    nodes, connections = f"{fleet.nodes:,}", f"{fleet.connections:,}"
    yield prose.FLEET.format(nodes=nodes, connections=connections)
    yield "".join(f"- **{each.name}**: {each.says}.\n" for each in PROFILES)
    yield _needed(found, many)
    yield image("parts", "Cores of Redis, for messages and for presence")
    yield image("cores", "Cores of Redis, by connections")
    yield prose.SAYS.format(**_said(found))
    yield prose.SPREAD
    yield image("spread", "Nodes that a message goes to, by the members of a room")
    yield _placed(found, fleet)
    yield prose.CHANGES
    yield _changes(known, fleet)
    yield image("changes", "Cores of Redis, where something is otherwise")


def _needed(found: Mapping[str, Needs], many: Mapping[str, Needs]) -> str:
    rows: list[list[str]] = [
        ["rooms", *(figure(each.rooms) for each in found.values())],
        ["nodes that a message goes to", *(figure(each.spread) for each in found.values())],
        ["messages/s to Redis", *(figure(each.published) for each in found.values())],
        ["messages/s from Redis", *(figure(each.forwarded) for each in found.values())],
        ["deliveries/s", *(figure(each.delivered) for each in found.values())],
        ["MB/s to Redis", *(figure(each.arriving / 1e6) for each in found.values())],
        ["MB/s from Redis", *(figure(each.leaving / 1e6) for each in found.values())],
        ["GiB of Redis", *(figure(each.memory / GIB) for each in found.values())],
        ["cores of Redis, messages", *(figure(each.messages) for each in found.values())],
        ["the same, many at once", *(figure(each.messages) for each in many.values())],
        ["cores of Redis, presence", *(figure(each.presence) for each in found.values())],
        ["cores of each node", *(figure(each.node) for each in found.values())],
        ["Redis servers", *(f"{each.shards} ({each.reason})" for each in found.values())],
    ]
    return table(["", *found], rows)


def _said(found: Mapping[str, Needs]) -> dict[str, str]:
    chat, big = found["chat rooms"], found["one big room"]
    everything = sum(each.processor for each in found.values())
    there = sum(each.presence for each in found.values())
    return {
        "presence": f"{there / everything:.0%}",
        "chat": f"{chat.presence / chat.processor:.0%}",
        "big": figure(big.node),
        "cores": figure(big.processor),
    }


def _placed(found: Mapping[str, Needs], fleet: Fleet) -> str:
    rows = []
    for each in PROFILES:
        if each.members < fleet.connections:
            need = found[each.name]
            got = place(fleet.nodes, need.shards, each.members)
            rows.append(
                [
                    *(each.name, figure(got.largest), figure(need.spread), figure(got.spread)),
                    *(str(need.shards), figure(got.hottest)),
                ]
            )
    head = ["", "largest room", "nodes, reckoned", "nodes, placed", "servers", "busiest one, x"]
    return table(head, rows)


def _changes(known: Prices, fleet: Fleet) -> str:
    names = [each.name for each in changes(PROFILES[0], fleet)]
    body = []
    for index, name in enumerate(names):
        found = [changed(changes(each, fleet)[index], each, fleet, known) for each in PROFILES]
        body.append([name, *(f"{figure(each.processor)} / {each.shards}" for each in found)])
    return table(["cores / servers", *(each.name for each in PROFILES)], body)
