from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from setup import COMPILED
from tests.conftest import pytest_report_header, unexpected
from tests.twins import is_stale, source, twin


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return a module with its C types, both written long ago."""
    path = tmp_path / "frame.py"
    for file in (path, path.with_suffix(".pxd")):
        file.touch()
        os.utime(file, (1000, 1000))
    return path


def compiled(path: Path) -> Path:
    """Compile *path*, as far as a file's name and time can tell."""
    beside = path.with_suffix(EXTENSION_SUFFIXES[0])
    beside.touch()
    os.utime(beside, (2000, 2000))
    return path


def test_source_is_the_file_of_a_hot_module() -> None:
    assert [path for path in map(source, COMPILED) if not path.is_file()] == []


def test_twin_is_none_for_an_interpreted_module(module: Path) -> None:
    assert twin(module) is None
    assert not is_stale(module)


def test_twin_is_fresh_after_compiling(module: Path) -> None:
    assert twin(compiled(module)) == module.with_suffix(EXTENSION_SUFFIXES[0])
    assert not is_stale(module)


@pytest.mark.parametrize("ending", [".py", ".pxd"])
def test_twin_is_stale_after_an_edit(module: Path, ending: str) -> None:
    compiled(module).with_suffix(ending).touch()
    assert is_stale(module)


def test_unexpected_accepts_what_was_asked_for(module: Path) -> None:
    assert unexpected("", [module]) == ""
    assert unexpected("interpreted", [module]) == ""
    assert unexpected("compiled", [compiled(module)]) == ""


def test_unexpected_names_the_wrong_twins(module: Path) -> None:
    assert unexpected("compiled", [module]) == "not compiled, as GEVENTWS_EXPECT says: frame"
    wrong = unexpected("interpreted", [compiled(module)])
    assert wrong == "not interpreted, as GEVENTWS_EXPECT says: frame"


def test_unexpected_refuses_another_wish(module: Path) -> None:
    assert "may only be interpreted or compiled" in unexpected("fast", [module])


def test_report_header_names_every_hot_module() -> None:
    assert [name for name in COMPILED if name not in pytest_report_header()] == []
