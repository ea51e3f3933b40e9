"""Clients that make round trips to a fixed echo server, each as its documentation suggests.

    python -m loadtests.bench.clients picows 9001 100 32 0.2 1

connects 100 times to the port, has messages of 32 bytes come back on every connection for 0.2 s and
then for 1 s more, and prints what that second took, as JSON. Each module has main(plan).
"""

from __future__ import annotations

import json
import os
from time import monotonic, process_time
from typing import NamedTuple

MAX_SIZE = 128 * 1024 * 1024


class Plan(NamedTuple):
    """What a client is to do; *counts* is of the round trips on each connection."""

    port: int
    message: bytes
    counts: list[int]
    warm: float
    seconds: float

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def connections(self) -> range:
        """The indices of the connections."""
        return range(len(self.counts))

    def check(self, message: bytes | str | bytearray | memoryview | None) -> None:
        """Raise where *message* cannot be what was sent."""
        if message is None or len(message) != len(self.message):
            raise ValueError(f"came back as {type(message)}")


class Stretch:
    """A stretch of time in which round trips are counted."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._messages = sum(plan.counts)
        self._start = monotonic()
        self._cpu = process_time()

    def end(self) -> None:
        """Print what it took, and end the process, whatever else still runs in it."""
        cpu = process_time() - self._cpu
        messages = sum(self._plan.counts) - self._messages
        seconds = monotonic() - self._start
        print(json.dumps({"messages": messages, "cpu": cpu, "seconds": seconds}), flush=True)
        os._exit(0)
