"""Pings, pongs and what is due when, without any clock."""

from __future__ import annotations

from math import inf

import pytest

from geventws.keepalive import Keepalive


def test_ping_is_due_after_the_interval_and_nothing_before() -> None:
    keepalive = Keepalive(20, 10, 100.0)
    assert (keepalive.ping_at, keepalive.pong_by, keepalive.next_at()) == (120.0, inf, 120.0)


def test_regular_ping_expects_its_pong_within_the_timeout() -> None:
    keepalive = Keepalive(20, 10, 100.0)
    keepalive.begin_regular(121.0, 7)
    assert (keepalive.ping_at, keepalive.pong_by, keepalive.signs) == (141.0, 131.0, 7)
    assert keepalive.next_at() == 131.0


def test_pong_ends_the_wait_and_tells_the_latency() -> None:
    keepalive = Keepalive(20, 10, 100.0)
    payload = keepalive.begin_regular(121.0, 0)
    keepalive.pong(payload, 121.5)
    assert (keepalive.latency, keepalive.pong_by) == (0.5, inf)
    assert not keepalive.waits_for(payload)


def test_pong_answers_the_pings_before_its_own_and_none_after() -> None:
    keepalive = Keepalive(None, None, 0.0)
    first, second, third = [keepalive.begin(now) for now in (1.0, 2.0, 3.0)]
    keepalive.pong(second, 5.0)
    assert keepalive.latency == 3.0
    assert [keepalive.waits_for(each) for each in (first, second, third)] == [False, False, True]


@pytest.mark.parametrize("payload", [b"", b"unasked", bytes(4), b"\x00\x00\x00\x02"])
def test_pong_that_nobody_asked_for_changes_nothing(payload: bytes) -> None:
    keepalive = Keepalive(20, 10, 0.0)
    keepalive.pong(payload, 1.0)
    expected = keepalive.begin_regular(20.0, 0)
    keepalive.pong(payload, 21.0)
    assert (keepalive.latency, keepalive.pong_by) == (None, 30.0)
    assert keepalive.waits_for(expected)


def test_payloads_differ() -> None:
    keepalive = Keepalive(None, None, 0.0)
    assert len({keepalive.begin(0.0) for _ in range(1000)}) == 1000


def test_ping_that_is_forgotten_is_waited_for_no_more() -> None:
    keepalive = Keepalive(None, None, 0.0)
    first, second = keepalive.begin(0.0), keepalive.begin(0.0)
    keepalive.forget(first)
    keepalive.forget(first)
    assert [keepalive.waits_for(each) for each in (first, second)] == [False, True]
    keepalive.forget(second)
    keepalive.pong(second, 1.0)
    assert keepalive.latency is None


def test_pong_to_a_forgotten_ping_answers_those_before_it() -> None:
    keepalive = Keepalive(20, 10, 0.0)
    regular = keepalive.begin_regular(20.0, 0)
    first, second, third = [keepalive.begin(21.0) for _ in range(3)]
    keepalive.forget(second)
    keepalive.pong(second, 22.0)
    waited_for = [keepalive.waits_for(each) for each in (regular, first, second, third)]
    assert waited_for == [False, False, False, True]
    assert (keepalive.pong_by, keepalive.latency) == (inf, None)


def test_pings_more_often_than_the_timeout_do_not_put_it_off() -> None:
    keepalive = Keepalive(5, 20, 0.0)
    for now in (5.0, 10.0, 15.0, 20.0):
        keepalive.begin_regular(now, 1)
    assert (keepalive.pong_by, keepalive.signs, keepalive.ping_at) == (25.0, 1, 25.0)


def test_regular_pings_without_pongs_are_not_kept_for_ever() -> None:
    keepalive = Keepalive(5, 20, 0.0)
    payloads = [keepalive.begin_regular(5.0 * times, 0) for times in range(1, 100)]
    assert [keepalive.waits_for(each) for each in payloads] == [False] * 98 + [True]


def test_regular_ping_leaves_the_application_s_own_alone() -> None:
    keepalive = Keepalive(5, 20, 0.0)
    own = keepalive.begin(1.0)
    keepalive.begin_regular(5.0, 0)
    keepalive.begin_regular(10.0, 0)
    assert keepalive.waits_for(own)


def test_pong_is_expected_for_a_ping_that_cannot_leave_yet() -> None:
    keepalive = Keepalive(20, 10, 0.0)
    keepalive.expect(20.0, 3)
    assert (keepalive.ping_at, keepalive.pong_by, keepalive.signs) == (40.0, 30.0, 3)


def test_peer_gets_one_more_timeout_when_told_to_wait_on() -> None:
    keepalive = Keepalive(20, 10, 0.0)
    keepalive.begin_regular(20.0, 3)
    keepalive.wait_on(30.0, 4)
    assert (keepalive.pong_by, keepalive.signs) == (40.0, 4)


def test_no_interval_means_no_pings_and_no_timeout_that_none_is_missed() -> None:
    assert Keepalive(None, 10, 0.0).next_at() == inf
    patient = Keepalive(20, None, 0.0)
    patient.begin_regular(20.0, 0)
    assert (patient.pong_by, patient.ping_at) == (inf, 40.0)


def test_ping_is_due_when_its_time_has_come() -> None:
    keepalive = Keepalive(20, 10, 0.0)
    assert keepalive.due(19.0, 3, takes=True) is None
    payload = keepalive.due(20.0, 3, takes=True)
    assert payload is not None
    assert keepalive.waits_for(payload)
    assert (keepalive.ping_at, keepalive.pong_by, keepalive.signs) == (40.0, 30.0, 3)


def test_no_ping_is_sent_to_a_peer_that_takes_nothing_but_its_pong_expected() -> None:
    keepalive = Keepalive(20, 10, 0.0)
    assert keepalive.due(20.0, 3, takes=False) is None
    assert (keepalive.ping_at, keepalive.pong_by, keepalive.signs) == (40.0, 30.0, 3)


@pytest.mark.parametrize(
    ("now", "signs", "is_behind", "missed", "pong_by"),
    [
        (29.0, 3, False, False, 30.0),
        (30.0, 3, False, True, 30.0),
        (30.0, 4, False, False, 40.0),  # it showed life
        (30.0, 3, True, False, 40.0),  # it may have, unseen
    ],
)
def test_peer_is_given_up_when_it_shows_no_life_in_time(
    now: float, signs: int, is_behind: bool, missed: bool, pong_by: float
) -> None:
    keepalive = Keepalive(20, 10, 0.0)
    keepalive.due(20.0, 3, takes=True)
    assert keepalive.is_missed(now, signs, lambda: is_behind) is missed
    assert keepalive.pong_by == pong_by
