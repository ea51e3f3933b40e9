"""What a close frame is given: wrong types are named, and a reason can be made to fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.frame import check_close, close_payload, parse_close, short_reason


@pytest.mark.parametrize("code", ["abc", 1000.0, None, b"\x03\xe8"])
def test_close_payload_names_a_code_that_is_no_int(code: Any) -> None:
    with pytest.raises(TypeError, match=rf"^code: an int, not {type(code).__name__}$"):
        close_payload(code, "")


@pytest.mark.parametrize("reason", [b"x", None, 5])
def test_close_payload_names_a_reason_that_is_no_str(reason: Any) -> None:
    with pytest.raises(TypeError, match=rf"^reason: a str, not {type(reason).__name__}$"):
        close_payload(1000, reason)


def test_check_close_looks_at_no_value() -> None:
    check_close(99, 200 * "x")


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("", ""),
        (123 * "x", 123 * "x"),
        (124 * "x", 123 * "x"),
        (62 * "é", 61 * "é"),
        (122 * "x" + "€", 122 * "x"),
        ("\ud800", "?"),
    ],
)
def test_short_reason_keeps_the_whole_characters_that_fit(reason: str, short: str) -> None:
    assert short_reason(reason) == short


@given(st.text(max_size=200))
def test_short_reason_always_fits(reason: str) -> None:
    short = short_reason(reason)
    assert reason.startswith(short)
    assert parse_close(close_payload(1000, short)) == (1000, short)
