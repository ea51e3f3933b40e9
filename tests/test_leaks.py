from __future__ import annotations

import os

import gevent
import pytest
from gevent.event import Event

from tests import leaks
from tests.leaks import census, settle


def test_settle_waits_for_what_ends_by_itself() -> None:
    before = census()
    gevent.spawn_later(0.05, len, ())
    assert census().greenlets == before.greenlets + 1
    settle(before)
    assert census().greenlets == before.greenlets


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is left behind found at once."""
    monkeypatch.setattr(leaks, "PATIENCE", 0.0)


@pytest.mark.usefixtures("impatient")
def test_settle_finds_a_greenlet() -> None:
    before = census()
    left = gevent.spawn(Event().wait)
    with pytest.raises(AssertionError, match="left behind"):
        settle(before)
    left.kill()
    settle(before)


@pytest.mark.usefixtures("impatient")
def test_settle_finds_a_descriptor() -> None:
    before = census()
    ends = os.pipe()
    with pytest.raises(AssertionError, match="left behind"):
        settle(before)
    for end in ends:
        os.close(end)
    settle(before)


@pytest.mark.usefixtures("impatient")
def test_settle_finds_a_watcher() -> None:
    before = census()
    timer = gevent.get_hub().loop.timer(100)
    timer.start(len, ())
    with pytest.raises(AssertionError, match="left behind"):
        settle(before)
    timer.stop()
    timer.close()
    settle(before)
