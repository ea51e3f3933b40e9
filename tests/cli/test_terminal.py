"""Consoles: lines out of pipes, messages that do nothing to a terminal, and a real one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from geventws.cli.terminal import CHUNK, Pipe, console, printable
from tests.cli.programs import CTRL_D, LEFT, UP, person
from tests.servers import accept, echo, serving

Given = Callable[[bytes], None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Given:
    """Return what makes its argument the standard input."""

    def give(data: bytes) -> None:
        path = tmp_path / "input"
        path.write_bytes(data)
        monkeypatch.setattr(sys, "stdin", path.open())

    return give


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one", [b"one"]),
        (b"one\n", [b"one"]),
        (b"one\ntwo\r\n\nthree\r", [b"one", b"two", b"", b"three\r"]),
        (b"\n\n", [b"", b""]),
        (b"\xff\0\n", [b"\xff\0"]),
        (b"x" * 3 * CHUNK + b"\ny", [b"x" * 3 * CHUNK, b"y"]),
    ],
)
def test_pipe_yields_lines(given: Given, data: bytes, lines: list[bytes]) -> None:
    given(data)
    assert list(Pipe().lines()) == lines
    sys.stdin.close()


def test_pipe_holds_nobody_else_up(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = os.pipe()
    with os.fdopen(near) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        reading = gevent.spawn(lambda: list(Pipe().lines()))
        gevent.idle()
        os.write(far, b"first\nsec")
        gevent.idle()
        assert not reading.ready()
        os.write(far, b"ond")
        os.close(far)
        assert reading.get(timeout=5) == [b"first", b"second"]


def test_pipe_shows_messages_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    pipe = console()
    assert isinstance(pipe, Pipe)
    for message in ("Gr\xfc\xdfe", "", b"\0\xff", "\x1b[2J"):
        pipe.show(message)
    pipe.note("connected")
    pipe.close()
    assert capfdbinary.readouterr().out == b"Gr\xc3\xbc\xc3\x9fe\n\n\0\xff\x1b[2J\n"


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_console_says_what_is_closed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sys, name, None)
    with pytest.raises(ValueError, match="standard input or output is closed"):
        console()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain \u20ac \U0001f600 \xe9", "plain \u20ac \U0001f600 \xe9"),
        ("\x1b[2J\r\n\t\x07\x7f", r"\x1b[2J\r\n\t\x07\x7f"),
        ("\x9b\u202e\u2028\ud800\U000e0001", r"\x9b\u202e\u2028\ud800\U000e0001"),
    ],
)
def test_what_could_do_something_to_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_person_types_and_sees_answers_above() -> None:
    with serving(echo) as server:
        uri = f"ws://127.0.0.1:{server.port}/"
        with person("connect", uri.replace("//", "//ann:secret@")) as someone:
            someone.see(f"connected to {uri}; Ctrl-D closes".encode())
            someone.see(b"> ")
            someone.type(b"hello\r")
            someone.see(b"< hello")
            someone.type(b"Gr\xc3\xbc\xc3\x9fe\r")
            someone.see("< Gr\xfc\xdfe".encode())
            someone.type(CTRL_D)
            someone.see(b"connection closed: 1000")
            assert someone.leave() == 0
        assert someone.seen.endswith(b"\r\x1b[Kgeventws: connection closed: 1000\r\n")


def test_person_has_a_history_and_can_edit() -> None:
    with serving(echo) as server, person("connect", f"ws://127.0.0.1:{server.port}/") as someone:
        someone.see(b"> ")
        someone.type(b"first\r")
        someone.see(b"< first")
        someone.type(UP + LEFT + b"s\r")
        someone.see(b"< firsst")
        someone.type(b"not sent" + CTRL_D)  # where something is typed it is no end
        someone.type(b"\x15" + CTRL_D)
        assert someone.leave() == 0


def test_person_is_shown_what_a_terminal_can_show() -> None:
    def greet(sock: object) -> None:
        text = b"two\nlines\x1b[2J"
        frames = bytes([0x81, len(text)]) + text + b"\x82\x04\0\1\xff!"
        accept(sock, then=frames + b"\x82\x7e\x10\x00" + b"x" * 4096).answer_close()

    with serving(greet) as server, person("connect", f"ws://127.0.0.1:{server.port}/") as someone:
        someone.see(b" ... 4096 bytes")
        someone.type(CTRL_D)
        status = someone.leave()
    shown = someone.seen
    assert status == 0, shown
    assert b"< two" in shown
    assert b"  lines\\x1b[2J" in shown
    assert rb"< b'\x00\x01\xff!'" in shown
    assert b"\x1b[2J" not in shown
