from __future__ import annotations

import pytest

from geventws.outbox import Outbox


def outbox(*buffers: bytes) -> Outbox:
    """Return one that holds *buffers*."""
    made = Outbox()
    made.put(buffers)
    return made


def rest(box: Outbox) -> bytes:
    """Let everything leave, and return it."""
    data = b""
    while box.size:
        head = box.head()
        data += head
        box.leave(len(head))
    return data


def test_outbox_is_empty_at_first() -> None:
    assert Outbox().size == 0


def test_bytes_leave_in_the_order_they_were_put() -> None:
    box = outbox(b"one", b"two")
    box.put([memoryview(b"three")])
    assert box.size == 11
    assert rest(box) == b"onetwothree"
    assert box.size == 0


def test_head_is_what_has_not_left_of_it() -> None:
    box = outbox(b"one", b"two")
    box.leave(1)
    assert bytes(box.head()) == b"ne"
    box.leave(2)
    assert bytes(box.head()) == b"two"
    assert box.size == 3


def test_nothing_left_changes_nothing() -> None:
    box = outbox(b"one")
    box.leave(0)
    assert bytes(box.head()) == b"one"
    assert box.size == 3


def test_empty_buffers_are_left_out() -> None:
    box = outbox(b"", b"one", b"")
    assert rest(box) == b"one"


@pytest.mark.parametrize(
    ("ahead", "size", "left"),
    [
        (0, 3, b"twoonetwo"),
        (3, 6, b"onetwo"),
        (6, 3, b"onetwotwo"),
        (9, 3, b"onetwoone"),
        (0, 12, b""),
        (12, 0, b"onetwoonetwo"),
    ],
)
def test_withdraw_takes_out_what_stands_there(ahead: int, size: int, left: bytes) -> None:
    one, two = b"one", b"two"
    box = outbox(one, two, one, two)  # the same objects twice
    box.withdraw(ahead, size)
    assert box.size == len(left)
    assert rest(box) == left


def test_withdraw_counts_from_what_has_not_left() -> None:
    box = outbox(b"one", b"two", b"three")
    box.leave(2)
    box.withdraw(1, 3)
    assert rest(box) == b"ethree"


def test_withdraw_of_nothing_from_nothing() -> None:
    box = Outbox()
    box.withdraw(0, 0)
    assert box.size == 0


def test_clear_forgets_everything() -> None:
    box = outbox(b"one", b"two")
    box.clear()
    assert box.size == 0
    box.put([b"new"])
    assert rest(box) == b"new"
