"""Run the Autobahn test suite, and write the page of its results.

python -m tests.conformance run            every end, on the twins that are there
python -m tests.conformance run --quick    few cases, serve() and connect() alone
python -m tests.conformance page           docs/conformance.md
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final

from tests.conformance.autobahn import NoSuite, judge_client, judge_server, suite
from tests.conformance.page import write_page
from tests.conformance.plans import QUICK, Plan, plan_of
from tests.conformance.results import ENDS, End, Run, ends_on, made_of, twins

AT_ONCE: Final = 2  # the suite and the end take turns, so a processor has time for another pair


def main(arguments: list[str]) -> int:
    """Do what was asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("what", choices=["run", "page"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--doors", nargs="+", default=sorted({door for door, _ in ENDS}))
    asked = parser.parse_args(arguments)
    if asked.what == "page":
        return write_page()
    try:
        program = suite()
    except NoSuite as problem:
        print(problem)
        return 0 if asked.quick and not problem.is_mistake else 1
    if asked.quick:
        return run(program, [("native", "server"), ("native", "client")], QUICK)
    return run(program, [end for end in ends_on(twins()) if end[0] in asked.doors])


def run(program: Path, ends: list[End], plan: Plan | None = None) -> int:
    """Judge *ends*, two at once; return 1 where anything is to be wished for.

    Args:
        program: the suite's.
        ends: which.
        plan: what is asked of them; None is what is right for each, and has the results kept.
    """

    def judge(end: End) -> Run:
        door, role = end
        cases, number = plan or plan_of(door)
        verdicts = (judge_server if role == "server" else judge_client)(program, door, cases)
        run = Run(door, role, which, number, verdicts, made_of())
        print(f"{role} {door}: {len(verdicts)} cases", flush=True)
        if plan is None:
            run.save()
        return run

    which = twins()
    print(f"the Autobahn test suite, {which} twins", flush=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = list(chain.from_iterable(run.faults() for run in pool.map(judge, ends)))
    print("\n".join(faults) or "every case is OK")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
