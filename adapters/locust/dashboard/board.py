"""Where the reports of all processes come together: on the master, or in the only process.

Report -> Board.take() -> Line, one for each process and one for all
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Final, NamedTuple

from locust.runners import STATE_MISSING, MasterRunner

from geventws.adapters.locust.gauges import NOTHING, Report, Totals, gauges_of

WINDOW: Final = 1.0  # seconds at least that a rate is taken over
LOST: Final = "lost"
STOPPED: Final = "stopped"
ALL: Final = "Aggregated"  # as in Locust's own tables
LOCAL: Final = "local"


class Line(NamedTuple):
    """What there is to show of one process, or of all.

    *open* is None where nobody can know it. *rates* are what comes each second lately, *averages*
    over the test.
    """

    worker: str
    state: str
    open: int | None
    totals: Totals
    rates: Counter[str]
    averages: Counter[str]


class Node:
    """One process, as the reports on its test tell."""

    def __init__(self, first: Report) -> None:
        self._zero = first._replace(seconds=0.0, totals=NOTHING)
        self._reports = deque([first])

    @property
    def last(self) -> Report:
        """The last report, which has what was before reset() too."""
        return self._reports[-1]

    def take(self, report: Report) -> None:
        """Take the next report."""
        self._reports.append(report)
        while len(self._reports) > 2 and self._reports[1].at <= report.at - WINDOW:
            self._reports.popleft()

    def reset(self) -> None:
        """Show only what comes from now on."""
        self._zero = self.last

    def totals(self) -> Totals:
        """Return what has come since the test began, or since reset()."""
        return self.last.totals.minus(self._zero.totals)

    def averages(self) -> Counter[str]:
        """Return how much of it has come each second."""
        return per_second(self.totals().flows, self.last.seconds - self._zero.seconds)

    def rates(self) -> Counter[str]:
        """Return how much has come each second lately, by the clock of that process."""
        first, last = self._reports[0], self.last
        return per_second(last.totals.flows - first.totals.flows, last.at - first.at)


class Board:
    """All the processes of one Environment that run users.

    A report has all that its process has done in the test, so none is counted twice, and one that
    is missed is made good by the next. A worker that is lost stays on the board with what it
    reported last.
    """

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._gauges = gauges_of(environment)
        self._nodes: dict[str, Node] = {}
        self._past: dict[str, int] = {}  # the test that each had reported on when this one began
        self._final = False

    def take(self, worker: str, report: Report) -> None:
        """Take a report of *worker*; one on an earlier test comes too late."""
        node = self._nodes.get(worker)
        if self._past.get(worker) == report.test:
            return
        if node is None or node.last.test != report.test:
            self._nodes[worker] = Node(report)
        else:
            node.take(report)

    def begin_test(self) -> None:
        """Show nothing of the tests before."""
        self._past.update((worker, node.last.test) for worker, node in self._nodes.items())
        self._nodes.clear()

    def reset(self) -> None:
        """Show only what comes from now on."""
        self._refresh()
        for node in self._nodes.values():
            node.reset()

    def finish(self) -> None:
        """Take note that no more reports will come."""
        self._final = True

    def lines(self) -> list[Line]:
        """Return a Line for each process, in the order of their numbers, and one for all."""
        self._refresh()
        workers = sorted(self._nodes, key=self._number)
        lines = [self._line(worker, self._nodes[worker]) for worker in workers]
        return [*lines, total_of(lines)]

    def _refresh(self) -> None:
        if not _is_master(self._environment.runner):
            self.take(LOCAL, self._gauges.report())

    def _line(self, worker: str, node: Node) -> Line:
        state = self._state(worker, node)
        here = state not in (LOST, STATE_MISSING)
        rates = node.rates() if here else Counter()
        count = node.last.open if here else None
        name = self._name(worker)
        return Line(name, state, count, node.totals(), rates, node.averages())

    def _state(self, worker: str, node: Node) -> str:
        runner = self._environment.runner
        if not _is_master(runner):
            return str(runner.state) if runner else ""
        if worker in runner.clients and not self._final:
            return str(runner.clients[worker].state)
        return STOPPED if node.last.over else LOST

    def _name(self, worker: str) -> str:
        host = worker.rpartition("_")[0]  # what follows is random
        return f"{host} #{self._number(worker)}" if _is_master(self._environment.runner) else worker

    def _number(self, worker: str) -> int:
        """Return the one that Locust's log calls the index of *worker*."""
        runner: Any = self._environment.runner
        return int(runner.get_worker_index(worker)) if _is_master(runner) else 0


def total_of(lines: list[Line]) -> Line:
    """Return the sum of *lines*; who is missing has no open connections in it."""
    missing = sum(line.open is None for line in lines)
    totals = NOTHING
    rates: Counter[str] = Counter()
    averages: Counter[str] = Counter()
    for line in lines:
        totals = totals.plus(line.totals)
        rates += line.rates
        averages += line.averages
    state = f"{missing} of {len(lines)} lost" if missing else ""
    return Line(ALL, state, sum(line.open or 0 for line in lines), totals, rates, averages)


def _is_master(runner: Any) -> bool:
    return isinstance(runner, MasterRunner)


def per_second(counts: Counter[str], seconds: float) -> Counter[str]:
    """Return *counts* by the second; none where no time has passed."""
    if seconds <= 0:
        return Counter()
    return Counter({name: count / seconds for name, count in counts.items()})
