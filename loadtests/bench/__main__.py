"""Measure, and write tables, plots and the page: see the package."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Final

from loadtests.bench import building, performance, report, results, scenarios, targets
from loadtests.bench.building import PLACE, say
from loadtests.bench.pictures import pictures
from loadtests.bench.plan import Job, Wish, planned, told
from loadtests.bench.results import Slice, together
from loadtests.bench.run import Bench, Length, Tools, allow_many_files
from setup import ROOT

QUICK: Final = Length(rounds=3, warm=0.1, seconds=0.3)
FULL: Final = Length(rounds=5, warm=0.2, seconds=0.5)


def tools() -> Tools:
    """Build what is not up to date."""
    python = building.peers()
    wsload, wsecho = map(building.build_program, building.PROGRAMS)
    return Tools(python, wsload, wsecho, building.copies(python), building.node_environment())


def measure(jobs: Sequence[Job], length: Length, path: Path, before: list[Slice]) -> None:
    """Do all *jobs*, and keep each round in *path*, after what was there *before*."""
    allow_many_files()
    built = tools()
    slice_ = Slice(results.facts_of(built, length), [])
    begin, expected, due = monotonic(), 0.0, sum(job.seconds(length) for job in jobs)
    for number, job in enumerate(jobs, 1):
        pace = (monotonic() - begin) / expected if expected else 1.0
        say(
            f"{number}/{len(jobs)} {job.scenario.title}: {len(job.contenders)} contenders, "
            f"{told(job.seconds(length) * pace)} of {told((due - expected) * pace)} to go "
            f"(load {os.getloadavg()[0]:.1f})"
        )
        bench = Bench(built, length._replace(rounds=job.rounds), PLACE)
        for samples in bench.rounds(job.scenario, job.contenders):
            slice_.samples.extend(samples)
            results.write(path, [*before, slice_])
        expected += job.seconds(length)
    say(f"took {told(monotonic() - begin)}")


def show(jobs: Sequence[Job], length: Length) -> None:
    """Print what would be measured, and how long that takes."""
    for job in jobs:
        names = "; ".join(each.name for each in job.contenders)
        print(f"{told(job.seconds(length)):>7}  {job.scenario.title}, {job.rounds} rounds: {names}")
    print(f"{told(sum(job.seconds(length) for job in jobs)):>7}  in all")


def write(slices: Sequence[Slice], place: Path) -> None:
    """Write the tables and the plots of *slices* into *place*, and print the tables."""
    samples = together(slices)
    known = dict.fromkeys([*scenarios.ALL, *scenarios.QUICK])
    parts = [
        performance.facts(slices) + "\n",
        report.target_table(samples, targets.RATIOS),
        report.bound_table(samples, targets.BOUNDS),
        report.tables(known, samples),
    ]
    text = "\n".join(filter(None, parts))
    place.mkdir(parents=True, exist_ok=True)
    (place / "tables.md").write_text(text, encoding="utf-8")
    for name, drawing in pictures(samples).items():
        (place / f"{name}.svg").write_text(drawing, encoding="utf-8")
    print(text)
    say(f"tables and plots are in {place}")


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="the short variant")
    add("--targets", action="store_true", help="only what the targets compare")
    add("--only", nargs="+", default=[], metavar="RE", help="scenarios that one is found in")
    add("--servers", nargs="+", default=[], metavar="RE", help="contenders that one is found in")
    add("--rounds", type=int, metavar="N")
    add("--seconds", type=float, metavar="S", help="of each measurement")
    add("--merge", type=Path, metavar="FILE", help="add to its results what they lack of this")
    add("--anew", action="store_true", help="measure again what FILE has of this")
    add("--list", action="store_true", help="measure nothing; tell what would be, and how long")
    add("--table", action="store_true", help="measure nothing; show the results")
    add("--page", action="store_true", help="the same, and write docs/performance.md")
    add("--into", type=Path, default=PLACE, metavar="DIR", help="tables and plots")
    add("--docs", type=Path, default=ROOT / "docs", metavar="DIR", help="the page and its plots")
    return parser.parse_args(words)


def length_of(given: argparse.Namespace) -> Length:
    """Return how long to measure."""
    length = QUICK if given.quick else FULL
    return length._replace(
        rounds=given.rounds or length.rounds, seconds=given.seconds or length.seconds
    )


def main(words: Sequence[str] | None = None) -> int:
    """Measure and write; return 1 where there is nothing to write of."""
    given = arguments_of(words)
    path = given.merge or PLACE / ("quick.json" if given.quick else "results.json")
    length = length_of(given)
    wish = Wish(given.only, given.servers, given.quick, given.targets)
    reading = given.table or given.page
    before = results.read(path) if given.merge or reading else []
    if not reading:
        jobs = planned(wish, length.rounds, [] if given.anew else together(before))
        if given.list:
            show(jobs, length)
            return 0
        if given.anew:
            pairs = {(job.scenario.title, each.name) for job in jobs for each in job.contenders}
            before = results.without(before, pairs)
        if jobs:
            measure(jobs, length, path, before)
    found = results.read(path)
    if not found:
        say("no results: make bench")
        return 1
    write(found, given.into)
    if given.page:
        performance.write(found, given.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
