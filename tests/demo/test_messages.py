"""What page and server of the chat say to each other, and what neither may."""

from __future__ import annotations

import json

import pytest

from geventws.demo.messages import (
    MAX_MESSAGE,
    Refused,
    checked,
    encode,
    line,
    parse,
    said_in,
    who_has,
)

SAID = {"type": "said", "who": "w", "name": "Ann", "text": "hi", "time": 1.5, "id": "1"}


def test_message_comes_back_as_it_was() -> None:
    text = encode("say", text="\u2603\ud800")
    assert text.isascii()
    assert parse(text) == {"type": "say", "text": "\u2603\ud800"}


@pytest.mark.parametrize("message", [b"{}", " " * (MAX_MESSAGE + 1)], ids=["bytes", "long"])
def test_message_that_is_no_short_text_is_refused(message: str | bytes) -> None:
    with pytest.raises(Refused, match=r"^expected JSON as text, at most 16384 characters$"):
        parse(message)


@pytest.mark.parametrize("message", ["", "{", "9" * MAX_MESSAGE, "[" * MAX_MESSAGE], ids=len)
def test_message_that_is_no_json_is_refused(message: str) -> None:
    with pytest.raises(Refused, match=r"^not JSON$"):
        parse(message)


@pytest.mark.parametrize("value", [None, 5, "", " \n\u2003", ["a"]])
def test_field_without_characters_is_refused(value: object) -> None:
    with pytest.raises(Refused, match=r"^name is empty or not a string$"):
        checked("name", value, 5)


def test_field_has_so_many_characters_at_most() -> None:
    assert checked("name", " \x01 b ", 5) == "\x01 b"
    with pytest.raises(Refused, match=r"^name is too long, over 4 characters$"):
        checked("name", "abcde", 4)


def test_line_has_single_spaces() -> None:
    assert line("name", " a\n\tb  c ", 10) == "a b c"


@pytest.mark.parametrize("hidden", ["\u202e", "\ud800", "\x00", "\u200b", "\x1b[31m"])
def test_line_with_what_cannot_be_seen_is_refused(hidden: str) -> None:
    with pytest.raises(Refused, match=r"^name has characters that cannot be seen$"):
        line("name", f"a{hidden}b", 10)


def test_who_somebody_is_is_made_of_the_key() -> None:
    assert who_has("key") == who_has("key") != who_has("kez")
    assert len(who_has("\ud800")) == 16


def test_what_is_said_is_known_among_publications() -> None:
    assert said_in(json.dumps(SAID)) == SAID


@pytest.mark.parametrize(
    "message",
    [
        "a word",
        b"\xff",
        "[" * 100_000,
        "[]",
        '{"type":"said"}',
        json.dumps({**SAID, "type": "news"}),
        json.dumps({**SAID, "name": ""}),
        json.dumps({**SAID, "id": 5}),
        json.dumps({**SAID, "time": "now"}),
        json.dumps({**SAID, "time": 1e300}),
        json.dumps({**SAID, "time": float("nan")}),
    ],
    ids=lambda message: repr(message)[-40:],
)
def test_what_others_publish_is_not_said(message: str | bytes) -> None:
    assert said_in(message) is None
