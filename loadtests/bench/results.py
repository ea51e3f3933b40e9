"""What was measured, kept as JSON: slices of a run, each with what it was measured on and of.

A slice is added to what a file has already. Its rounds stay its own: ratios are of rounds that two
contenders were both in, so slices of different days are never set against each other.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from geventws.version import __version__
from loadtests.bench.contenders import COMPILED
from loadtests.bench.run import Length, Sample, Tools, cores
from tests.interop import node

NAMED: Final = [
    *("gevent", "greenlet", "uvloop", "picows", "aiofastnet", "websockets", "aiohttp", "tornado"),
    *("gevent-websocket", "ws4py", "simple-websocket", "websocket-client"),
    *("CherryPy", "Django", "Flask", "gunicorn", "python-engineio"),
]
ASK: Final = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
import geventws
found = {"compiled": geventws.compiled, "versions": {}}
for name in sys.argv[1:]:
    try:
        found["versions"][name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""
APART: Final = 1000  # more rounds than a slice has


class Slice(NamedTuple):
    """What was measured in one go, and the facts about it."""

    facts: dict[str, Any]
    samples: list[Sample]


def facts_of(tools: Tools, length: Length) -> dict[str, Any]:
    """Return on what, of what and how long it is measured."""
    done = subprocess.run(
        [tools.python, "-c", ASK, *NAMED],
        cwd=tools.copies[COMPILED],
        env=tools.environment,
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    server, generator = cores()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "geventws": __version__,
        "compiled": found["compiled"],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "pinned": server != generator,
        "load": round(os.getloadavg()[0], 1),
        **length._asdict(),
        "versions": {**found["versions"], **_of_node()},
    }


def processor(path: Path = Path("/proc/cpuinfo")) -> str:
    """Return the model of the processor, or what kind it is where the system names none."""
    for line in path.read_text().splitlines() if path.exists() else []:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _of_node() -> dict[str, str]:
    try:
        return {"ws": node.version()}
    except node.Missing:
        return {}


def read(path: Path) -> list[Slice]:
    """Return the slices that *path* has; none where there is no such file."""
    if not path.exists():
        return []
    return [
        Slice(each["facts"], [Sample(**sample) for sample in each["samples"]])
        for each in json.loads(path.read_text(encoding="utf-8"))
    ]


def write(path: Path, slices: Iterable[Slice]) -> None:
    """Write *slices* to *path*, a line for each sample, so that no reader finds half a file."""
    text = ",\n".join(map(_written, slices))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    part.replace(path)


def _written(each: Slice) -> str:
    samples = ",\n".join(json.dumps(_brief(sample)) for sample in each.samples)
    return f'{{"facts": {json.dumps(each.facts, indent=1)},\n"samples": [\n{samples}\n]}}'


def _brief(sample: Sample) -> dict[str, Any]:
    """Return what *sample* says, without what is as it is by default."""
    return {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in sample._asdict().items()
        if name not in Sample._field_defaults or value != Sample._field_defaults[name]
    }


def together(slices: Sequence[Slice]) -> list[Sample]:
    """Return all samples; rounds of different slices have different numbers."""
    return [
        sample._replace(round=number * APART + sample.round)
        for number, each in enumerate(slices)
        for sample in each.samples
    ]


def counted(samples: Iterable[Sample]) -> Counter[tuple[str, str]]:
    """Return how many rounds there are of each contender in each scenario, failures too."""
    return Counter((each.scenario, each.contender) for each in samples)


def without(slices: Iterable[Slice], pairs: set[tuple[str, str]]) -> list[Slice]:
    """Return *slices* without what they have of *pairs*, of a scenario and a contender each."""
    kept = (
        each._replace(
            samples=[one for one in each.samples if (one.scenario, one.contender) not in pairs]
        )
        for each in slices
    )
    return [each for each in kept if each.samples]
