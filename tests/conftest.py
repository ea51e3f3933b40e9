"""What every test run has: it knows which twins it tests, and stops where they are not those meant.

GEVENTWS_EXPECT=interpreted|compiled    stop unless every hot module is that
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from setup import COMPILED
from tests.leaks import census, settle
from tests.twins import is_stale, source, twin

# A run says something about a change only when its examples are those of the run before; to look
# for new ones: --hypothesis-profile=default.
settings.register_profile(
    "same",
    derandomize=True,
    deadline=None,  # of a busy machine they would say nothing
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same")


def unexpected(wish: str, paths: Iterable[Path]) -> str:
    """Return what is wrong with *paths* for one who wishes them "interpreted" or "compiled"."""
    if wish not in ("", "interpreted", "compiled"):
        return f"GEVENTWS_EXPECT is {wish!r}, but may only be interpreted or compiled"
    if not wish:
        return ""
    wrong = [path.stem for path in paths if (twin(path) is not None) != (wish == "compiled")]
    return f"not {wish}, as GEVENTWS_EXPECT says: {' '.join(wrong)}" if wrong else ""


for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[variable]  # connect() would go by it


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
