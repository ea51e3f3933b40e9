"""Players: what they put in for what varies, and how they take their time."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from geventws.sessions.files import CLIENT, Event, Session, SessionWriter
from geventws.sessions.openings import Opening
from geventws.sessions.player import Player, check_values, filled, play, read_sessions
from geventws.sessions.steps import Step


class Diary(Player):
    """A player that writes down what it is to do."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.done: list[Any] = []

    def say(self, message: Any, name: str) -> None:
        self.done.append((name, self.fill(message)))


def test_what_was_redacted_needs_values() -> None:
    recorded = Session("a.jsonl", Opening(uri="ws://a/?t={t}", redacted=("t", "cookie", "id")), [])
    with pytest.raises(ValueError, match=r"a\.jsonl: redacted, so .* to be set: t, id"):
        check_values(recorded, {"cookie": ""})
    check_values(recorded, {"cookie": "", "t": "", "id": ""})


def test_filling_leaves_unknown_names_and_json() -> None:
    text = '{"id":1, {id}, {other}, {x-y.z}, {}'
    assert filled(text, {"id": "5", "x-y.z": "{id}"}) == '{"id":1, 5, {other}, {id}, {}'


def test_player_does_the_steps_with_its_values() -> None:
    diary = Diary(id="5")
    play(diary, [Step("say", ("{id}", "a")), Step("say", (b"{id}", "b"))])
    diary.take("id=6", {"id": r"\d"})
    play(diary, [Step("say", ("{id}", "c"))])
    diary.watch({"id": "id=(.)"})
    diary.overhear("id=7")
    diary.overhear("x")
    play(diary, [Step("say", ("{id}", "d"))])
    assert diary.done == [("a", "5"), ("b", b"{id}"), ("c", "6"), ("d", "7")]


def test_player_asks_for_what_the_session_asked_for() -> None:
    diary = Diary(token="x")
    asked = diary.asking({"headers": {"A": "1"}}, [("B", "Bearer {token}")], ["a", "{token}"])
    assert asked["headers"] == [("B", "Bearer x"), ("A", "1")]
    assert asked["subprotocols"] == ["a", "x"]


def test_player_takes_its_time() -> None:
    diary = Diary()
    diary.speed = 10
    diary.begin()
    start = monotonic()
    diary.think(0.5)
    diary.until(1.0)
    assert monotonic() - start >= 0.1
    diary.until(0.5)  # has passed
    late = diary.asked_at()
    assert diary.asked_at() - late > 0.4 / diary.speed


def test_sessions_are_read_from_both_kinds_of_files(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writing = SessionWriter(path.open("x"), Opening(uri="ws://a/"))
    writing.message(CLIENT, "hello")
    writing.close()
    assert [each.opening for each in read_sessions(path)] == [Opening(uri="ws://a/")]
    entry = {
        "_webSocketMessages": [{"type": "send", "time": 5.0, "opcode": 1, "data": "hello"}],
        "request": {"url": "ws://a/"},
        "startedDateTime": "2026-11-22T20:15:57Z",
    }
    path = tmp_path / "a.HAR"
    path.write_text(json.dumps({"log": {"entries": [entry, entry]}}))
    assert [each.events for each in read_sessions(path)] == [[Event(0.0, CLIENT, "hello")]] * 2
