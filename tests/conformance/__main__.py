"""Run the Autobahn test suite, and write the page of its results.

python -m tests.conformance run            every case, every end
python -m tests.conformance run --quick    cases 1 to 7 and 10, serve() and connect() alone
python -m tests.conformance page           docs/conformance.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final

from tests.conformance.autobahn import HINT, Verdicts, judge_client, judge_server, suite
from tests.conformance.doors import CLIENTS, SERVERS
from tests.conformance.page import write_page
from tests.conformance.results import Run, twins, versions

QUICK: Final = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
AT_ONCE: Final = 2  # the suite and the end take turns, so a processor has time for another pair

Judge = Callable[[Path, str, list[str]], Verdicts]


def main(arguments: list[str]) -> int:
    """Do what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("what", choices=["run", "page"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--doors", nargs="+", default=[*SERVERS, *CLIENTS])
    asked = parser.parse_args(arguments)
    if asked.what == "page":
        return write_page()
    program = suite()
    if program is None:
        print(HINT)
        return 0 if asked.quick else 1
    return run(program, ["native"] if asked.quick else asked.doors, QUICK if asked.quick else ["*"])


def run(program: Path, doors: list[str], cases: list[str]) -> int:
    """Judge the ends behind *doors*, two at once; return 1 where anything is to be wished for."""
    print(f"the Autobahn test suite, cases {' '.join(cases)}, {twins()} twins", flush=True)
    ends: list[tuple[Judge, str, str]] = [
        *((judge_server, door, "server") for door in SERVERS if door in doors),
        *((judge_client, door, "client") for door in CLIENTS if door in doors),
    ]

    def judge(end: tuple[Judge, str, str]) -> Run:
        run = Run(end[1], end[2], twins(), end[0](program, end[1], cases), versions())
        print(f"{run.role} {run.door}: {len(run.verdicts)} cases", flush=True)
        if run.is_whole():
            run.save()
        return run

    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = list(chain.from_iterable(run.faults() for run in pool.map(judge, ends)))
    print("\n".join(faults) or "every case is OK")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
