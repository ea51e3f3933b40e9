"""What is still to be measured, of what was asked for, and how long that takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from loadtests.bench import scenarios, targets
from loadtests.bench.contenders import Contender, taking_part
from loadtests.bench.report import AGAINST
from loadtests.bench.results import counted
from loadtests.bench.run import Length, Sample
from loadtests.bench.scenarios import EVERYBODY, NEAREST, Scenario

STARTING: Final = 0.7  # seconds until a program runs and is calm
BETWEEN: Final = 0.25  # seconds between two measurements
OPENING: Final = 0.4e-3  # seconds for a connection
SPEED: Final = 0.7e9  # bytes a second, each way
PLENTY: Final = 2 << 30  # bytes after which wsload does not wait for a second round
LATE: Final = 0.15  # seconds for a handshake while others flood


class Wish(NamedTuple):
    """What is asked for.

    Attributes:
        only: regular expressions, one of which is found in a scenario's title; none is all.
        servers: the same, of contenders' names.
        quick: whether it is the short variant.
        targets: whether it is what the targets compare, alone.
    """

    only: Sequence[str] = ()
    servers: Sequence[str] = ()
    quick: bool = False
    targets: bool = False


class Job(NamedTuple):
    """A scenario that is to be measured, with whom, and for how many rounds."""

    scenario: Scenario
    contenders: list[Contender]
    rounds: int

    def seconds(self, length: Length) -> float:
        """Return about how long it takes."""
        anew = self.scenario.mode in ("client", "idle")  # a program for every measurement
        starts = self.rounds if anew else 1
        once = length.warm + length.seconds + BETWEEN + _opening(self.scenario)
        return len(self.contenders) * (starts * STARTING + self.rounds * once)


def _opening(scenario: Scenario) -> float:
    """Return how long it takes to open connections, and to let two rounds of messages through."""
    under_way = scenario.size * scenario.connections * scenario.flight
    through = min(2 * under_way, PLENTY) / SPEED
    return scenario.connections * OPENING + through + scenario.late * LATE


def fits(patterns: Sequence[str], name: str) -> bool:
    """Return whether one of *patterns* is found in *name*, with its spaces or without them."""
    forms = name, name.replace(" ", "")
    found = (re.search(each, form, re.IGNORECASE) for each in patterns for form in forms)
    return not patterns or any(found)


def planned(wish: Wish, rounds: int, known: Iterable[Sample] = ()) -> list[Job]:
    """Return what *wish* asks for and is not *known* yet, what the targets need first.

    Who has its rounds is not measured again, unless somebody else's ratio needs it: a ratio is of
    rounds that both were in.
    """
    done = counted(known)
    jobs = []
    for scenario in sorted(_scenarios(wish), key=lambda each: each.title not in targets.COMPARED):
        contenders = _contenders(wish, scenario)
        wanted = scenario.rounds(rounds)
        counts = {each.name: done[scenario.title, each.name] for each in contenders}
        missing = {name for name, count in counts.items() if count < wanted}
        if missing:
            needed = missing | _companions(scenario, missing)
            taking = [each for each in contenders if each.name in needed]
            jobs.append(Job(scenario, taking, wanted - min(counts[name] for name in missing)))
    return jobs


def _companions(scenario: Scenario, names: set[str]) -> set[str]:
    """Return whom *names* are compared with."""
    compared = targets.COMPARED.get(scenario.title, set())
    return {*AGAINST, *(compared if names & compared else ())}


def _scenarios(wish: Wish) -> list[Scenario]:
    everything = scenarios.QUICK if wish.quick else scenarios.ALL
    return [
        each
        for each in everything
        if fits(wish.only, each.title) and (not wish.targets or each.title in targets.COMPARED)
    ]


def _contenders(wish: Wish, scenario: Scenario) -> list[Contender]:
    taking = taking_part(scenario, NEAREST if wish.quick else EVERYBODY)
    if wish.targets:
        taking = [each for each in taking if each.name in targets.COMPARED[scenario.title]]
    return [each for each in taking if fits(wish.servers, each.name)]


def told(seconds: float) -> str:
    """Return *seconds* as people say them: "40 s", "12 min"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
