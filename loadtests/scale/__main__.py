"""Measure two nodes over a Redis, stream through them, and say what a fleet needs.

python -m loadtests.scale measure [--seconds S] [--rounds N] [--clients N] [--out FILE]
python -m loadtests.scale stream [--messages N] [--restart|--kill-node|--pause|--slow] [--out FILE]
python -m loadtests.scale simulate [--nodes N] [--connections N] [--out FILE]
python -m loadtests.scale page [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.scale import calibration, costs, measure, page, pictures, results, stream
from loadtests.scale.faults import FAULTS
from loadtests.scale.fleet import Fleet
from loadtests.soak.processes import allow_files


def measured(given: argparse.Namespace) -> int:
    """Measure, keep what was found, and print it."""
    plan = measure.Plan(
        given.seconds, given.rounds, given.clients, tuple(given.rooms), tuple(given.sizes)
    )
    count = round(given.seconds * 2500)
    kept = costs.keeping(count, plan.rounds)
    spent = [each._asdict() for each in costs.spending(count, plan.rounds)]
    results.save(given.out, facts=results.facts(), spent=spent, kept=kept._asdict())
    samples = []
    for each in measure.run(plan):
        samples.append(each._asdict())
        results.save(given.out, samples=samples)
        print(each, flush=True)
    return 0


def streamed(given: argparse.Namespace) -> int:
    """Stream, print what came of it, and keep it."""
    good, found = stream.run(given.fault, given.messages)
    known = results.read(given.out).get("streams", {})
    results.save(given.out, streams={**known, given.fault: found})
    for name, value in found.items():
        print(f"  {name}: {page.count(value)}", flush=True)
    return 0 if good else 1


def simulated(given: argparse.Namespace) -> int:
    """Say what a fleet needs, from the costs that are known, and draw it."""
    known = calibration.prices(results.read(given.out))
    fleet = Fleet(given.nodes, given.connections)
    print("\n".join(page.simulation(known, fleet)))
    page.draw(pictures.simulated(known, fleet), given.out.parent)
    return 0


def written(given: argparse.Namespace) -> int:
    """Write docs/explanation/scale.md of all that is known."""
    page.write(results.read(given.out), Fleet(), given.place)
    return 0


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m loadtests.scale", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = _command(commands, "measure", measured).add_argument
    add("--seconds", type=float, default=2.0, help="of each phase [%(default)g]")
    add("--rounds", type=int, default=3, help="[%(default)d]")
    add("--clients", type=int, default=measure.CLIENTS, help="at each node [%(default)d]")
    add("--rooms", type=int, nargs="+", default=measure.ROOMS, help="members [%(default)s]")
    add("--sizes", type=int, nargs="+", default=measure.SIZES, help="bytes [%(default)s]")
    add = _command(commands, "stream", streamed).add_argument
    add("--messages", type=int, default=stream.MESSAGES, help="[%(default)d]")
    for name in sorted(set(FAULTS) - {"none"}):
        add(f"--{name}", dest="fault", action="store_const", const=name, default="none")
    add = _command(commands, "simulate", simulated).add_argument
    add("--nodes", type=int, default=Fleet().nodes, help="[%(default)d]")
    add("--connections", type=int, default=Fleet().connections, help="[%(default)d]")
    add = _command(commands, "page", written).add_argument
    add("--place", type=Path, default=page.PLACE, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def _command(commands: Any, name: str, act: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=act.__doc__)
    parser.set_defaults(act=act)
    parser.add_argument("--out", type=Path, default=results.RESULTS, help="where results are kept")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    allow_files()
    given = arguments_of(words)
    found: int = given.act(given)
    return found


if __name__ == "__main__":
    sys.exit(main())
