"""Which twin is in use, held to the files that lie beside the sources."""

from __future__ import annotations

import subprocess
import sys

import pytest

import geventws
from geventws.twins import all_compiled, compiled, hot_modules, is_compiled
from setup import COMPILED
from tests.twins import source, twin

EXTENSION = "greenlet._greenlet"  # never without its C


def test_hot_modules_are_those_that_setup_compiles() -> None:
    assert hot_modules() == sorted(COMPILED)


@pytest.mark.parametrize("module", COMPILED)
def test_hot_module_is_compiled_where_its_twin_lies_beside_it(module: str) -> None:
    assert is_compiled(module) == (twin(source(module)) is not None)


def test_package_is_compiled_where_every_hot_module_is() -> None:
    assert compiled is all(twin(source(module)) for module in COMPILED)
    assert geventws.compiled is compiled


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ([EXTENSION], True),
        ([EXTENSION, "geventws.version"], False),
        (["geventws.version"], False),
        (["geventws.no_such_module"], False),
        (["sys"], False),
        ([], False),
    ],
)
def test_one_that_is_not_compiled_counts_for_all(modules: list[str], expected: bool) -> None:
    assert all_compiled(modules) is expected


def test_asking_imports_none_of_the_hot_modules() -> None:
    program = "import geventws, sys; geventws.compiled; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "geventws.twins" in imported
    assert not imported & {"gevent", *COMPILED}
