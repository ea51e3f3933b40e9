"""Fuzz the core, one target after another, or replay one input.

python -m tests.fuzz [TARGET ...] [--seconds N] [--inputs N] [--corpus DIR]
python -m tests.fuzz [TARGET] --replay FILE
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fuzz import TARGETS
from tests.fuzz.running import HEADINGS, fuzz
from tests.fuzz.twins import WORK, command, environment, trees

SECONDS: Final = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 0 where no input failed."""
    given = _parse(arguments)
    if given.replay is not None:
        return replay(given.replay, *given.targets[:1])
    targets = given.targets or TARGETS
    print(HEADINGS, flush=True)
    for target in targets:
        run = fuzz(target, limits(given.seconds, given.inputs, len(targets)), given.corpus / target)
        print(run.row(), flush=True)
        if run.failure:
            print(run.failure, file=sys.stderr)
            return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description="Fuzz the core.")
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help=f"of {' '.join(TARGETS)}; all of them")
    add("--seconds", type=int, help=f"in all; {SECONDS} where no --inputs are given")
    add("--inputs", type=int, help="in all")
    add("--corpus", type=Path, default=WORK / "corpus", help="where new finds go; %(default)s")
    add("--replay", type=Path, metavar="FILE", help="an input that failed, in TARGET's directory")
    given = parser.parse_args(arguments)
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"unknown target: {' '.join(sorted(unknown))}")
    return given


def limits(seconds: int | None, inputs: int | None, targets: int) -> list[str]:
    """Return libFuzzer's flags for the share that one of the *targets* has."""
    if seconds is None and inputs is None:
        seconds = SECONDS
    flags = [] if seconds is None else [f"-max_total_time={max(1, seconds // targets)}"]
    return flags + ([] if inputs is None else [f"-runs={-(-inputs // targets)}"])


def replay(file: Path, target: str | None = None) -> int:
    """Describe one input with both twins, and return 0 where they agree and nothing is wrong."""
    target = target or file.resolve().parent.name
    if target not in TARGETS:
        raise SystemExit(f"no target {target!r}: name one before --replay")
    found = []
    for kind, tree in trees().items():
        program = command("tests.fuzz.twins", target, kind, str(file))
        done = subprocess.run(program, env=environment(tree), stdout=subprocess.PIPE, text=True)
        print(f"{kind}: {done.stdout}", end="")
        found.append((done.returncode, done.stdout))
    passed = found[0] == found[1] and not found[0][0] and not found[0][1].startswith("Traceback")
    print("passed" if passed else "failed")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
