"""One end behind one door as a program: see the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module


def main(door: str, role: str, where: str = "") -> None:
    """Run the *role* of *door*: serve at the port, or visit the URL, *where*.

    The role "visits" is to visit every URL that is a line of the standard input.
    """
    ends = import_module(f"tests.conformance.doors.{door}")
    if role == "serve":
        ends.serve(int(where))
    elif role == "cases":
        run_cases(ends.visit, where, door)
    elif role == "visits":
        print("ready", flush=True)
        for line in sys.stdin:
            ends.visit(line.strip(), True)
    else:
        ends.visit(where, True)


def run_cases(visit: Callable[[str, bool], list[str | bytes]], url: str, agent: str) -> None:
    """Visit each case that the Autobahn test suite offers at *url*, then ask for its reports."""
    (count,) = visit(f"{url}/getCaseCount", False)
    for number in range(1, int(count) + 1):
        visit(f"{url}/runCase?case={number}&agent={agent}", True)
    visit(f"{url}/updateReports?agent={agent}", False)


if __name__ == "__main__":
    main(*sys.argv[1:])
