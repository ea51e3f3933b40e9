"""Tables of what was measured: medians, and ratios as medians of the ratios of each round."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final, NamedTuple

from loadtests.bench.contenders import PICOWS, RAW_GEVENT
from loadtests.bench.run import Sample
from loadtests.bench.scenarios import Scenario

AGAINST: Final = (PICOWS, RAW_GEVENT)


class Row(NamedTuple):
    """What all rounds together say of one contender in one scenario.

    Attributes:
        ratios: to each of AGAINST, None where they have no round in common.
        errors: each once, why there are fewer values than rounds.
    """

    name: str
    median: float | None
    best: float | None
    worst: float | None
    ratios: list[float | None]
    rate: float | None
    slowest: float | None
    errors: list[str]


class Target(NamedTuple):
    """A ratio that is asked for: of one of ours to the best of others."""

    scenario: str
    ours: str
    others: tuple[str, ...]
    limit: float


class Bound(NamedTuple):
    """A figure that is asked for of one of ours: at most *limit*, of the slowest if *slowest*."""

    scenario: str
    ours: str
    limit: float
    unit: str
    slowest: bool = False


class Verdict(NamedTuple):
    """How it stands with a target: *other* is the one that was best, of so many *measured*.

    Attributes:
        ratio: the median of the ratios of each round, which is what counts.
        least: the ratio of the cheapest round of one to that of the other.
    """

    target: Target
    other: str
    ratio: float | None
    measured: int = 0
    least: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the ratio is at most what was asked for."""
        return self.ratio is not None and self.ratio <= self.target.limit

    def told(self) -> str:
        """Return whether it is met, and against how many where that is not all of them."""
        met = "yes" if self.is_met else "**no**"
        others = len(self.target.others)
        return met if self.measured == others else f"{met}, beside {self.measured} of {others}"


def values(samples: Iterable[Sample], contender: str) -> dict[int, float]:
    """Return what was measured of *contender*, by round."""
    return {
        sample.round: sample.value
        for sample in samples
        if sample.contender == contender and sample.value is not None
    }


def ratio(samples: Sequence[Sample], one: str, other: str) -> float | None:
    """Return the median of the ratios of *one* to *other*, of the rounds that have both.

    Noise comes and goes over minutes; within one round both have much the same of it.
    """
    upper, lower = values(samples, one), values(samples, other)
    ratios = [upper[each] / lower[each] for each in upper if lower.get(each)]
    return median(ratios) if ratios else None


def rows(samples: Sequence[Sample]) -> list[Row]:
    """Return a row for every contender of one scenario, the cheapest first, failures last."""
    names = dict.fromkeys(sample.contender for sample in samples)
    return sorted((_row(samples, name) for name in names), key=_place)


def _place(row: Row) -> tuple[bool, float]:
    return row.median is None, row.median or 0.0


def _row(samples: Sequence[Sample], name: str) -> Row:
    found = list(values(samples, name).values())
    own = [sample for sample in samples if sample.contender == name]
    rates = [sample.rate for sample in own if sample.rate]
    return Row(
        name,
        median(found) if found else None,
        min(found, default=None),
        max(found, default=None),
        [ratio(samples, name, other) for other in AGAINST],
        median(rates) if rates else None,
        max((sample.slowest for sample in own), default=None) or None,
        list(dict.fromkeys(sample.error for sample in own if sample.error)),
    )


def judged(samples: Sequence[Sample], target: Target) -> Verdict | None:
    """Return how it stands with *target*; None where ours was not measured in its scenario."""
    own = of_scenario(samples, target.scenario)
    if not any(sample.contender == target.ours for sample in own):
        return None
    costs = {other: median(found) for other in target.others if (found := _list(own, other))}
    if not costs:
        return Verdict(target, " / ".join(target.others), None)
    best = min(costs, key=lambda other: costs[other])
    least = _least(own, target.ours, best)
    return Verdict(target, best, ratio(own, target.ours, best), len(costs), least)


def _least(samples: Sequence[Sample], one: str, other: str) -> float | None:
    upper = min(_list(samples, one), default=None)
    lower = min(_list(samples, other), default=None)
    return upper / lower if upper is not None and lower else None


def _list(samples: Sequence[Sample], name: str) -> list[float]:
    return list(values(samples, name).values())


def of_scenario(samples: Iterable[Sample], title: str) -> list[Sample]:
    """Return the samples of the scenario called *title*."""
    return [sample for sample in samples if sample.scenario == title]


def figure(value: float | None) -> str:
    """Return *value* with the digits that mean something: "0.091", "4.57", "13.3", "45,578"."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    digits = 3 if value < 0.1 else 2 if value < 10 else 1
    return f"{value:.{digits}f}"


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, rule, *body)]
    return "\n".join(lines) + "\n"


def scenario_table(scenario: Scenario, samples: Sequence[Sample], mark: str = "###") -> str:
    """Return the table of one scenario under its title; who has no figure is there with why."""
    slow = ["slowest handshake, s"] if scenario.late else []
    head = [
        "",
        f"{scenario.unit}, median",
        "minimum",
        "maximum",
        *(f"x {name}" for name in AGAINST),
    ]
    head += ["messages/s", *slow, "errors"]
    body = [_cells(row, bool(slow)) for row in rows(samples)]
    return f"{mark} {scenario.title}\n\n{table(head, body)}"


def _cells(row: Row, slow: bool) -> list[str]:
    numbers = [row.median, row.best, row.worst, *row.ratios, row.rate]
    numbers += [row.slowest] if slow else []
    return [row.name, *map(figure, numbers), "; ".join(row.errors).replace("|", "/")]


def verdicts(samples: Sequence[Sample], targets: Iterable[Target]) -> list[Verdict]:
    """Return how it stands with the targets whose scenarios were measured."""
    return [found for target in targets if (found := judged(samples, target))]


def target_table(samples: Sequence[Sample], targets: Iterable[Target]) -> str:
    """Return the table of the targets whose scenarios were measured."""
    body = [
        [
            each.target.scenario,
            each.target.ours,
            each.other,
            figure(each.target.limit),
            figure(each.ratio),
            figure(each.least),
            each.told(),
        ]
        for each in verdicts(samples, targets)
    ]
    head = ["scenario", "ours", "against", "at most", "medians", "minima", "met"]
    return table(head, body) if body else ""


def found_of(samples: Iterable[Sample], bound: Bound) -> float | None:
    """Return what was found of what *bound* limits: a median, or the slowest of all."""
    own = [each for each in of_scenario(samples, bound.scenario) if each.contender == bound.ours]
    if bound.slowest:
        return max((each.slowest for each in own), default=0.0) or None
    found = [each.value for each in own if each.value is not None]
    return median(found) if found else None


def bound_table(samples: Sequence[Sample], bounds: Iterable[Bound]) -> str:
    """Return the table of the figures that are asked for and were measured."""
    body = []
    for bound in bounds:
        found = found_of(samples, bound)
        if found is not None:
            met = "yes" if found <= bound.limit else "**no**"
            most = f"{figure(bound.limit)} {bound.unit}"
            body.append([bound.scenario, bound.ours, most, figure(found), met])
    head = ["scenario", "ours", "at most", "measured", "met"]
    return table(head, body) if body else ""


def tables(scenarios: Iterable[Scenario], samples: Sequence[Sample], mark: str = "###") -> str:
    """Return the tables of the *scenarios* that were measured, titles behind *mark*."""
    found = ((each, of_scenario(samples, each.title)) for each in scenarios)
    return "\n".join(scenario_table(each, own, mark) for each, own in found if own)
