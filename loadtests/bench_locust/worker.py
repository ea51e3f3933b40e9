"""One measurement, in a process of its own: `python -m loadtests.bench_locust.worker echo ...`.

It prints what it found as one line of JSON and ends at once, whatever still runs in it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from time import monotonic, process_time

import gevent
import gevent.event
from locust import User, constant
from locust.env import Environment

from loadtests.bench_locust.users import CONTENDERS

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Return how many bytes of memory this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def environment_of(kind: type[User], users: int, rate: float) -> Environment:
    """Return where *users* of *kind* run, when all of them have started."""
    environment = Environment(user_classes=[kind])
    runner = environment.create_local_runner()
    started = gevent.event.Event()
    environment.events.spawning_complete.add_listener(lambda **_: started.set())
    runner.start(users, rate)
    started.wait()
    return environment


def echo(name: str, url: str, users: int, warm: float, seconds: float) -> dict[str, float]:
    """Return how many round trips were made in *seconds*, and what they cost."""
    kind = type("Measured", (CONTENDERS[name],), {"host": url})
    stats = environment_of(kind, users, users).stats
    gevent.sleep(warm)
    before, start, cpu = stats.total.num_requests, monotonic(), process_time()
    gevent.sleep(seconds)
    made = stats.total.num_requests - before
    found = {"seconds": monotonic() - start, "cpu": process_time() - cpu, "made": made}
    return {**found, "failed": stats.total.num_failures}


def idle(name: str, url: str, users: int, *_: float) -> dict[str, float]:
    """Return how many bytes each of *users* that wait takes."""
    waiting: list[User] = []
    kind = type("Measured", (CONTENDERS[name],), {"host": url, "wait_time": constant(3600)})
    kind.tasks = [waiting.append]
    before = resident()
    environment = environment_of(kind, users, users)
    while len(waiting) < users:  # some are still connecting
        gevent.sleep(0.1)
    waiting.clear()
    failed = environment.stats.total.num_failures
    return {"bytes_each": (resident() - before) / users, "users": users, "failed": failed}


def main(mode: str, name: str, url: str, users: str, warm: str, seconds: str) -> None:
    """Measure and print."""
    measure = {"echo": echo, "idle": idle}[mode]
    found = measure(name, url, int(users), float(warm), float(seconds))
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
