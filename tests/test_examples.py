"""Every program in examples/ runs, and does what its first line says; here are the first ones."""

from __future__ import annotations

import pytest

import geventws
from tests.examples.programs import EXAMPLES, serving

HERE = {"chat.py", "echo_server.py", "wsgi.py"}
ELSEWHERE = {"cherrypy_chat.py", "mocked_data_source.py", "two_thousand_clients.py"}
FOLDERS = {"echo", "sensors"}


def test_every_example_has_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == HERE | ELSEWHERE
    assert {path.parent.name for path in EXAMPLES.glob("*/*.py")} == FOLDERS


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    programs = [path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*.py")]
    helpers = {"sensors/pages.py", "sensors/relay.py", "sensors/__main__.py"}
    missing = [str(path) for path in programs if f"`{path}" not in listed]
    assert set(missing) == helpers


def test_chat_passes_on_what_one_says_to_the_others_in_the_room() -> None:
    with serving("chat.py") as port:
        ann, bob, eve = (
            geventws.connect(f"ws://127.0.0.1:{port}/{room}") for room in ("tea", "tea", "den")
        )
        for ws, name in ((ann, "Ann"), (eve, "Eve"), (bob, "Bob")):
            assert ws.receive(timeout=10) == "who are you?"
            ws.send(name)
            assert ws.ping(timeout=10) > 0
        assert ann.receive(timeout=10) == "Bob has come in"
        bob.send("milk?")
        assert ann.receive(timeout=10) == "Bob: milk?"
        bob.close()
        assert ann.receive(timeout=10) == "Bob has left"
        with pytest.raises(TimeoutError):
            eve.receive(timeout=0)
        ann.close()
        eve.close()


def test_echo_server_sends_every_message_back() -> None:
    with serving("echo_server.py") as port, geventws.connect(f"ws://127.0.0.1:{port}/") as ws:
        ws.send("hello")
        assert ws.receive(timeout=10) == "hello"


def test_wsgi_tells_the_time_beside_its_page() -> None:
    with serving("wsgi.py") as port, geventws.connect(f"ws://127.0.0.1:{port}/clock") as ws:
        assert str(ws.receive(timeout=10)).count(":") == 2
        assert str(ws.receive(timeout=10)).count(":") == 2
