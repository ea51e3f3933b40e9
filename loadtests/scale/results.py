"""What was found, kept as JSON: each subcommand adds its own part to what the file has."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import geventws
from geventws.version import __version__
from loadtests.bench.results import processor
from loadtests.scale.costs import Kept, Spent
from loadtests.scale.measure import Sample
from setup import ROOT

RESULTS: Final = ROOT / "build" / "scale" / "results.json"
NAMED: Final = ("gevent", "redis", "hiredis", "python-socketio", "python-engineio")


def facts() -> dict[str, Any]:
    """Return on what, and of what, it is measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "geventws": __version__,
        "compiled": geventws.compiled,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in NAMED},
    }


def read(path: Path) -> dict[str, Any]:
    """Return what *path* has; nothing where there is no such file."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def save(path: Path, **parts: Any) -> None:
    """Put *parts* into what *path* has, so that no reader finds half a file."""
    known = read(path) | parts
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def samples(known: dict[str, Any]) -> list[Sample]:
    """Return the samples that are *known*."""
    return [Sample(**each) for each in known.get("samples", [])]


def spent(known: dict[str, Any]) -> list[Spent]:
    """Return what is *known* of what publications take of Redis."""
    return [Spent(**each) for each in known.get("spent", [])]


def kept(known: dict[str, Any]) -> Kept:
    """Return what is *known* of what Redis keeps."""
    return Kept(**known["kept"])
