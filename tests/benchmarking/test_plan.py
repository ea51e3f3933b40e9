"""Plans: what is sent, and what part of it a round does."""

from __future__ import annotations

import pytest

from geventws.benchmarking.plan import VARIANTS, Plan, messages_of, size_of


@pytest.mark.parametrize("size", [0, 1, 64, 100_000])
def test_messages_have_the_size_and_kind_asked_for(size: int) -> None:
    texts, binaries = messages_of(size, False), messages_of(size, True)
    assert [size_of(each) for each in (*texts, *binaries)] == [size] * 2 * VARIANTS
    assert all(isinstance(each, str) for each in texts)
    assert all(isinstance(each, bytes) for each in binaries)


@pytest.mark.parametrize("binary", [False, True])
def test_messages_differ_and_are_the_same_in_each_run(binary: bool) -> None:
    assert len(set(messages_of(64, binary))) == VARIANTS
    assert messages_of(64, binary) == messages_of(64, binary)


def test_size_is_that_of_utf_8() -> None:
    assert Plan(messages=("Gr\xfc\xdfe",)).size == 7


def test_rounds_share_the_plan() -> None:
    plan = Plan(messages=("a",), duration=10.0, count=11, warm_up=1.0, in_flight=3)
    shares = [plan.share(4, number) for number in range(4)]
    assert [share.count for share in shares] == [2, 3, 3, 3]
    assert {(share.duration, share.warm_up, share.in_flight) for share in shares} == {
        (2.5, 0.25, 3)
    }


def test_rounds_share_no_limit() -> None:
    share = Plan(messages=("a",), duration=None).share(2, 0)
    assert (share.duration, share.count) == (None, None)
