"""A board with a master of Locust's own, and what its workers report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from locust.env import Environment
from locust.runners import WorkerNode

from geventws.adapters.locust import install_dashboard
from geventws.adapters.locust.dashboard.board import Board
from geventws.adapters.locust.gauges import Report, Totals


def totals(
    sent: int = 0,
    received: int = 0,
    codes: dict[int, int] | None = None,
    pings: dict[int, int] | None = None,
) -> Totals:
    """Return totals in which each message has 1000 bytes, and each connection but one has ended."""
    codes = codes or {}
    closed = sum(codes.values())
    flows = {
        **{"opened": closed + 1, "closed": closed, "messages_sent": sent},
        **{"messages_received": received, "bytes_sent": 1000 * sent},
        "bytes_received": 1000 * received,
    }
    return Totals(+Counter(flows), Counter(codes), Counter(pings or {}))


def report(at: float, *, test: int = 1, open: int = 1, over: bool = False, **counts: Any) -> Report:
    """Return what a worker tells *at* so many seconds after its test began."""
    return Report(test, at, at, open, over, totals(**counts))


class Master:
    """A master without processes; workers are what is said to be."""

    def __init__(self) -> None:
        self.environment: Any = Environment()
        self.runner: Any = self.environment.create_master_runner("127.0.0.1", 0)
        self.board = Board(self.environment)

    def join(self, worker: str, state: str = "running") -> None:
        """Have *worker* be known, in *state*."""
        self.runner.get_worker_index(worker)
        self.runner.clients[worker] = WorkerNode(worker, state=state)

    def take(self, worker: str, told: Report) -> None:
        """Have *worker*, which may be new, report."""
        if worker not in self.runner.worker_indexes:
            self.join(worker)
        self.board.take(worker, told)

    def shown(self, *names: str) -> list[tuple[Any, ...]]:
        """Return worker, state, open, and the counts of *names*, line by line."""
        return [
            (line.worker, line.state, line.open, *(line.totals.flows[name] for name in names))
            for line in self.board.lines()
        ]


def close(rpc: Any) -> None:
    """Close one end of Locust's own connections, whole."""
    context = rpc.socket.context
    rpc.close(linger=0)
    context.term()


@contextmanager
def master() -> Iterator[Master]:
    """Give a master; in the end it is gone."""
    master = Master()
    try:
        yield master
    finally:
        master.runner.greenlet.kill()
        close(master.runner.server)


@contextmanager
def page(**options: Any) -> Iterator[Any]:
    """Give a client for the web page of a local Environment that has the dashboard."""
    argv, sys.argv = sys.argv, sys.argv[:1]  # of which the page asks Locust's options
    environment: Any = Environment()
    environment.create_local_runner()
    web_ui: Any = environment.create_web_ui("127.0.0.1", 0, delayed_start=True, **options)
    try:
        install_dashboard(environment)
        yield environment, web_ui.app.test_client()
    finally:
        sys.argv = argv
        environment.runner.quit()
