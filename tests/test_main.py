"""`geventws` and `python -m geventws`: which command runs, and what is said when it cannot."""

from __future__ import annotations

import ssl
import sys

import pytest

from geventws.cli import explain, main
from geventws.core.errors import ConnectionClosed, InvalidURI, Rejected
from geventws.version import __version__
from tests.cli.programs import run


def test_module_is_the_program() -> None:
    done = run("--version")
    assert (done.status, done.out, done.err) == (0, f"geventws {__version__}\n".encode(), b"")


def test_module_returns_the_status() -> None:
    done = run("connect", "http://a")
    assert (done.status, done.out) == (1, b"")
    assert done.err.startswith(b"geventws: url: a scheme other than ws")


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["--no-such-option"]])
def test_program_wants_a_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: geventws")


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "connect" in said
    assert "serve" in said


def test_arguments_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["geventws", "connect", "http://a"])
    assert main() == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (OSError("no number"), "no number"),
        (TimeoutError("the TCP handshake took longer"), "the TCP handshake took longer"),
        (TimeoutError(), "TimeoutError"),
        (ssl.SSLError(1, "bad certificate"), "bad certificate"),
        (InvalidURI("url: bad"), "url: bad"),
        (ConnectionClosed(1000, "bye\x1b[2J\n", True), "connection closed: 1000 bye\\x1b[2J"),
        (Rejected(404, (), b""), "the server answered 404 Not Found"),
        (Rejected(403, (), b"  go away\r\nnow\r\n"), "the server answered 403 Forbidden: go away"),
        (Rejected(599, (), b"\xff"), "the server answered 599: \ufffd"),
        (Rejected(502, (), b"<html>"), "the server answered 502 Bad Gateway"),
        (
            Rejected(500, (), b"x" * 999),
            f"the server answered 500 Internal Server Error: {'x' * 200}",
        ),
    ],
)
def test_errors_are_explained_in_a_line(error: Exception, said: str) -> None:
    assert explain(error) == said
