"""The plugin for pytest, in a pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from setup import ROOT

GIVEN: Final = """
import sys

LOADED = "gevent" in sys.modules

import gevent
from gevent.event import Event

from geventws import EchoWebSocket


def application(environ, start_response):
    environ["wsgi.websocket"].send("by the application")
    return []


def test_plugin_alone_imports_no_gevent():
    assert not LOADED


def test_server_and_connection(ws_server, ws_connect):
    ws = ws_connect(ws_server(EchoWebSocket), "/path")
    ws.send("echo")
    assert ws.receive(timeout=10) == "echo"


def test_application(ws_connect):
    assert ws_connect(application).receive(timeout=10) == "by the application"


def test_pair(ws_pair):
    client, server = ws_pair()
    client.send("hello")
    assert server.receive(timeout=10) == "hello"


def test_network(ws_network):
    ws_network.serve(EchoWebSocket)
    ws = ws_network.connect()
    gevent.sleep(3600)
    assert ws.ping(timeout=10) >= 0
    print("drawn", ws_network.random.random())


def test_failing_in_a_network(ws_network):
    assert ws_network.seed < 0


def test_failing(ws_pair):
    assert not ws_pair


def test_leaking(ws_no_leaks):
    gevent.spawn(Event().wait)
"""


def run(place: Path, *arguments: str, ini: str = "", given: str = GIVEN) -> str:
    """Return what pytest says of the tests that are given."""
    (place / "test_given.py").write_text(given)
    (place / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "geventws.pytest_plugin"]
    command += ["-p", "no:cacheprovider", *arguments]
    environ = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=place, env=environ, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def outcomes(said: str) -> dict[str, str]:
    """Return what became of each test; the last word on it."""
    return {
        name: outcome
        for outcome, name in re.findall(r"^(PASSED|FAILED|ERROR) test_given\.py::(\w+)", said, re.M)
    }


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what pytest says of all of them."""
    return run(tmp_path_factory.mktemp("given"))


def test_fixtures_give_what_their_tests_need(said: str) -> None:
    expected = {
        "test_plugin_alone_imports_no_gevent": "PASSED",
        "test_server_and_connection": "PASSED",
        "test_application": "PASSED",
        "test_pair": "PASSED",
        "test_network": "PASSED",
        "test_failing_in_a_network": "FAILED",
        "test_failing": "FAILED",
        "test_leaking": "ERROR",
    }
    assert outcomes(said) == expected, said


def test_leak_is_named(said: str) -> None:
    assert re.search(r"left behind:\n(E +)?the greenlet <Greenlet at .*wait", said), said


def test_seed_is_told_where_a_test_fails_and_nowhere_else(said: str) -> None:
    assert len(re.findall(r"the network's seed: --geventws-seed=\d+", said)) == 1, said


def test_seed_that_is_given_brings_the_same_again(tmp_path: Path) -> None:
    arguments = ("--geventws-seed=5", "-k", "network", "--capture=no")
    first, second = (run(tmp_path, *arguments) for _ in range(2))
    drawn = re.findall(r"drawn (\S+)", first)
    assert len(drawn) == 1
    assert drawn == re.findall(r"drawn (\S+)", second)
    assert "--geventws-seed=5" in first


def test_fixtures_serve_as_the_documentation_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    said = run(tmp_path, given="\n".join(blocks))
    expected = dict.fromkeys(("test_shouting", "test_room", "test_silence"), "PASSED")
    assert outcomes(said) == expected, said


def test_leaks_may_be_let_pass(tmp_path: Path) -> None:
    said = run(tmp_path, "-k", "leaking", ini="geventws_leaks = false")
    assert outcomes(said) == {"test_leaking": "PASSED"}, said
