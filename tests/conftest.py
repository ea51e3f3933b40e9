"""What every test run has: it knows which twins it tests, and stops where they are not those meant.

GEVENTWS_EXPECT=interpreted|compiled    stop unless every hot module is that
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from setup import COMPILED, ROOT
from tests.leaks import census, settle


def source(module: str) -> Path:
    """Return the .py of a hot module of this checkout."""
    return ROOT / (module.replace(".", "/") + ".py")


def twin(path: Path) -> Path | None:
    """Return what is compiled from *path*, where it lies beside it and so is imported instead."""
    beside = (path.with_suffix(ending) for ending in EXTENSION_SUFFIXES)
    return next((file for file in beside if file.exists()), None)


def is_stale(path: Path) -> bool:
    """Return whether *path* or its C types were edited after it was compiled."""
    compiled = twin(path)
    if compiled is None:
        return False
    edited = [file.stat().st_mtime for file in (path, path.with_suffix(".pxd")) if file.exists()]
    return max(edited) > compiled.stat().st_mtime


def unexpected(wish: str, paths: Iterable[Path]) -> str:
    """Return what is wrong with *paths* for one who wishes them "interpreted" or "compiled"."""
    if wish not in ("", "interpreted", "compiled"):
        return f"GEVENTWS_EXPECT is {wish!r}, but may only be interpreted or compiled"
    if not wish:
        return ""
    wrong = [path.stem for path in paths if (twin(path) is not None) != (wish == "compiled")]
    return f"not {wish}, as GEVENTWS_EXPECT says: {' '.join(wrong)}" if wrong else ""


def pytest_sessionstart() -> None:
    """Stop where the run would test something else than the sources, or than was asked for."""
    paths = [source(module) for module in COMPILED]
    stale = [path.name for path in paths if is_stale(path)]
    if stale:
        stop = (
            f"edited since they were compiled: {' '.join(stale)}; run 'make build' or 'make clean'"
        )
        pytest.exit(stop, returncode=2)
    if problem := unexpected(os.environ.get("GEVENTWS_EXPECT", ""), paths):
        pytest.exit(problem, returncode=2)


def pytest_report_header() -> str:
    """Say of each hot module which twin this run tests."""
    kinds: dict[str, list[str]] = {"interpreted": [], "compiled": []}
    for module in COMPILED:
        kinds["interpreted" if twin(source(module)) is None else "compiled"].append(module)
    return "\n".join(f"{kind}: {' '.join(names)}" for kind, names in kinds.items() if names)


@pytest.fixture
def leaks_nothing() -> Iterator[None]:
    """Fail a test that leaves greenlets, file descriptors or active watchers behind."""
    before = census()
    yield
    settle(before)
