"""Measure, and write tables and plots: see the package."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from loadtests.bench import building, plot, report, scenarios, targets
from loadtests.bench.building import PLACE, say
from loadtests.bench.contenders import Contender, taking_part
from loadtests.bench.report import of_scenario, rows
from loadtests.bench.run import Bench, Length, Sample, Tools, allow_many_files, cores
from loadtests.bench.scenarios import Scenario

QUICK: Final = Length(rounds=3, warm=0.1, seconds=0.3)
FULL: Final = Length(rounds=5, warm=0.2, seconds=0.5)
HEADLINES: Final = {
    "echo.svg": scenarios.echo(32, 64),
    "pipelined.svg": scenarios.echo(32, 64, 16),
    "large.svg": scenarios.echo(16 * 1024, 64),
}


def tools() -> Tools:
    """Build what is not up to date."""
    python = building.peers()
    wsload, wsecho = map(building.build_program, building.PROGRAMS)
    return Tools(python, wsload, wsecho, building.copies(python), building.node_environment())


def chosen(arguments: argparse.Namespace) -> list[tuple[Scenario, list[Contender]]]:
    """Return what to measure, and with whom."""
    everything = scenarios.QUICK if arguments.quick else scenarios.ALL
    plan = []
    for scenario in everything:
        if re.search(arguments.only, scenario.title):
            few = arguments.quick or bool(scenario.plot)
            taking = taking_part(scenario.needs, few)
            plan.append(
                (scenario, [each for each in taking if re.search(arguments.among, each.name)])
            )
    return plan


def measured(plan: Iterable[tuple[Scenario, list[Contender]]], length: Length) -> Iterator[Sample]:
    """Measure all of *plan*, telling how far it is."""
    allow_many_files()
    bench = Bench(tools(), length, PLACE)
    for scenario, contenders in plan:
        say(f"{scenario.title} (load {os.getloadavg()[0]:.1f})")
        yield from bench.samples(scenario, contenders)


def machine() -> str:
    """Return on what was measured."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    server, generator = cores()
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} "
        f"{platform.release()}, {os.cpu_count()} cores: contenders on core {server}, load on core "
        f"{generator}; load average at the end {load}."
    )


def memory_table(samples: Sequence[Sample]) -> str:
    """Return the table of the targets that are bytes."""
    body = []
    for title, ours, limit in targets.MEMORY:
        found = report.values(of_scenario(samples, title), ours)
        if found:
            each = median(found.values())
            met = "yes" if each <= limit else "**no**"
            body.append([title, ours, f"{limit:,}", report.figure(each), met])
    head = ["scenario", "ours", "at most, bytes", "measured", "met"]
    return report.table(head, body) if body else ""


def plots(samples: Sequence[Sample]) -> dict[str, str]:
    """Return the plots that *samples* are enough for, by the names of their files."""
    drawn = {}
    for name, scenario in HEADLINES.items():
        found = {row.name: row.median for row in rows(of_scenario(samples, scenario.title))}
        known = {each: cost for each, cost in found.items() if cost is not None}
        if known:
            drawn[name] = plot.bars(f"CPU us per message: {scenario.title}", known, "geventws")
    for name, what, x_title in (
        (scenarios.GROWING_SIZE, "size", "bytes of one message"),
        (scenarios.GROWING_NUMBER, "connections", "open connections"),
    ):
        series = _series(samples, name, what)
        if series:
            drawn[f"{name.replace(' ', '-')}.svg"] = plot.lines(
                f"How cost grows: {name}", x_title, "CPU us per message", series
            )
    return drawn


def _series(samples: Sequence[Sample], name: str, what: str) -> dict[str, list[Any]]:
    series: dict[str, list[Any]] = {}
    for scenario in scenarios.GROWTH:
        if scenario.plot == name:
            for row in rows(of_scenario(samples, scenario.title)):
                if row.median is not None:
                    point = (getattr(scenario, what), row.median)
                    series.setdefault(row.name, []).append(point)
    return series


def write(samples: list[Sample], where: str, place: Path) -> None:
    """Write the page and the plots of *samples* into *place*."""
    everything = dict.fromkeys([*scenarios.ALL, *scenarios.QUICK])
    page = report.page(everything, samples, targets.ALL)
    place.mkdir(parents=True, exist_ok=True)
    text = "\n".join(filter(None, [where + "\n", memory_table(samples), page]))
    (place / "tables.md").write_text(text)
    for name, drawing in plots(samples).items():
        (place / name).write_text(drawing)
    print(text)
    say(f"tables and plots are in {place}")


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the short variant")
    parser.add_argument(
        "--only", default="", metavar="RE", help="only the scenarios it is found in"
    )
    parser.add_argument(
        "--among", default="", metavar="RE", help="only the contenders it is found in"
    )
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each measurement")
    parser.add_argument("--table", action="store_true", help="measure nothing; the last results")
    parser.add_argument("--into", type=Path, default=PLACE, metavar="DIR", help="tables and plots")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and write; return 1 where there is nothing to write of."""
    arguments = arguments_of(words)
    results = PLACE / "results.json"
    if not arguments.table:
        length = QUICK if arguments.quick else FULL
        length = length._replace(
            rounds=arguments.rounds or length.rounds, seconds=arguments.seconds or length.seconds
        )
        samples = list(measured(chosen(arguments), length))
        saved = {"machine": machine(), "samples": [each._asdict() for each in samples]}
        results.write_text(json.dumps(saved, indent=1) + "\n")
    elif not results.exists():
        say("no results: make bench")
        return 1
    saved = json.loads(results.read_text())
    write([Sample(**each) for each in saved["samples"]], saved["machine"], arguments.into)
    return 0


if __name__ == "__main__":
    sys.exit(main())
