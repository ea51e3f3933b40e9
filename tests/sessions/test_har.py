"""HAR files, as Chromium's devtools export them (76 and later; 156 at the time of writing)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geventws.sessions.files import CLIENT, SERVER, Event
from geventws.sessions.har import read_har
from geventws.sessions.openings import Opening

START = 1795378557.0  # 2026-11-22T20:15:57Z


def message(kind: str, at: float, data: str, opcode: int = 1) -> dict[str, Any]:
    """Return a message as Chromium writes it; *at* counts from START."""
    return {"type": kind, "time": START + at, "opcode": opcode, "data": data}


def entry(*messages: dict[str, Any], **request: Any) -> dict[str, Any]:
    """Return what Chromium has of one WebSocket."""
    return {
        "_connectionId": "181",
        "_initiator": {"type": "script", "stack": {"callFrames": []}},
        "_priority": None,
        "_resourceType": "websocket",
        "_webSocketMessages": list(messages),
        "cache": {},
        "request": {
            "method": "GET",
            "url": "wss://example.org/chat?room=1",
            "httpVersion": "HTTP/1.1",
            "headers": [
                {"name": "Accept-Encoding", "value": "gzip, deflate, br, zstd"},
                {"name": "Connection", "value": "Upgrade"},
                {"name": "Cookie", "value": "session=5"},
                {"name": "Host", "value": "example.org"},
                {"name": "Origin", "value": "https://example.org"},
                {"name": "Sec-WebSocket-Extensions", "value": "permessage-deflate"},
                {"name": "Sec-WebSocket-Key", "value": "dGhlIHNhbXBsZSBub25jZQ=="},
                {"name": "Sec-WebSocket-Protocol", "value": "chat, talk"},
                {"name": "Sec-WebSocket-Version", "value": "13"},
                {"name": "Upgrade", "value": "websocket"},
            ],
            **request,
        },
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "headers": [{"name": "sec-websocket-protocol", "value": "talk"}],
        },
        "startedDateTime": "2026-11-22T20:15:57.000Z",
        "time": 2500.5,
    }


PAGE = {"_resourceType": "document", "request": {"url": "https://example.org/"}}


def har(path: Path, *entries: dict[str, Any]) -> Path:
    """Return *path*, where a HAR file with *entries* is now."""
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}), encoding="utf-8")
    return path


def test_websockets_of_a_page_are_sessions(tmp_path: Path) -> None:
    first = entry(
        message("send", 0.25, "hello"),
        message("receive", 0.5, "welcome, caf\u00e9"),
        message("receive", 0.75, "AP8=", opcode=2),
        message("error", 1.0, "WebSocket was closed", opcode=-1),
    )
    path = har(tmp_path / "a.har", PAGE, first, entry(url="http://localhost:5/b#part"))
    one, other = read_har(path)
    assert one.name == f"{path}, WebSocket 1"
    assert one.opening == Opening(
        uri="wss://example.org/chat?room=1",
        offered=("chat", "talk"),
        subprotocol="talk",
        headers=(("Cookie", "session=5"), ("Origin", "https://example.org")),
    )
    assert one.events == [
        Event(0.25, CLIENT, "hello"),
        Event(0.5, SERVER, "welcome, caf\u00e9"),
        Event(0.75, SERVER, b"\x00\xff"),
    ]
    assert (other.opening.uri, other.events) == ("ws://localhost:5/b", [])


def test_times_count_from_the_first_message_where_they_are_on_another_clock(tmp_path: Path) -> None:
    messages = [
        {"type": "receive", "time": 77.5, "opcode": 1, "data": "b"},
        {"type": "send", "time": 77.0, "opcode": 1, "data": "a"},
    ]
    (session,) = read_har(har(tmp_path / "a.har", entry(*messages)))
    assert session.events == [Event(0.0, CLIENT, "a"), Event(0.5, SERVER, "b")]


@pytest.mark.parametrize("text", ["", "[]", '{"log": 5}', '{"log": {}}', '{"log": {"entries": 5}}'])
def test_other_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.har"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.har: not a HAR file"):
        read_har(path)


def test_page_without_websockets_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.har: no WebSocket with messages in it"):
        read_har(har(tmp_path / "a.har", PAGE))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"_webSocketMessages": [{"type": "send"}]}, "not as Chromium writes it"),
        ({"_webSocketMessages": [message("send", 0, "%", opcode=2)]}, "data: not base64"),
        ({"startedDateTime": "noon"}, "Invalid isoformat string"),
        ({"request": {}}, "not as Chromium writes it"),
        ({"request": {"url": "ws://a/", "headers": [5]}}, "not as Chromium writes it"),
    ],
)
def test_other_message_is_told(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    path = har(tmp_path / "a.har", entry(), {**entry(), **wrong})
    with pytest.raises(ValueError, match=r"a\.har, WebSocket 2: ") as caught:
        read_har(path)
    assert said in str(caught.value)
