"""A package under the name of another."""

from __future__ import annotations

import subprocess
import sys

from setup import ROOT

PROGRAM = """
import sys, types
from geventws.aliases import Finder, alias

alias("old_name", "json")
alias("old_name", "json")
alias("other_name", "importlib")
found = [each.old for each in sys.meta_path if isinstance(each, Finder)]
assert found == ["other_name", "old_name"]

import json.decoder
import old_name.decoder
from other_name.machinery import ModuleSpec

assert old_name is json
assert old_name.decoder is json.decoder
assert (json.__spec__.name, json.decoder.__spec__.name) == ("json", "json.decoder")
try:
    import old_name.nothing
except ModuleNotFoundError as error:
    print(error)
sys.modules["too_late"] = types.ModuleType("too_late")
try:
    alias("too_late", "json")
except RuntimeError as error:
    print(error)
assert "gevent" not in sys.modules
"""


def test_package_is_found_under_the_other_name() -> None:
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout == "No module named 'json.nothing'\ntoo_late is imported already\n"
