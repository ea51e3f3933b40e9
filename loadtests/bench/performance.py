"""docs/performance.md and its plots, written from the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from loadtests.bench import prose, scenarios, targets
from loadtests.bench.pictures import DOORS, GROWTHS, pictures
from loadtests.bench.report import (
    bound_table,
    found_of,
    of_scenario,
    rows,
    table,
    tables,
    target_table,
    verdicts,
)
from loadtests.bench.results import Slice, together
from loadtests.bench.run import Sample
from loadtests.bench.scenarios import Scenario

IMAGES: Final = "images"
PARTS: Final = {
    "Echo": [each for each in scenarios.ECHOES if each.kind == "binary"],
    "Fragments, text and compression": [each for each in scenarios.ECHOES if each.kind != "binary"],
    "Broadcasts": scenarios.BROADCASTS,
    "Opening and closing": [scenarios.HANDSHAKE, scenarios.FLOOD],
    "Memory": scenarios.IDLE,
    "Clients": scenarios.CLIENTS,
    "Growth": scenarios.GROWTH,
}


def write(slices: Sequence[Slice], place: Path) -> None:
    """Write performance.md into *place*, and its plots into the folder of images there."""
    samples = together(slices)
    drawn = pictures(samples)
    images = place / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    for name, drawing in drawn.items():
        (images / _file(name)).write_text(drawing, encoding="utf-8")
    (place / "performance.md").write_text(page(slices, samples, list(drawn)), encoding="utf-8")


def _file(name: str) -> str:
    return f"performance-{name}.svg"


def page(slices: Sequence[Slice], samples: Sequence[Sample], drawn: Sequence[str]) -> str:
    """Return the page, with the plots that are *drawn*."""
    growing = [each.name.replace(" ", "-") for each in GROWTHS]
    beside = [name for name in drawn if name not in {*growing, *DOORS}]
    parts = [
        prose.HEAD.format(facts=facts(slices)),
        _section("How far it is", _standing(samples), _judged(samples)),
        _section("Beside others", prose.BARS, _shown(beside)),
        _section("Every door", prose.DOORS, _shown(name for name in DOORS if name in drawn)),
        _section("How cost grows", prose.GROWTH, _shown(each for each in growing if each in drawn)),
        _section("Noise", prose.NOISE, noise(samples)),
        prose.TIME,
        _section("All figures", prose.ALL, _all(samples)),
        _section("Versions", prose.VERSIONS, versions(slices)),
    ]
    return "\n".join(filter(None, parts))


def _section(title: str, words: str, found: str) -> str:
    """Return a section, or nothing where nothing of it was measured."""
    return f"## {title}\n\n{words.strip()}\n\n{found}" if found else ""


def _standing(samples: Sequence[Sample]) -> str:
    found = [each.is_met for each in verdicts(samples, targets.RATIOS)]
    for bound in targets.BOUNDS:
        value = found_of(samples, bound)
        if value is not None:
            found.append(value <= bound.limit)
    return prose.STANDING.format(met=sum(found), all=len(found))


def _judged(samples: Sequence[Sample]) -> str:
    both = target_table(samples, targets.RATIOS), bound_table(samples, targets.BOUNDS)
    return "\n".join(filter(None, both))


def _shown(names: Iterable[str]) -> str:
    return "".join(f"![{name.replace('-', ' ')}]({IMAGES}/{_file(name)})\n\n" for name in names)[
        :-1
    ]


def _all(samples: Sequence[Sample]) -> str:
    found = {title: tables(each, samples, "####") for title, each in PARTS.items()}
    return "\n".join(f"### {title}\n\n{text}" for title, text in found.items() if text)


def facts(slices: Sequence[Slice]) -> str:
    """Return a line for each kind of slice: on what and of what it was."""
    lines = dict.fromkeys(_fact(each.facts) for each in slices)
    return "\n".join(f"- {line}" for line in lines) or "- nothing yet"


def _fact(known: dict[str, Any]) -> str:
    compiled = "compiled" if known["compiled"] else "interpreted"
    return (
        f"{known['date']}: geventws {known['geventws']}, {compiled}, {known['python']}, "
        f"{known['system']}, {known['processor']}, {known['cores']} cores; "
        f"rounds of {known['seconds']:g} s: {known['rounds']}"
    )


def versions(slices: Sequence[Slice]) -> str:
    """Return the table of the versions that were measured last."""
    known = slices[-1].facts["versions"] if slices else {}
    body = [[name, version] for name, version in known.items()]
    return table(["package", "version"], body) if body else ""


def noise(samples: Sequence[Sample]) -> str:
    """Return by how much rounds of the same thing differed; nothing where there are too few."""
    spreads = [each for scenario in scenarios.ALL for each in _spreads(scenario, samples)]
    if len(spreads) < 2:
        return ""
    worst = quantiles(spreads, n=10)[-1]
    loads = sorted({f"{each:.2f}" for each in (median(spreads), worst)})
    return prose.SPREAD.format(middle=loads[0], worst=loads[-1])


def _spreads(scenario: Scenario, samples: Sequence[Sample]) -> Iterator[float]:
    for row in rows(of_scenario(samples, scenario.title)):
        if scenario.mode != "idle" and row.best and row.worst and row.best < row.worst:
            yield row.worst / row.best
