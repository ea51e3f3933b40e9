"""`geventws serve --broker`: rooms of several processes, and what has none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import geventws
from geventws.adapters.redis import RedisBroker
from geventws.cli import main
from tests.cli.programs import ended, server
from tests.redises import RedisServer, redis_server

PATIENCE = 20.0
APP = """
import os
import geventws

def meet(ws, manager):
    manager.join_room(ws, "here", info=os.getpid())
    ws.send(str(os.getpid()))
    for message in ws:
        manager.broadcast(message, room="here", exclude=ws)

def shout(ws, manager):
    ws.send(str(len(manager)))
    for message in ws:
        manager.broadcast(message)

class Echo(geventws.WebSocket):
    pass
"""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return how to start a program where an application is; we are there too."""
    (tmp_path / "meeting_app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    package = str(Path(geventws.__file__).parent.parent)
    yield {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": package}}
    sys.modules.pop("meeting_app", None)


def test_workers_share_the_rooms_of_a_manager(redis: RedisServer, app: dict[str, Any]) -> None:
    arguments = ("--app", "meeting_app:meet", "--broker", redis.url, "--workers", "2")
    workers: dict[str | bytes, geventws.WebSocket] = {}
    with server(*arguments, **app) as program:
        while len(workers) < 2:
            ws = geventws.connect(program.uri)
            pid = ws.receive(timeout=PATIENCE)
            if pid in workers:
                ws.close()
            workers.setdefault(pid, ws)
        ann, bob = workers.values()
        ann.send("hello")
        assert bob.receive(timeout=PATIENCE) == "hello"
        watching = RedisBroker(redis.url)
        try:
            assert sorted(watching.presence("here").values()) == sorted(map(int, workers))
            program.terminate()
            assert ended(program) == (0, b"", b"")
            assert watching.presence("here") == {}
        finally:
            watching.close()


def test_one_process_has_rooms_in_memory(app: dict[str, Any]) -> None:
    with (
        server("--app", "meeting_app:shout", "--broker", "memory:", **app) as program,
        geventws.connect(program.uri) as ann,
        geventws.connect(program.uri) as bob,
    ):
        assert {ann.receive(timeout=PATIENCE), bob.receive(timeout=PATIENCE)} == {"1", "2"}
        ann.send("hello")
        assert bob.receive(timeout=PATIENCE) == ann.receive(timeout=PATIENCE) == "hello"


def test_chat_of_two_programs_is_one(redis: RedisServer) -> None:
    arguments = ("--chat", "--broker", redis.url)
    with server(*arguments) as first, server(*arguments) as second:
        with geventws.connect(f"{first.uri}chat") as ann:
            ann.send('{"type": "join", "room": "lobby", "name": "Ann", "key": "1"}')
            assert '"name":"Ann"' in str(ann.receive(timeout=PATIENCE))
            with geventws.connect(f"{second.uri}chat") as bob:
                bob.send('{"type": "join", "room": "lobby", "name": "Ann", "key": "2"}')
                assert '"name":"Ann 2"' in str(bob.receive(timeout=PATIENCE))
        with geventws.connect(f"{second.uri}echo") as ws:
            ws.send("echo")
            assert ws.receive(timeout=PATIENCE) == "echo"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--broker", "memory:"], "--broker goes with --chat or --app: an echo has no rooms"),
        (["--chat", "--workers", "2"], "--chat: who is on one of several workers needs a --broker"),
        (
            ["--chat", "--workers", "2", "--broker", "memory:"],
            "--broker: memory: is one process's own, and there are several workers",
        ),
        (["--chat", "--broker", "nats://a"], "--broker: neither memory: nor a URL of redis, "),
        (
            ["--app", "meeting_app:Echo", "--broker", "memory:"],
            "--broker: a WebSocket class takes no Manager; give --app a function",
        ),
    ],
)
@pytest.mark.usefixtures("app")
def test_failure_is_told_in_a_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"geventws: {said}")
