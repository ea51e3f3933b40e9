"""Measure and print: see the package."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from typing import Final

from geventws.core import frame
from loadtests.bench.building import PLACE, build_program
from loadtests.bench.run import allow_many_files, cores, running
from tests.ports import free_port

OURS: Final = "geventws"
PEER: Final = "websocket-client"
RAW: Final = "raw gevent socket"
ALONE: Final = "Locust alone"
ROUND_TRIPS: Final = (OURS, PEER, RAW)
IDLE: Final = (ALONE, OURS, PEER)
Found = dict[str, float]


def measured(mode: str, name: str, port: int, users: int, seconds: float) -> Found:
    """Have one contender measured in a worker on a core of its own."""
    url = f"ws://127.0.0.1:{port}"
    words = [mode, name, url, users, seconds / 4, seconds]
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.bench_locust.worker", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores()[0]}),
    )
    found: Found = json.loads(done.stdout)
    if found["failed"]:
        raise SystemExit(f"{name}: {found['failed']:.0f} failures")
    return found


def rounds(mode: str, names: Sequence[str], chosen: argparse.Namespace) -> list[dict[str, Found]]:
    """Measure every contender once in each round."""
    users = chosen.idle or chosen.users
    wsecho = build_program("wsecho")
    port = free_port()
    with running([str(wsecho), str(port)], cores()[1], PLACE / "wsecho.log"):
        return [
            {name: measured(mode, name, port, users, chosen.seconds) for name in names}
            for _ in range(chosen.rounds)
        ]


def rate(found: Found) -> float:
    """Return the round trips a second."""
    return found["made"] / found["seconds"]


def cost(found: Found) -> float:
    """Return the microseconds of processor time of a round trip."""
    return found["cpu"] / found["made"] * 1e6


def tell_round_trips(found: list[dict[str, Found]]) -> None:
    """Print the medians, and the ratios within each round that the targets are about."""
    for name in ROUND_TRIPS:
        each = [one[name] for one in found]
        print(f"{name:18} {median(map(rate, each)):8,.0f}/s {median(map(cost, each)):6.1f} us")
    faster = median(rate(one[OURS]) / rate(one[PEER]) for one in found)
    dearer = median(cost(one[OURS]) / cost(one[RAW]) for one in found)
    print(f"{faster:.2f} times the rate of {PEER}: at least 1.5 is asked")
    print(f"{dearer:.2f} times the processor time of a {RAW}: at most 1.35 is asked")


def tell_idle(found: list[dict[str, Found]]) -> None:
    """Print the median memory of a user of each contender."""
    for name in IDLE:
        each = median(one[name]["bytes_each"] for one in found)
        print(f"{name:18} {each:8,.0f} bytes a user, of {found[0][name]['users']:,.0f}")


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench_locust", description=__doc__)
    add = parser.add_argument
    add("--users", type=int, default=50, metavar="N")
    add("--rounds", type=int, default=5, metavar="N")
    add("--seconds", type=float, default=2.0, metavar="S", help="of each measurement")
    add("--idle", type=int, default=0, metavar="N", help="the memory of so many users instead")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    arguments = arguments_of(words)
    allow_many_files()
    PLACE.mkdir(parents=True, exist_ok=True)
    print("compiled" if not frame.__file__.endswith(".py") else "interpreted", flush=True)
    if arguments.idle:
        tell_idle(rounds("idle", IDLE, arguments))
    else:
        tell_round_trips(rounds("echo", ROUND_TRIPS, arguments))


if __name__ == "__main__":
    main()
