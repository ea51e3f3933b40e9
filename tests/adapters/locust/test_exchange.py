"""What is sent for a message, and how ends are judged."""

from __future__ import annotations

from typing import Any

import pytest

from geventws.adapters.locust.exchange import Exchange, data_of, milliseconds
from geventws.core.errors import ConnectionClosed
from tests.adapters.locust.scene import Scene


@pytest.mark.parametrize(
    ("message", "data"),
    [("text", "text"), (b"bytes", b"bytes"), ({"a": None}, '{"a": null}'), ([1, "b"], '[1, "b"]')],
)
def test_data_is_what_goes_over_the_wire(message: Any, data: str | bytes) -> None:
    assert data_of(message) == data


@pytest.mark.parametrize("message", [None, 1, {1, 2}, bytearray(b"x"), {"a": object()}])
def test_data_is_nothing_else(message: Any) -> None:
    with pytest.raises(TypeError):
        data_of(message)


def test_milliseconds_are_thousandths() -> None:
    assert 4000 < milliseconds(milliseconds(0) / 1000 - 5) < 20_000


@pytest.mark.parametrize(
    ("closed", "failure"),
    [
        (ConnectionClosed(1000, "", True), None),
        (ConnectionClosed(1001, "", True), None),
        (ConnectionClosed(1005, "", True), None),
        (ConnectionClosed(4000, "", True), None),
        (ConnectionClosed(4001, "because", True), "closed with 4001"),
        (ConnectionClosed(1000, "", False), "connection lost: no close frame"),
        (ConnectionClosed(1006, "", False), "connection lost: no close frame"),
    ],
)
def test_end_is_judged_by_its_code(closed: ConnectionClosed, failure: str | None) -> None:
    found = Exchange(Scene(1).user)._judge(closed, 4000)
    assert (None if found is None else str(found)) == failure
