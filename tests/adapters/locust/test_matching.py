"""Which messages a match is for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from geventws.adapters.locust.matching import matcher

ORDER = '{"type": "order", "data": {"id": 7, "items": [1, 2]}, "null": null}'


@pytest.mark.parametrize(
    ("match", "message"),
    [
        (None, "anything"),
        (None, b""),
        ("ell", "hello"),
        ("", "hello"),
        (b"\x01", b"\x00\x01"),
        (re.compile(r"id=\d+$"), "the id=12"),
        (re.compile(rb"^\x00"), b"\x00\x01"),
        (str.isdigit, "12"),
        (lambda message: len(message) == 2, b"12"),
        ({}, ORDER),
        ({"type": "order"}, ORDER),
        ({"type": "order"}, ORDER.encode()),
        ({"data": {"id": 7}}, ORDER),
        ({"data": {"items": [1, 2]}}, ORDER),
        ({"null": None}, ORDER),
    ],
)
def test_match_is_for(match: Any, message: str | bytes) -> None:
    assert matcher(match)(message)


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("xyz", "hello"),
        ("ell", b"hello"),
        (b"ell", "hello"),
        (re.compile("x"), "hello"),
        (re.compile("h"), b"hello"),
        (re.compile(b"h"), "hello"),
        (str.isdigit, "x"),
        ({"type": "order"}, "no JSON"),
        ({"type": "order"}, b"\xff\xfe\xfa"),
        ({"type": "order"}, '"order"'),
        ({"type": "other"}, ORDER),
        ({"missing": None}, ORDER),
        ({"type": {"id": 7}}, ORDER),
        ({"data": {"id": 8}}, ORDER),
        ({"data": {"items": [1]}}, ORDER),
        ({}, "[]"),
    ],
)
def test_match_is_not_for(match: Any, message: str | bytes) -> None:
    assert not matcher(match)(message)


@pytest.mark.parametrize("match", [7, ["a"], object()])
def test_match_refuses_what_it_cannot_be(match: Any) -> None:
    with pytest.raises(TypeError, match="match: a callable, str, bytes, Pattern or dict"):
        matcher(match)
