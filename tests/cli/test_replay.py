"""`geventws replay`: recorded sessions played again, and what is said of that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import geventws
from geventws.cli import main
from geventws.sessions.files import CLIENT, SERVER, SessionWriter
from geventws.sessions.openings import Opening
from tests.cli.programs import run
from tests.servers import refusing_port
from tests.serving import LOCAL, running


class Shop:
    """A server that gives everyone an id, and wants to hear it again."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.heard: list[Any] = []

    def __call__(self, ws: geventws.WebSocket) -> None:
        self.requests.append(ws.request)
        number = len(self.requests)
        for message in ws:
            self.heard.append(message)
            ws.send(f'{{"id":"n{number}"}}' if message == "login" else "fine")


@pytest.fixture
def shop() -> Iterator[Any]:
    """Have a shop run; its .uri says where."""
    shop: Any = Shop()
    with running(geventws.serve(shop, LOCAL)) as server:
        shop.uri = f"ws://127.0.0.1:{server.address[1]}"
        yield shop


def recorded(path: Path, uri: str, **opening: Any) -> str:
    """Write a session in which somebody logs in and buys, and return where it is."""
    writing = SessionWriter(path.open("x"), Opening(uri=uri, **opening))
    writing.message(CLIENT, "login")
    writing.message(SERVER, '{"id":"n77"}')
    writing.message(CLIENT, "buy for n77")
    writing.message(SERVER, "fine")
    writing.end(CLIENT, 1000, "")
    writing.close()
    return str(path)


def test_users_play_a_session(
    shop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "a.jsonl", f"{shop.uri}/")
    assert main(["replay", path, "--users", "3", "--take", 'id="id":"([^"]+)"']) == 0
    out, err = capsys.readouterr()
    shown = (
        r"sessions  3, of which 0 failed\nmessages  6 sent, 6 received\nanswers   6, in p50 .+\n"
    )
    assert re.fullmatch(shown, out)
    assert err == ""
    assert sorted(shop.heard) == ["buy for n1", "buy for n2", "buy for n3", *["login"] * 3]


def test_users_by_the_clock_wait_for_nobody(
    shop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "a.jsonl", f"{shop.uri}/")
    assert main(["replay", path, path, "--by-the-clock", "--speed", "0.5", "--ramp", "0.01"]) == 0
    assert capsys.readouterr().out.startswith("sessions  2, of which 0 failed\n")
    assert sorted(shop.heard) == ["buy for n77", "buy for n77", "login", "login"]


def test_session_is_played_elsewhere_with_what_is_given(shop: Any, tmp_path: Path) -> None:
    opening: dict[str, Any] = {
        "headers": (("Origin", "http://a:5"), ("Cookie", "{cookie}"), ("X-Old", "1")),
        "redacted": ("cookie", "token"),
    }
    path = recorded(tmp_path / "a.jsonl", "ws://a:5/in?token={token}&user={user}", **opening)
    given = ["--to", shop.uri, "--set", "cookie=b=c", "--set", "token=t", "--header", "x-old: 2"]
    assert main(["replay", path, *given]) == 0
    (request,) = shop.requests
    assert request.target == "/in?token=t&user=0"
    assert request.headers["Cookie"] == "b=c"
    assert request.headers.get_all("X-Old") == ["2"]
    assert request.origin == shop.uri.replace("ws", "http")


def test_websockets_of_a_page_are_played_from_its_har_file(shop: Any, tmp_path: Path) -> None:
    messages = [
        {"type": "send", "time": 1795378557.5, "opcode": 1, "data": "login"},
        {"type": "receive", "time": 1795378557.6, "opcode": 1, "data": "{}"},
        {"type": "send", "time": 1795378557.7, "opcode": 2, "data": "AP8="},
    ]
    entries = [
        {
            "_webSocketMessages": messages[start:],
            "request": {"url": shop.uri.replace("ws", "http"), "headers": []},
            "startedDateTime": "2026-11-22T20:15:57.000Z",
        }
        for start in (0, 2)
    ]
    path = tmp_path / "page.har"
    path.write_text(json.dumps({"log": {"entries": entries}}))
    assert main(["replay", str(path), "--speed", "50"]) == 0
    assert sorted(map(repr, shop.heard)) == ["'login'", r"b'\x00\xff'", r"b'\x00\xff'"]


def test_failures_are_counted_by_kind(
    shop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "a.jsonl", f"{shop.uri}/")
    nobody = f"ws://127.0.0.1:{refusing_port()}"
    assert main(["replay", path, "--users", "3", "--to", nobody]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "sessions  3, of which 3 failed",
        "messages  0 sent, 0 received",
        "failed    3: open: cannot connect: ECONNREFUSED",
    ]


def test_locustfile_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "a.jsonl", "ws://a/", redacted=("token",))
    assert main(["replay", path, "--locustfile", "--set", "x=y"]) == 0
    out = capsys.readouterr().out
    compile(out, "locustfile.py", "exec")
    assert "class Replay(ReplayUser):" in out
    assert "variables = {'x': 'y', 'token': ''}" in out


def test_program_plays_too(shop: Any, tmp_path: Path) -> None:
    done = run("replay", recorded(tmp_path / "a.jsonl", shop.uri))
    assert (done.status, done.err) == (0, b"")
    assert done.out.startswith(b"sessions  1, of which 0 failed\n")


# What cannot be played


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "redacted, so a value is to be set: token"),
        (["--set", "token=x", "--take", "a b=x"], "take: 'a b' is no name"),
        (["--set", "token=x", "--take", "a=("], "take a: missing )"),
        (["--set", "token=x", "--to", "b"], "to: not of the form ws://host:port"),
        (["--set", "token=x", "--header", "x"], "--header: not of the form NAME:VALUE"),
    ],
)
def test_failure_is_told_in_a_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "a.jsonl", "ws://a/", redacted=("token",))
    assert main(["replay", path, *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_file_that_is_no_session_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text("hello\n")
    assert main(["replay", str(tmp_path / "a")]) == 1
    assert capsys.readouterr().err.endswith("a, line 1: not JSON\n")
    assert main(["replay", str(tmp_path / "b")]) == 1
    assert capsys.readouterr().err == f"geventws: {tmp_path}/b: No such file or directory\n"


def test_more_users_than_the_system_has_files_for_are_told(
    shop: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "a.jsonl", f"{shop.uri}/")
    assert main(["replay", path, "--users", "1000000000"]) == 1
    assert "1000000000 connections need 1000000064 open files" in capsys.readouterr().err
    assert shop.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--users", "0"], "--users: not a number from 1 on"),
        (["--speed", "0"], "--speed: not a number greater than 0"),
        (["--timeout", "-1"], "--timeout: not a number greater than 0"),
        (["--set", "x"], "--set: not of the form NAME=..."),
        (["--take", "=x"], "--take: not of the form NAME=..."),
    ],
)
def test_wrong_argument_is_told(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["replay", "a", *arguments])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
