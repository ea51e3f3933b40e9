"""Optional parts, and what is said where one is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from geventws.extras import load


def test_load_returns_the_module() -> None:
    assert load("json", "any") is json
    assert load("json.decoder", "any") is json.decoder


def test_load_says_what_to_install() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        load("no_such_package.inner", "socks")
    assert str(caught.value) == ("no_such_package is not installed: pip install geventws[socks]")
    assert caught.value.name == "no_such_package"


def test_load_says_what_to_install_for_a_module_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "door_of_ours.py").write_text("import no_such_framework.part")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"pip install geventws\[frame\]$") as caught:
        load("door_of_ours", "frame", "no_such_framework")
    assert caught.value.name == "no_such_framework"
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_framework'$"):
        load("door_of_ours", "frame", "another_framework")


def test_load_lets_what_fails_inside_a_module_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_part.py").write_text("import what_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'what_it_needs'$"):
        load("broken_part", "socks")
    sys.modules.pop("broken_part", None)
