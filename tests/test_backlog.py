"""What waits for one slow peer, and what each policy does about it."""

from __future__ import annotations

from threading import Event

import pytest

from geventws.backlog import (
    BLOCK,
    BUFFERED,
    CLOSE,
    DROP_OLDEST,
    DROPPED,
    LATEST,
    POLICIES,
    TOO_SLOW,
    Backlog,
    SlowPeers,
)
from geventws.core.message import Encoded

SIZE = 100
MESSAGES = 4


def policy(name: str) -> SlowPeers:
    return SlowPeers(name, SIZE, MESSAGES)


def broadcast(message: bytes) -> Encoded:
    return Encoded(message)


def backlog(*messages: bytes) -> Backlog:
    made = Backlog(0, 0.0)
    for message in messages:
        made.keep(broadcast(message), policy(BLOCK))
    return made


def waiting(left: Backlog) -> list[str | bytes]:
    return [left.take().message for _ in range(len(left))]


@pytest.mark.parametrize("name", [each for each in POLICIES if each != LATEST])
def test_backlog_keeps_the_order_up_to_its_limits(name: str) -> None:
    some = Backlog(0, 0.0)
    messages = [b"a" * 25, b"b" * 25, b"c" * 25, b"d" * 25]
    assert [some.keep(broadcast(each), policy(name)) for each in messages] == [BUFFERED] * 4
    assert waiting(some) == messages


@pytest.mark.parametrize("name", POLICIES)
def test_backlog_keeps_one_message_of_exactly_its_size(name: str) -> None:
    some = Backlog(0, 0.0)
    assert some.keep(broadcast(b"x" * SIZE), policy(name)) == BUFFERED
    assert waiting(some) == [b"x" * SIZE]


@pytest.mark.parametrize(
    ("messages", "more"),
    [([b"1", b"2", b"3", b"4"], b"5"), ([b"1" * 60], b"2" * 41)],
    ids=["messages", "bytes"],
)
def test_close_keeps_nothing_when_a_limit_is_passed(messages: list[bytes], more: bytes) -> None:
    some = backlog(*messages)
    assert some.keep(broadcast(more), policy(CLOSE)) == TOO_SLOW
    assert len(some) == 0


@pytest.mark.parametrize(
    ("messages", "more", "left"),
    [
        ([b"1", b"2", b"3", b"4"], b"5", [b"2", b"3", b"4", b"5"]),
        ([b"1" * 30, b"2" * 30, b"3" * 30], b"4" * 50, [b"3" * 30, b"4" * 50]),
        ([b"1" * 30, b"2"], b"3" * SIZE, [b"3" * SIZE]),
    ],
    ids=["one-message", "some-bytes", "all"],
)
def test_drop_oldest_drops_no_more_than_it_must(
    messages: list[bytes], more: bytes, left: list[bytes]
) -> None:
    some = backlog(*messages)
    assert some.keep(broadcast(more), policy(DROP_OLDEST)) == DROPPED
    assert waiting(some) == left


def test_latest_keeps_the_newest_alone() -> None:
    some = Backlog(0, 0.0)
    outcomes = [some.keep(broadcast(each), policy(LATEST)) for each in (b"1", b"2", b"3")]
    assert outcomes == [BUFFERED, DROPPED, DROPPED]
    assert waiting(some) == [b"3"]


@pytest.mark.parametrize("name", [DROP_OLDEST, LATEST])
def test_backlog_keeps_the_older_ones_when_a_message_is_too_large_to_wait(name: str) -> None:
    some = backlog(b"1")
    assert some.keep(broadcast(b"x" * (SIZE + 1)), policy(name)) == DROPPED
    assert waiting(some) == [b"1"]
    assert some.excess(policy(name)) == 0


def test_block_keeps_any_and_tells_how_many_are_too_many() -> None:
    some = backlog(b"1", b"2" * 50, b"3" * 50, b"4" * 50)
    assert some.excess(policy(BLOCK)) == 2
    assert backlog(b"x" * (SIZE + 1)).excess(policy(BLOCK)) == 1
    assert backlog().excess(policy(BLOCK)) == 0


def test_backlog_tells_when_so_many_have_left() -> None:
    some = backlog(b"1", b"2", b"3", b"4")
    events = [Event(), Event(), Event()]
    for count, event in zip((1, 2, 4), events, strict=True):
        some.tell(count, event)
    some.take()
    assert [event.is_set() for event in events] == [True, False, False]
    some.drop(1)
    assert [event.is_set() for event in events] == [True, True, False]
    some.drop(2)
    assert [event.is_set() for event in events] == [True, True, True]


def test_backlog_leaves_a_forgotten_event_alone() -> None:
    some = backlog(b"1", b"2")
    first, second = Event(), Event()
    some.tell(1, first)
    some.tell(1, second)
    some.forget(first)
    some.take()
    assert not first.is_set()
    assert second.is_set()
    some.forget(second)  # it is not kept any more


def test_peer_is_stuck_when_it_took_nothing_for_the_timeout() -> None:
    some = Backlog(1000, 10.0)
    assert not some.is_stuck(1000, 12.0, 3.0)
    assert some.is_stuck(1000, 13.0, 3.0)


def test_peer_is_not_stuck_while_it_takes_something() -> None:
    some = Backlog(1000, 10.0)
    assert not some.is_stuck(1001, 13.0, 3.0)
    assert not some.is_stuck(1001, 15.0, 3.0)
    assert some.is_stuck(1001, 16.0, 3.0)


def test_peer_is_not_stuck_while_it_could_take_more_than_there_is() -> None:
    some = Backlog(1000, 10.0)
    assert not some.is_stuck(None, 20.0, 3.0)
    assert not some.is_stuck(1000, 22.0, 3.0)
