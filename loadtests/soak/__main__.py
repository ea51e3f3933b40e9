"""Run scenarios, and write the page of what all of them found.

python -m loadtests.soak [NAMES] [--seconds N] [--scale X] [--page]
python -m loadtests.soak none --page        the page of the last results
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final

from loadtests.soak import broadcasts, cycles, drain, hostile, neighbours, page, steady, workers
from loadtests.soak.figures import Figure, Plan
from loadtests.soak.processes import allow_files
from setup import ROOT

RESULTS: Final = ROOT / "build" / "soak" / "results.json"
SECONDS: Final = 600.0
SCENARIOS: Final = {
    each.__name__.rpartition(".")[2]: each
    for each in (steady, hostile, broadcasts, workers, drain, neighbours, cycles)
}
NONE: Final = "none"
BAR: Final = 40


def show(name: str, begin: float, part: float) -> None:
    """Draw how far *name* is; where nobody looks, nothing."""
    if sys.stderr.isatty():
        done = round(part * BAR)
        bar = "#" * done + "." * (BAR - done)
        print(
            f"\r{name:<12} [{bar}] {part:4.0%} {monotonic() - begin:5.0f} s",
            end="",
            file=sys.stderr,
        )


def run(name: str, seconds: float, scale: float) -> list[Figure]:
    """Run one scenario and print its figures."""
    progress = partial(show, name, monotonic())
    progress(0)
    figures: list[Figure] = SCENARIOS[name].run(Plan(seconds, scale, progress))
    progress(1)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for each in figures:
        bound = "" if each.most is None else f" (at most {each.most:g})"
        verdict = "" if each.good else "  FAILED"
        print(f"  {each.what}: {each.found:,.6g} {each.unit}{bound}{verdict}", flush=True)
    return figures


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 1 where a figure is over its bound."""
    given = arguments_of(words)
    allow_files()
    good = True
    for name in [] if given.names == [NONE] else given.names or SCENARIOS:
        figures = run(name, given.seconds, given.scale)
        good = good and all(each.good for each in figures)
        save(given.results, name, figures, given.seconds, given.scale)
    if given.page:
        page.write(json.loads(given.results.read_text()), SCENARIOS)
    return 0 if good else 1


def save(path: Path, name: str, figures: list[Figure], seconds: float, scale: float) -> None:
    """Put what one scenario found to what is known of the others."""
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    known[name] = {
        "seconds": seconds,
        "scale": scale,
        "cores": os.cpu_count(),
        "figures": [each._asdict() for each in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n")


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m loadtests.soak", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {' '.join(SCENARIOS)}; all of them")
    add("--seconds", type=float, default=SECONDS, help="of the steady load [%(default)g]")
    add("--scale", type=float, default=1.0, help="of crowds and counts [%(default)g]")
    add("--page", action="store_true", help="write docs/reliability.md of all that is known")
    add("--results", type=Path, default=RESULTS, help="where the figures are kept")
    given = parser.parse_args(words)
    if unknown := set(given.names) - {*SCENARIOS, NONE}:
        parser.error(f"no scenario: {' '.join(sorted(unknown))}")
    return given


if __name__ == "__main__":
    sys.exit(main())
