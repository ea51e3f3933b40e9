"""What a doctor found, in lines and in JSON."""

from __future__ import annotations

import json

import pytest

from geventws.cli.findings import Fact, as_json, report, without_secrets


def test_report_has_facts_alone_where_there_is_no_advice() -> None:
    assert report([Fact("a", "1"), Fact("long", "2")]) == "a     1\nlong  2"


def test_report_puts_advice_under_the_facts() -> None:
    found = [Fact("a", "1", "do b", wrong=True), Fact("long", "2"), Fact("c", "3", "do d")]
    assert report(found) == "a     1\nlong  2\nc     3\n\nwrong: a: do b\nnote: c: do d"


def test_report_says_how_long_a_step_took() -> None:
    assert report([Fact("TCP", "open", seconds=0.01234)]) == "TCP  open [12.3 ms]"


def test_json_has_every_field_of_every_fact() -> None:
    found = [Fact("a", "1", "do b", True, 0.5), Fact("c", "2")]
    first, second = json.loads(as_json(found))
    assert first == {"name": "a", "value": "1", "advice": "do b", "wrong": True, "seconds": 0.5}
    assert second == {"name": "c", "value": "2", "advice": "", "wrong": False, "seconds": None}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("wss://example.org/a", "wss://example.org/a"),
        ("https://ann:secret@example.org/a@b", "https://example.org/a@b"),
        ("/login?next=/&token=secret#more", "/login?..."),
        ("/login#token=secret?", "/login#..."),
        ("/?", "/?"),
    ],
)
def test_address_is_shown_without_what_may_be_secret(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
