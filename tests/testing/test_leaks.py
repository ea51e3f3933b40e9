"""What tests leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from geventws.testing.leaks import census, left_behind
from geventws.testing.pairs import pair


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_nothing_is_left_where_all_has_ended() -> None:
    before = census()
    client, server = pair()
    gevent.spawn(client.close)
    server.close()
    assert left_behind(before) == []


def test_greenlet_and_descriptors_that_stay_are_named(pipe: tuple[int, int]) -> None:
    before = census()
    stop = Event()
    waiting = gevent.spawn(stop.wait)
    copy = os.dup(pipe[0])
    try:
        lines = left_behind(before, patience=0.1)
    finally:
        stop.set()
        waiting.join()
        os.close(copy)
    assert len(lines) == 2
    assert lines[0].startswith("the greenlet <Greenlet")
    assert lines[1].startswith(f"the descriptor {copy}, pipe:")
    assert left_behind(before) == []


def test_what_was_there_before_is_not_left_behind() -> None:
    stop = Event()
    waiting = gevent.spawn(stop.wait)
    gevent.sleep(0)
    try:
        assert left_behind(census()) == []
    finally:
        stop.set()
        waiting.join()
