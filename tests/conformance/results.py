"""What the Autobahn test suite found, as kept between the runs on the two twins and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from platform import python_version
from typing import Any, Final, NamedTuple

from geventws.version import __version__
from setup import COMPILED, ROOT
from tests.conformance.autobahn import VERSION, Verdict, Verdicts
from tests.conformance.doors import CLIENTS, SERVERS
from tests.conformance.plans import MAIN
from tests.twins import is_stale, source, twin

PLACE: Final = ROOT / "build" / "conformance"
# These say what an end does where RFC 6455 leaves it the choice; the suite calls nothing else so.
INFORMATIONAL: Final = {"7.1.6", "7.13.1", "7.13.2"}
TWINS: Final = ["interpreted", "compiled"]

End = tuple[str, str]  # a door, and "server" or "client"
# ws4py's names stand on doors that are judged themselves.
ENDS: Final[list[End]] = [
    *((door, "server") for door in SERVERS if not door.startswith("ws4py")),
    *((door, "client") for door in CLIENTS if not door.startswith("ws4py")),
]


class Run(NamedTuple):
    """The suite against one end, and what that was made of."""

    door: str
    role: str  # "server" or "client"
    twins: str  # "interpreted" or "compiled"
    asked: int  # how many cases
    verdicts: Verdicts
    made_of: dict[str, str]

    def title(self) -> str:
        """Return the end's name in a table."""
        return f"{self.door}, {self.twins}"

    def faults(self) -> Iterator[str]:
        """Yield what is not as it must be, a line each."""
        end = f"{self.door} {self.role}, {self.twins}"
        if len(self.verdicts) != self.asked:
            yield f"{end}: {len(self.verdicts)} of {self.asked} cases"
        for number, verdict in self.verdicts.items():
            if not is_good(number, verdict):
                yield f"{end}: case {number} is {verdict.behavior}, closing {verdict.closing}"

    def save(self) -> None:
        """Keep this run in place of an earlier one of the same end."""
        PLACE.mkdir(parents=True, exist_ok=True)
        file = PLACE / f"autobahn-{self.role}-{self.door}-{self.twins}.json"
        file.write_text(json.dumps(self._asdict(), indent=1))


def is_good(number: str, verdict: Verdict) -> bool:
    """Return whether nothing is to be wished for."""
    good = {"OK", "INFORMATIONAL"} if number in INFORMATIONAL else {"OK"}
    return set(verdict) <= good


def twins() -> str:
    """Return which twins of the hot modules this tree has.

    Raises:
        RuntimeError: some of each, or compiled ones older than their sources.
    """
    paths = [source(module) for module in COMPILED]
    compiled = sum(twin(path) is not None for path in paths)
    if compiled not in (0, len(paths)) or any(map(is_stale, paths)):
        raise RuntimeError(
            "the compiled twins are stale or not complete; make build, or make clean"
        )
    return TWINS[compiled > 0]


def made_of() -> dict[str, str]:
    """Return what a run is made of."""
    return {
        "geventws": __version__,
        "Python": python_version(),
        "gevent": version("gevent"),
        "autobahntestsuite": VERSION,
        "date": date.today().isoformat(),
    }


def saved() -> list[Run]:
    """Return the runs that are kept, in a table's order."""
    runs = [_load(json.loads(file.read_text())) for file in PLACE.glob("autobahn-*.json")]
    return sorted(runs, key=lambda run: (ENDS.index((run.door, run.role)), TWINS.index(run.twins)))


def ends_on(which: str) -> list[End]:
    """Return the ends that are judged on these twins: on the compiled ones all."""
    return ENDS if which == "compiled" else [end for end in ENDS if end[0] in MAIN]


def missing(runs: list[Run]) -> list[str]:
    """Return the names of the ends of which no run is kept."""
    there = {(run.door, run.role, run.twins) for run in runs}
    wanted = [(*end, each) for each in TWINS for end in ends_on(each)]
    return [
        f"{door} {role}, {each}" for door, role, each in wanted if (door, role, each) not in there
    ]


def _load(kept: dict[str, Any]) -> Run:
    verdicts = {number: Verdict(*said) for number, said in kept.pop("verdicts").items()}
    return Run(verdicts=verdicts, **kept)


def read_matrix() -> list[dict[str, Any]]:
    """Return the results of the last `python -m tests.interop`; none where it did not run."""
    file = PLACE / "matrix.json"
    found: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    return found
