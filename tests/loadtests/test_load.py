"""`make load`: a master and two workers in processes of their own, against a server that counts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gevent
import pytest

import geventws
from loadtests.load import (
    HELPERS,
    LOCUSTFILES,
    OVERHEAD,
    Counts,
    Run,
    Server,
    arguments_of,
    counts_of,
    locust,
    main,
    running,
    table,
)
from tests.rawpeer import PATIENCE


def row(method: str, name: str, requests: int, failures: int = 0) -> dict[str, Any]:
    """Return one row of Locust's statistics."""
    return {"method": method, "name": name, "num_requests": requests, "num_failures": failures}


@pytest.mark.timeout(240)
def test_two_workers_and_the_server_count_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "deep" / "report.html"
    words = ["--users", "24", "--seconds", "3", "--report", str(report), "--echo-size", "5"]
    assert main(["all", *words, "--chat-rooms", "1", "--chat-rate", "2"]) == 0
    rows = {row["name"]: row for row in json.loads(report.with_suffix(".json").read_text())}
    assert {"connect", "echo", "hello", "join", "say", "fan-out", "/", "close"} <= set(rows)
    assert rows["echo"]["total_content_length"] == 5 * rows["echo"]["num_requests"]
    assert rows["connect"]["num_requests"] == rows["close"]["num_requests"]
    connections, messages = (line.split()[1:] for line in tables(capsys.readouterr().out))
    assert connections[0] == connections[1]
    assert messages[0] == messages[1] != "0"
    assert "<title>Locust" in report.read_text()


def tables(said: str) -> list[str]:
    """Return the lines that have counts."""
    return [line for line in said.splitlines() if line.startswith(Counts._fields)]


def said_to(server: Server) -> geventws.WebSocket:
    """Return a connection on which one message has been echoed."""
    ws = geventws.connect(f"{server.url}/echo".replace("http", "ws"))
    ws.send("hello")
    assert ws.receive(timeout=PATIENCE) == "hello"
    return ws


def test_server_counts_on_after_a_restart() -> None:
    server = Server()
    server.start()
    restarting = None
    try:
        for _ in range(2):
            ws = said_to(server)
            restarting = gevent.spawn(server.restart_every, 0)
            with pytest.raises(geventws.ConnectionClosed, match="1001"):
                ws.receive(timeout=PATIENCE)
            restarting.kill()
            server.stop()
            server.start()
    finally:
        gevent.killall([restarting] if restarting is not None else [])
        server.stop()
    assert server.counts == Counts(2, 2)


def test_counts_are_those_of_openings_and_messages() -> None:
    rows = [
        row("WS", "connect", 5, 2),
        row("WS", "connect tcp", 5),
        row("WS", "reconnect", 1),
        row("WSX", "ask", 7, 1),
        row("WSS", "say", 2),
        row("WSR", "said", 100),
    ]
    assert counts_of(rows) == Counts(4, 9)


def test_counts_are_shown_side_by_side() -> None:
    assert table(Counts(2, 1000), Counts(2, 999)).splitlines()[1:] == [
        "connections                2           2",
        "messages               1,000         999",
    ]


def test_command_line_names_every_locustfile_with_users() -> None:
    for path in LOCUSTFILES.glob("*.py"):
        if path.stem not in HELPERS:
            assert arguments_of([path.stem])[0].locustfile == path.stem
    with pytest.raises(SystemExit):
        arguments_of(["shapes"])
    assert arguments_of(["all"])[0].seconds < 60


def test_what_is_not_known_goes_to_locust() -> None:
    known, others = arguments_of(["chat", "--chat-rooms", "3", "--users", "7"])
    assert (known.locustfile, known.users, others) == ("chat", 7, ["--chat-rooms", "3"])
    run = Run(Path("x.py"), 7, 1, 2, Path("r.html"), others)
    assert run.master("http://h", 1)[-2:] == ["--chat-rooms", "3"]


def test_run_that_does_not_end_is_ended(tmp_path: Path) -> None:
    run = Run(LOCUSTFILES / "echo.py", 1, -OVERHEAD, 0, tmp_path / "report.html")
    with pytest.raises(TimeoutError, match=f"locust still runs {OVERHEAD} s after its end"):
        locust(run, "http://127.0.0.1:1")


def test_program_that_does_not_end_is_killed() -> None:
    with running([sys.executable, "-c", "input()"]) as process:
        assert process.poll() is None
    assert process.returncode == -9
