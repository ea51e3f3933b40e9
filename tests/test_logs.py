"""Numbers for connections, in every line of the log that is about one."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from geventws.logs import ConnectionIds, connection_id
from geventws.testing import pair
from geventws.websocket import WebSocket

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def ends() -> Iterator[tuple[WebSocket, WebSocket]]:
    both = pair()
    yield both
    for each in both:
        each.drop()


def test_filter_names_the_connection_among_the_arguments(
    ends: tuple[WebSocket, WebSocket],
) -> None:
    record = logging.LogRecord("geventws", 40, "", 0, "%s: %r failed", ("it", ends[0]), None)
    assert ConnectionIds().filter(record)
    assert vars(record)["connection"] == connection_id(ends[0])


@pytest.mark.parametrize("arguments", [(), ("somewhere",), ({"a": "mapping"},)])
def test_filter_says_that_a_record_is_about_no_connection(arguments: tuple[object, ...]) -> None:
    record = logging.LogRecord("geventws", 40, "", 0, "it failed", arguments, None)
    assert ConnectionIds().filter(record)
    assert vars(record)["connection"] == "-"


def test_filter_leaves_a_number_that_is_there() -> None:
    record = logging.LogRecord("geventws.frames", 10, "", 0, "said", (), None)
    record.connection = 7
    assert ConnectionIds().filter(record)
    assert vars(record)["connection"] == 7
