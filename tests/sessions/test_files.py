"""Session files: what is written, what is read, and what every line has to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geventws.sessions.files import CLIENT, SERVER, Event, SessionWriter, read_session
from geventws.sessions.openings import Opening

HEADER = '{"format": "geventws session", "version": 1, "uri": "ws://a/"}'
OPENING = Opening(
    uri="ws://example.org/chat?room=1",
    offered=("chat", "talk"),
    subprotocol="talk",
    headers=(("Origin", "http://example.org"), ("X-Two", "1"), ("X-Two", "2")),
    redacted=("token",),
)


def written(path: Path, *lines: str) -> Path:
    """Return *path*, where a session file with these *lines* is now."""
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def writer(path: Path, opening: Opening = OPENING) -> SessionWriter:
    """Return what writes a session to *path*."""
    return SessionWriter(path.open("x", encoding="utf-8"), opening)


def test_session_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writing = writer(path)
    writing.message(CLIENT, "two\nlines, \u2028 and caf\u00e9")
    writing.message(SERVER, b"\x00\xff")
    writing.message(SERVER, "")
    writing.end(SERVER, 4001, "enough")
    writing.close()
    session = read_session(path)
    assert (session.name, session.opening) == (str(path), OPENING)
    assert [(each.sender, each.message, each.code, each.reason) for each in session.events] == [
        (CLIENT, "two\nlines, \u2028 and caf\u00e9", None, ""),
        (SERVER, b"\x00\xff", None, ""),
        (SERVER, "", None, ""),
        (SERVER, None, 4001, "enough"),
    ]
    times = [each.at for each in session.events]
    assert times == sorted(times)
    assert times[0] >= 0


def test_lines_are_whole_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writing = writer(path)
    writing.message(CLIENT, "first")
    assert [each.message for each in read_session(path).events] == ["first"]
    writing.close()


def test_first_end_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writing = writer(path)
    writing.end(CLIENT, 1001, "")
    writing.end(SERVER, 1000, "")
    writing.message(SERVER, "too late")
    writing.close()
    assert [each[1:] for each in read_session(path).events] == [(CLIENT, None, 1001, "")]


def test_header_needs_no_more_than_an_address(tmp_path: Path) -> None:
    session = read_session(
        written(tmp_path / "a", HEADER, "", '{"at": 2, "from": "client", "text": ""}')
    )
    assert session.opening == Opening(uri="ws://a/")
    assert session.events == [Event(2.0, CLIENT, "")]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "not an object"),
        ("{}", "format: not 'geventws session'"),
        ('{"format": "geventws session", "version": 2}', "version: not 1, which is all that is"),
        ('{"format": "geventws session", "version": 1}', "uri: not a text"),
        (HEADER[:-1] + ', "offered": "chat"}', "offered: not a list of texts"),
        (HEADER[:-1] + ', "redacted": [1]}', "redacted: not a list of texts"),
        (HEADER[:-1] + ', "subprotocol": 1}', "subprotocol: not a text or null"),
        (HEADER[:-1] + ', "headers": {}}', "headers: not a list of pairs"),
        (HEADER[:-1] + ', "headers": [["a", 1]]}', "headers: not a list of pairs"),
    ],
)
def test_wrong_header_is_told(tmp_path: Path, line: str, wrong: str) -> None:
    path = written(tmp_path / "a.jsonl", line)
    with pytest.raises(ValueError, match=r"a\.jsonl, line 1: ") as caught:
        read_session(path)
    assert wrong in str(caught.value)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("nonsense", "not JSON"),
        ("\ud800", "not JSON"),
        ('{"from": "client", "text": "a"}', "at: not a number of seconds"),
        ('{"at": true, "from": "client", "text": "a"}', "at: not a number of seconds"),
        ('{"at": -1, "from": "client", "text": "a"}', "at: not a number of seconds"),
        ('{"at": NaN, "from": "client", "text": "a"}', "at: not a number of seconds"),
        ('{"at": 1.5, "from": "client", "text": "a"}', "at: before the line above"),
        ('{"at": 3, "text": "a"}', "from: neither 'client' nor 'server'"),
        ('{"at": 3, "from": "client"}', "not one of text, data and close"),
        ('{"at": 3, "from": "client", "text": "a", "data": ""}', "not one of text, data and close"),
        ('{"at": 3, "from": "client", "text": 1}', "text: not a text"),
        ('{"at": 3, "from": "client", "data": "%%%%"}', "data: not base64"),
        ('{"at": 3, "from": "client", "data": "caf\u00e9"}', "data: not base64"),
        ('{"at": 3, "from": "client", "close": "1000"}', "close: not a code"),
        ('{"at": 3, "from": "client", "close": true}', "close: not a code"),
        ('{"at": 3, "from": "client", "close": 999}', "close: not a code from 1000 to 4999"),
        ('{"at": 3, "from": "client", "close": 1000, "reason": 1}', "reason: not a text"),
    ],
)
def test_wrong_line_is_told_with_its_number(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "a.jsonl"
    before = [HEADER, '{"at": 2, "from": "client", "text": "a"}', ""]
    path.write_text("\n".join([*before, line]), encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ValueError, match=r"a\.jsonl, line 4: ") as caught:
        read_session(path)
    assert wrong in str(caught.value)


def test_nothing_comes_after_the_end(tmp_path: Path) -> None:
    end = '{"at": 3, "from": "client", "close": 1005}'
    with pytest.raises(ValueError, match="line 3: a line after the end"):
        read_session(written(tmp_path / "a", HEADER, end, end))


def test_empty_file_has_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch()
    with pytest.raises(ValueError, match="line 1: no header"):
        read_session(path)


def test_file_is_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writing = writer(path, Opening(uri="ws://a/"))
    writing.message(SERVER, b"hi")
    writing.close()
    header, message = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert header["format"] == "geventws session"
    assert (message["from"], message["data"]) == ("server", "aGk=")
