"""`geventws serve`: what it serves, where, and how it ends."""

from __future__ import annotations

import os
import signal
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

import geventws
from geventws.cli import main
from geventws.cli.serve import load
from geventws.core.errors import ConnectionClosed
from geventws.websocket import EchoWebSocket
from tests.cli.programs import ended, run, server
from tests.servers import authority, read_head, serving, silent, trusting

APP = """
def shout(ws):
    for message in ws:
        ws.send(message.upper())

def tell(ws):
    import os
    ws.send(str(os.getpid()))
    ws.receive()

def stay(ws):
    for message in ws:
        pass
    import gevent
    gevent.sleep(60)

number = 5
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory with an application, where we are too."""
    (tmp_path / "the_app.py").write_text(APP)
    (tmp_path / "broken_app.py").write_text("import os\n1 / 0\n")
    (tmp_path / "needy_app.py").write_text("import no_such_module\n")
    (tmp_path / "unfinished_app.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("the_app", "broken_app", "needy_app", "unfinished_app"):
        sys.modules.pop(name, None)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Return a certificate and its key."""
    issue(tmp_path)
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


def issue(directory: Path, by: str = "ours") -> None:
    """Write a certificate and its key into *directory*."""
    certificate = authority(by).issue_cert("localhost")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(directory / "cert.pem", append=number > 0)


def said_by(uri: str, message: str = "hello", **arguments: Any) -> str | bytes:
    """Return what a server answers."""
    with geventws.connect(uri, **arguments) as ws:
        ws.send(message)
        answer: str | bytes = ws.receive(timeout=5)
    return answer


@pytest.mark.parametrize("arguments", [[], ["--echo"]])
def test_server_echoes(arguments: list[str]) -> None:
    with server(*arguments) as program:
        assert program.uri.startswith("ws://127.0.0.1:")
        assert said_by(program.uri) == "hello"


def test_server_serves_an_application_of_the_working_directory(app: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(geventws.__file__).parent.parent)}
    with server("--app", "the_app:shout", cwd=app, env=environ) as program:
        assert said_by(program.uri) == "HELLO"


def test_server_serves_the_chat() -> None:
    with server("--chat") as program:
        assert said_by(f"{program.uri}echo") == "hello"
        port = int(program.uri.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert browser.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_server_has_tls(files: tuple[str, str]) -> None:
    with server("--certfile", files[0], "--keyfile", files[1]) as program:
        assert program.uri.startswith("wss://127.0.0.1:")
        uri = program.uri.replace("127.0.0.1", "localhost")
        assert said_by(uri, ssl=trusting()) == "hello"
        with pytest.raises(ssl.SSLCertVerificationError):
            geventws.connect(program.uri, ssl=trusting())


def test_server_listens_where_it_is_told() -> None:
    with server("--host", "::1") as program:
        assert program.uri.startswith("ws://[::1]:")
        assert said_by(program.uri) == "hello"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_drains_when_told_to_stop(number: signal.Signals) -> None:
    with server() as program:
        connections = [geventws.connect(program.uri) for _ in range(5)]
        for ws in connections:
            ws.send("in flight")
            assert ws.receive(timeout=5) == "in flight"
        program.send_signal(number)
        for ws in connections:
            with pytest.raises(ConnectionClosed) as caught:
                ws.receive(timeout=5)
            assert (caught.value.code, caught.value.clean) == (1001, True)
        done = ended(program)
    assert (done.status, done.err) == (0, b"")


def test_server_ends_at_once_when_told_twice(app: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(geventws.__file__).parent.parent)}
    with server("--app", "the_app:stay", cwd=app, env=environ) as program:
        ws = geventws.connect(program.uri)
        program.terminate()
        with pytest.raises(ConnectionClosed):
            ws.receive(timeout=5)
        program.terminate()
        with gevent.Timeout(5):
            done = ended(program)
    assert (done.status, done.err) == (1, b"")


# Several processes


def test_workers_serve_and_drain_together(app: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(geventws.__file__).parent.parent)}
    with server("--app", "the_app:tell", "--workers", "2", cwd=app, env=environ) as program:
        workers: dict[str | bytes, geventws.WebSocket] = {}
        while len(workers) < 2:
            ws = geventws.connect(program.uri)
            workers[ws.receive(timeout=5)] = ws
        program.terminate()
        for ws in workers.values():
            with pytest.raises(ConnectionClosed) as caught:
                ws.receive(timeout=5)
            assert (caught.value.code, caught.value.clean) == (1001, True)
        done = ended(program)
    assert (done.status, done.err) == (0, b"")


def test_workers_take_a_new_certificate_at_a_restart(files: tuple[str, str]) -> None:
    def connect() -> geventws.WebSocket:
        return geventws.connect(program.uri.replace("127.0.0.1", "localhost"), ssl=context)

    def connect_again_and_again() -> None:
        while True:
            connect().drop()

    context = trusting()
    with server("--certfile", files[0], "--keyfile", files[1], "--workers", "1") as program:
        ws = connect()
        issue(Path(files[0]).parent, by="theirs")
        program.send_signal(signal.SIGHUP)
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=5)
        assert caught.value.code == 1012
        with pytest.raises(ssl.SSLCertVerificationError):
            connect_again_and_again()


def test_servers_share_a_port_when_told() -> None:
    with server("--reuse-port") as first:
        port = first.uri.rstrip("/").rpartition(":")[2]
        arguments = ("--reuse-port", "--port", port, "--workers", "2")
        with server(*arguments) as second:
            assert second.uri == first.uri
            assert said_by(first.uri) == "hello"


def test_server_ends_when_its_drain_timeout_is_up(app: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(geventws.__file__).parent.parent)}
    arguments = ("--app", "the_app:stay", "--drain-timeout", "0.1")
    with server(*arguments, cwd=app, env=environ) as program:
        geventws.connect(program.uri)
        program.terminate()
        assert ended(program).status == 0


# What is no server


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--app", "the_app"], "--app: not of the form MODULE:NAME"),
        (["--app", ":a"], "--app: not of the form MODULE:NAME"),
        (["--app", "no_such_app:a"], "--app: ModuleNotFoundError: No module named 'no_such_app'"),
        (["--app", "the_app:nobody"], "--app: module 'the_app' has no attribute 'nobody'"),
        (["--app", "the_app:number"], "--app: the_app:number cannot be called"),
        (["--app", "broken_app:a"], "--app: ZeroDivisionError: division by zero ("),
        (
            ["--app", "needy_app:a"],
            "--app: ModuleNotFoundError: No module named 'no_such_module' (",
        ),
        (["--app", "unfinished_app:a"], "--app: SyntaxError: "),
        (["--certfile", "/no/such/file"], "--certfile, --keyfile: No such file or directory"),
        (["--certfile", __file__], "--certfile, --keyfile: [SSL] PEM lib"),
        (["--keyfile", __file__], "--keyfile goes with --certfile"),
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


# gevent leaves a socket that cannot be bound to the collector
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("127.0.0.1", "Address already in use"),
        ("192.0.2.1", "Cannot assign requested address"),
        ("no-such-host.invalid", "Name or service not known"),
    ],
)
def test_address_that_cannot_be_listened_on_is_told(
    host: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(silent) as taken:
        assert main(["serve", "--host", host, "--port", str(taken.port)]) == 1
    assert capsys.readouterr().err.startswith(f"geventws: {said}")


@pytest.mark.parametrize("port", ["-1", "65536", "http", "\u0661"])
def test_port_is_a_number(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", f"--port={port}"])
    assert caught.value.code == 2
    assert "argument --port: not from 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        *[(f"--workers={each}", "not a number of processes") for each in ("0", "-1", "two")],
        *[(f"--drain-timeout={each}", "not a number of seconds") for each in ("-1", "inf", "x")],
    ],
)
def test_number_that_makes_no_sense_is_refused(
    argument: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", argument])
    assert caught.value.code == 2
    assert f"argument {argument.partition('=')[0]}: {said}" in capsys.readouterr().err


@pytest.mark.usefixtures("app")
def test_failure_of_a_worker_is_told_in_a_line() -> None:
    done = run("serve", "--port", "0", "--workers", "2", "--app", "the_app:nobody")
    said = b"geventws: --app: module 'the_app' has no attribute 'nobody'\n"
    assert (done.status, done.out, done.err) == (1, b"", said)


def test_only_one_thing_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--chat", "--echo"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_help_tells_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    said = capsys.readouterr().out
    assert "exit status:\n  0    it served until it was told to stop" in said


def test_load_finds_callables() -> None:
    assert load("geventws.websocket:EchoWebSocket") is EchoWebSocket
    assert load("tests.servers:read_head") is read_head


def test_serve_shows_its_dashboard_at_the_address_it_prints() -> None:
    with server("--dashboard", "--chat") as process:
        said = process.stdout.readline().decode().split()
        assert said[:2] == ["dashboard", "on"]
        address, _, token = said[2].rpartition("/dashboard/?token=")
        host, port = address.removeprefix("http://").split(":")
        for path, status in {
            "/dashboard/numbers": b"401",
            f"/dashboard/?token={token}": b"303",
            "/chat.css": b"200",
        }.items():
            with socket.create_connection((host, int(port))) as visitor:
                visitor.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                assert visitor.recv(1024).split()[1] == status


@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_has_no_dashboard_of_workers(workers: str) -> None:
    done = run("serve", "--dashboard", "--workers", workers)
    assert done.status == 1
    assert b"--dashboard: it shows its own process, and --workers serve in others" in done.err
