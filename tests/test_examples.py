"""Every program in examples/ runs, and does what its first line says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest

import geventws

EXAMPLES = Path(__file__).parent.parent / "examples"


@contextmanager
def running(name: str) -> Iterator[int]:
    """Run an example on a free port, and give that port."""
    command = [sys.executable, "-u", str(EXAMPLES / name), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            line = gevent.get_hub().threadpool.apply(program.stdout.readline)
            yield int(line.rpartition(":")[2])
        finally:
            program.kill()


def test_every_example_has_a_test_here() -> None:
    tested = {"chat.py", "echo_server.py", "wsgi.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


def test_chat_passes_on_what_one_says_to_the_others_in_the_room() -> None:
    with running("chat.py") as port:
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
    with running("echo_server.py") as port, geventws.connect(f"ws://127.0.0.1:{port}/") as ws:
        ws.send("hello")
        assert ws.receive(timeout=10) == "hello"


def test_wsgi_tells_the_time_beside_its_page() -> None:
    with running("wsgi.py") as port, geventws.connect(f"ws://127.0.0.1:{port}/clock") as ws:
        assert str(ws.receive(timeout=10)).count(":") == 2
        assert str(ws.receive(timeout=10)).count(":") == 2
