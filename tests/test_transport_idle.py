from __future__ import annotations

import gevent
import pytest

from tests.pairs import Kind, drop, each_kind, ends

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def turns(hub_runs_for: float) -> int:
    """Return how often the hub's loop goes round in so many seconds with nothing to do."""
    rounds = 0

    def count() -> None:
        nonlocal rounds
        rounds += 1

    check = gevent.get_hub().loop.check()
    check.start(count)
    gevent.sleep(hub_runs_for)
    check.stop()
    check.close()
    return rounds


# Nobody reads


def test_neglect_is_told_once_and_the_hub_rests() -> None:
    one, other = ends()
    told: list[int] = []
    one.on_neglect = lambda: told.append(1)
    assert one.read_now() is None
    other.post([b"x"])
    assert turns(0.05) < 10
    assert told == [1]
    drop(one, other)


def test_neglect_is_told_again_after_reading() -> None:
    one, other = ends()
    told: list[int] = []
    one.on_neglect = lambda: told.append(1)
    for count in range(1, 4):
        one.read_now()
        other.post([b"x"])
        gevent.sleep(0.001)
        assert len(told) == count
    drop(one, other)


def test_neglect_is_told_after_a_read_that_did_not_wait() -> None:
    one, other = ends()
    told: list[int] = []
    one.on_neglect = lambda: told.append(1)
    for count in range(1, 4):
        other.post([b"x"])
        assert one.read(5) == b"x"  # it was here already
        other.post([b"y"])
        gevent.sleep(0.001)
        assert len(told) == count
        assert one.read(5) == b"y"
    drop(one, other)


def test_neglect_of_the_end_of_the_stream_lets_the_hub_rest() -> None:
    one, other = ends()
    assert one.read_now() is None
    other.close()
    assert turns(0.05) < 10
    one.close()


def test_read_after_neglect_returns_what_was_neglected() -> None:
    one, other = ends()
    with pytest.raises(TimeoutError):
        one.read(0.001)
    other.post([b"x"])
    gevent.sleep(0.001)
    assert one.read(0) == b"x"
    drop(one, other)


# Parked


@each_kind
def test_park_calls_once_when_bytes_come(kind: Kind) -> None:
    one, other = ends(kind)
    calls: list[int] = []
    while one.read_now() is not None:
        pass
    one.park(lambda: calls.append(1))
    gevent.sleep(0.001)
    assert calls == []
    other.post([b"x"])
    assert turns(0.02) < 10
    assert calls == [1]
    assert one.read(5) == b"x"
    drop(one, other)


def test_park_calls_for_bytes_that_are_here_already() -> None:
    one, other = ends()
    other.post([b"x"])
    calls: list[int] = []
    one.park(lambda: calls.append(1))
    assert calls == []  # from the hub, later
    gevent.sleep(0.001)
    assert calls == [1]
    drop(one, other)


def test_park_calls_when_the_transport_is_closed() -> None:
    one, other = ends()
    assert one.read_now() is None
    calls: list[int] = []
    one.park(lambda: calls.append(1))
    one.close()
    gevent.sleep(0.001)
    assert calls == [1]
    one.park(lambda: calls.append(2))
    gevent.sleep(0.001)
    assert calls == [1, 2]
    other.close()
