from __future__ import annotations

from typing import Any

import pytest

from geventws.backlog import BUFFERED, CLOSED, DROPPED, POLICIES, SENT, TOO_SLOW, SlowPeers
from geventws.broadcasting import BUFFERED_MESSAGES, Result, check_count, slow_peers_of
from geventws.testing import pair


def test_result_notes_each_connection_where_it_belongs() -> None:
    result: Result[Any] = Result([], [], [], [])
    for outcome in (SENT, BUFFERED, DROPPED, CLOSED):
        result.note(outcome, outcome)  # nothing is asked of one that is not too slow
    assert result == ([SENT], [BUFFERED], [DROPPED], [CLOSED], None)


def test_result_closes_who_is_too_slow() -> None:
    client, server = pair()
    result: Result[Any] = Result([], [], [], [])
    result.note(server, TOO_SLOW)
    assert result == ([], [], [], [server], None)
    client.close()
    assert (client.close_code, client.close_reason) == (1008, "too slow for what is broadcast")
    server.close()


def test_result_settles_who_was_waited_for() -> None:
    (near, far), (here, there) = pair(), pair()
    near.drop()
    result: Result[Any] = Result([], [near, here], [], [])
    result.settle()
    assert result == ([], [here], [], [near], None)
    for end in (far, here, there):
        end.drop()


@pytest.mark.parametrize("policy", POLICIES)
def test_slow_peers_are_what_the_arguments_say(policy: str) -> None:
    assert slow_peers_of(policy, 5) == SlowPeers(policy, 5, BUFFERED_MESSAGES)


def test_slow_peers_have_one_of_the_policies() -> None:
    with pytest.raises(ValueError, match=r"^slow_peers: one of block, drop_oldest, latest, close$"):
        slow_peers_of("wait", 5)


@pytest.mark.parametrize("given", [True, 1.0, "1", None])
def test_count_is_an_int(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^buffer_size: an int$"):
        check_count("buffer_size", given)


@pytest.mark.parametrize("given", [0, -1])
def test_count_is_greater_than_0(given: int) -> None:
    with pytest.raises(ValueError, match=r"^workers: must be greater than 0$"):
        check_count("workers", given)
