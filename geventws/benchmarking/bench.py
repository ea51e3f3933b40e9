"""The whole of a measurement: connections are opened, loaded in rounds, and closed."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from time import monotonic
from typing import Final

from geventws.benchmarking.fleet import Fleet
from geventws.benchmarking.loading import Round
from geventws.benchmarking.plan import Plan
from geventws.benchmarking.tally import Tally

BEFORE: Final = "not begun"


class Target:
    """One URL under load.

    Attributes:
        fleet: its connections.
        tally: what all rounds together found, and the failures of opening.
        rounds: what each round found.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.tally = Tally()
        self.rounds: list[Tally] = []

    @property
    def failed(self) -> bool:
        """Whether anything failed, or nothing came back."""
        return bool(self.tally.failures) or not self.tally.messages


class Bench:
    """Loads the connections of *fleets* as *plan* says, in so many *rounds*, the fleets in turn.

    What disturbs the machine for a while so disturbs them all. Each gets the whole plan, a part of
    it in each round; its connections stay open meanwhile.

    Attributes:
        targets: what came of each, in the order of *fleets*.
        interrupted: whether stop() was called.
    """

    def __init__(self, plan: Plan, fleets: Sequence[Fleet], rounds: int = 1) -> None:
        self.plan = plan
        self.targets = [Target(fleet) for fleet in fleets]
        self.interrupted = False
        self._rounds = rounds
        self._begun = 0  # rounds of any target
        self._busy: Fleet | Round | None = None
        self._tally = Tally()  # of the round that runs
        self._since = 0.0

    def run(self) -> None:
        """Open, load and close. Only the caller waits.

        Raises:
            TypeError, ValueError: an argument of connect() is wrong.
        """
        try:
            for target in self.targets:
                self._open(target)
            gc.collect()  # or it would come when answers are waited for, and take long
            for number in range(self._rounds):
                for target in self.targets:
                    self._load(target, self.plan.share(self._rounds, number))
            self._busy = None
            self._close()
        finally:  # who is interrupted does not wait
            for target in self.targets:
                target.fleet.drop()

    def stop(self) -> None:
        """Have run() return soon, with what was found so far; from another greenlet."""
        self.interrupted = True
        if self._busy is not None:
            self._busy.stop()

    def status(self) -> str:
        """Say in a line what is going on."""
        if isinstance(self._busy, Fleet):
            done = len(self._busy.lanes)
            return f"opened {done:,} of {self.plan.connections:,} connections"
        if self._busy is None:
            return BEFORE if not self._begun else "closing"
        tally = self._tally
        in_all = self._rounds * len(self.targets)
        which = f"round {self._begun} of {in_all}, " if in_all > 1 else ""
        passed = f"{monotonic() - self._since:.0f} s"
        median = tally.latencies.percentile(50) * 1000
        failures = tally.failures.total()
        return (
            f"{which}{passed}, {tally.messages:,} messages, p50 {median:.3g} ms, "
            f"{failures:,} failures"
        )

    def _close(self) -> None:
        if not self.interrupted:
            for target in self.targets:
                target.fleet.close()

    def _open(self, target: Target) -> None:
        if not self.interrupted:
            self._busy = target.fleet
            target.fleet.open(target.tally)

    def _load(self, target: Target, plan: Plan) -> None:
        if self.interrupted:
            return
        self._tally = Tally()
        self._busy = Round(plan, target.fleet.lanes, self._tally)
        self._begun += 1
        self._since = monotonic()
        self._busy.run()
        target.rounds.append(self._tally)
        target.tally.update(self._tally)
