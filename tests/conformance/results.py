"""What the Autobahn test suite found, as kept between the runs on the two twins and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from platform import python_version
from typing import Any, Final, NamedTuple

from geventws.core import mask
from geventws.version import __version__
from setup import ROOT
from tests.conformance.autobahn import CASES, VERSION, Verdict, Verdicts

PLACE: Final = ROOT / "build" / "conformance"
# These say what an end does where RFC 6455 leaves it the choice; the suite calls nothing else so.
INFORMATIONAL: Final = {"7.1.6", "7.13.1", "7.13.2"}


class Run(NamedTuple):
    """The suite against one end, and what that was made of."""

    door: str
    role: str  # "server" or "client"
    twins: str  # "interpreted" or "compiled"
    verdicts: Verdicts
    versions: dict[str, str]

    def title(self) -> str:
        """Return the end's name in a table."""
        return f"{self.door}, {self.twins}"

    def faults(self) -> Iterator[str]:
        """Yield what is not as it must be, a line each."""
        for number, verdict in self.verdicts.items():
            if not is_good(number, verdict):
                said = f"{verdict.behavior}, closing {verdict.closing}"
                yield f"{self.door} {self.role}, {self.twins}: case {number} is {said}"

    def is_whole(self) -> bool:
        """Return whether every case of the suite was run."""
        return len(self.verdicts) == CASES

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
    """Return which twins of the hot modules this tree has."""
    return "interpreted" if mask.__file__.endswith(".py") else "compiled"


def versions() -> dict[str, str]:
    """Return what a run is made of."""
    return {
        "geventws": __version__,
        "Python": python_version(),
        "gevent": version("gevent"),
        "autobahntestsuite": VERSION,
    }


def saved() -> list[Run]:
    """Return the runs that are kept, in a table's order."""
    runs = [_load(json.loads(file.read_text())) for file in sorted(PLACE.glob("autobahn-*.json"))]
    return sorted(runs, key=lambda run: (run.role, run.door != "native", run.door, run.twins))


def _load(kept: dict[str, Any]) -> Run:
    verdicts = {number: Verdict(*said) for number, said in kept.pop("verdicts").items()}
    return Run(verdicts=verdicts, **kept)


def read_matrix() -> list[dict[str, Any]]:
    """Return the results of the last `python -m tests.interop`; none where it did not run."""
    file = PLACE / "matrix.json"
    found: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    return found
