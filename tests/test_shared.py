"""What is done once for all who want it, and what is kept while somebody catches up."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.broker import MemoryBroker, Position, Publication
from geventws.shared import HELD, Late, Once, Shared, is_after

pytestmark = pytest.mark.usefixtures("leaks_nothing")


# Once


def test_work_is_done_once_for_all() -> None:
    go_on, done = Event(), []

    def work() -> None:
        go_on.wait()
        done.append(1)

    once = Once(work)
    waiting = [gevent.spawn(once) for _ in range(3)]
    gevent.idle()
    go_on.set()
    gevent.joinall(waiting, raise_error=True)
    once()
    assert done == [1]


def test_work_that_fails_does_so_for_all_who_wait_and_is_tried_again() -> None:
    go_on, outcomes = Event(), [False, True]

    def work() -> None:
        go_on.wait()
        if not outcomes.pop(0):
            raise ConnectionError("no")

    once = Once(work)
    waiting = [gevent.spawn(once) for _ in range(3)]
    gevent.idle()
    go_on.set()
    for each in waiting:
        with pytest.raises(ConnectionError, match="no"):
            each.get()
    once()
    assert outcomes == []


def test_work_that_is_given_up_is_taken_over() -> None:
    go_on, began = Event(), []

    def work() -> None:
        began.append(1)
        go_on.wait()

    once = Once(work)
    waiting = [gevent.spawn(once) for _ in range(3)]
    gevent.idle()
    waiting[0].kill()
    gevent.idle()
    assert began == [1, 1]
    go_on.set()
    gevent.joinall(waiting[1:], raise_error=True)


# Late


def publication(message: str) -> Publication:
    return Publication("tea", message)


def test_late_one_goes_on_when_more_comes() -> None:
    late = Late(10)
    assert (list(late), late.came) == ([], False)
    late.keep(publication("1"))
    assert list(late) == [publication("1")]
    late.keep(publication("2"))
    assert (list(late), late.came, late.overflown) == ([publication("2")], True, False)


@pytest.mark.parametrize(
    ("limit", "message", "fit"), [(HELD, "x", HELD), (10, "xxxxx", 2), (10, "x" * 11, 0)]
)
def test_late_one_keeps_so_much_and_then_nothing(limit: int, message: str, fit: int) -> None:
    late = Late(limit)
    for _ in range(fit):
        late.keep(publication(message))
    assert not late.overflown
    late.keep(publication(message))
    assert late.overflown
    late.keep(publication(""))
    assert list(late) == []
    late.begin_again()
    late.keep(publication("x" * min(limit, 10)))
    assert not late.overflown
    assert len(list(late)) == 1


def test_late_one_has_room_again_for_what_was_taken() -> None:
    late = Late(10)
    for _ in range(3):
        late.keep(publication("x" * 10))
        assert next(late).message == "x" * 10
    assert not late.overflown


@pytest.mark.parametrize(
    ("position", "is_new"),
    [(None, True), ((5, "a"), False), ((4, "a"), False), ((6, "a"), True), ((1, "b"), True)],
)
def test_position_is_after_another_of_its_epoch(
    position: tuple[int, str] | None, is_new: bool
) -> None:
    given = None if position is None else Position(*position)
    assert is_after(given, Position(5, "a")) == is_new


def test_member_that_is_ahead_is_left_out_until_it_is_reached() -> None:
    room = Shared("tea", MemoryBroker(), lambda room, publication: None)
    ann: Any = object()  # a room asks nothing of who is in it
    room.ahead[ann] = Position(2, "a")
    told = [room.pass_on(Publication("tea", "x", Position(offset, "a"))) for offset in (1, 2, 3)]
    assert told == [{ann}, {ann}, set()]
    assert room.ahead == {}
    assert room.position == (3, "a")
