"""Meet everybody, print how that went, and exit with 1 where not all of it went well.

usage: python -m tests.interop [--json FILE] [PEER...]
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import gevent

from tests.interop.matrix import Outcome, subjects
from tests.interop.play import CASES

ROW = "{:<24} {:<6} {:<22}" + " {:>11}" * len(CASES)


def row(outcomes: list[Outcome]) -> str:
    """Return a line of the table: how often each case went well, of how many times."""
    first = outcomes[0]
    if not first.version:
        return f"{first.peer:<24} {first.role:<6} {first.error}"
    cells = []
    for case in CASES:
        results = [outcome.ok for outcome in outcomes if outcome.case == case]
        cells.append(f"{results.count(True)} of {len(results)}")
    return ROW.format(first.peer, first.role, first.version, *cells)


def agreed(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the compressions that were agreed on, each once."""
    return list(dict.fromkeys(outcome.compression for outcome in outcomes if outcome.ok))


def troubles(outcomes: Iterable[Outcome]) -> list[str]:
    """Return what did not go well, or was not tried."""
    return [
        f"{outcome.peer} as {outcome.role}, "
        f"{outcome.case or outcome.compression or 'all'}: {outcome.error}"
        for outcome in outcomes
        if not outcome.ok
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the outcomes")
    parser.add_argument("peers", nargs="*", metavar="PEER", help="whom to meet; else everybody")
    arguments = parser.parse_args()
    names = list(dict.fromkeys(subject.peer for subject in subjects()))
    wanted = arguments.peers or names
    if not set(wanted) <= set(names):
        parser.error(f"no such peer; there are: {'; '.join(names)}")
    gevent.signal_handler(signal.SIGTERM, sys.exit, 1)  # so that no browser is left behind
    everything: list[Outcome] = []
    print(ROW.format("peer", "role", "version", *CASES))
    for subject in subjects():
        if subject.peer in wanted:
            outcomes = list(subject.outcomes())
            everything += outcomes
            print(row(outcomes), flush=True)
    print("\nagreed on:", *agreed(everything), sep="\n  ")
    print("\nnot well:", *troubles(everything), sep="\n  ")
    if arguments.json:
        text = json.dumps([outcome._asdict() for outcome in everything], indent=1)
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n")
    return int(any(outcome.ok is False for outcome in everything))


if __name__ == "__main__":
    sys.exit(main())
