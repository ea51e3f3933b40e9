"""The response, its judgement by a block, and what Locust is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from locust.exception import CatchResponseError, LocustError, ResponseError, StopUser

from geventws.adapters.locust.response import size_of
from tests.adapters.locust.scene import visiting


def test_response_gives_the_answer() -> None:
    with visiting() as scene:
        answer = scene.ws.request({"a": [1, "\xe9"]}, "ask")
        assert (answer.ok, answer.error, answer.json()) == (True, None, {"a": [1, "\xe9"]})
        assert answer.message == '{"a": [1, "\\u00e9"]}'
        (event,) = scene.events[1:]
        assert event["response"] is answer
        assert event["response_time"] == answer.response_time > 0
        assert event["response_length"] == len(answer.message)
        assert event["url"] == scene.ws.url == f"{scene.user.host}/"
        assert event["context"] == {}


def test_response_without_a_message_has_no_json() -> None:
    with visiting() as scene, pytest.raises(ValueError, match="Expecting value"):
        scene.ws.expect(timeout=0.1).json()


@pytest.mark.parametrize(("message", "size"), [("abc", 3), ("\xe9", 2), (b"\xe9", 1), ("", 0)])
def test_size_is_that_of_the_payload(message: str | bytes, size: int) -> None:
    assert size_of(message) == size


def test_block_reports_once_when_it_ends() -> None:
    with visiting() as scene:
        with scene.ws.request("hello", "ask", catch_response=True) as answer:
            assert scene.told[1:] == []
            assert answer.message == "hello"
        assert scene.told[1:] == ["WSX ask"]


def test_block_can_make_it_a_failure() -> None:
    with visiting() as scene:
        with scene.ws.request("hello", "ask", catch_response=True) as answer:
            answer.failure("wrong")
        with scene.ws.request("hello", "ask", catch_response=True) as answer:
            answer.failure(KeyError("wrong"))
        first, second = (event["exception"] for event in scene.events[1:])
        assert (type(first), str(first)) == (CatchResponseError, "wrong")
        assert (type(second), answer.error) == (KeyError, second)


def test_block_can_make_it_a_success() -> None:
    with visiting() as scene:
        with scene.ws.expect(timeout=0.1, catch_response=True) as answer:
            assert not answer.ok
            answer.success()
        assert (scene.told[1:], answer.ok) == (["WSX expect"], True)


def test_block_that_says_nothing_leaves_a_failure_one() -> None:
    with visiting() as scene:
        with scene.ws.receive(timeout=0.1, catch_response=True):
            pass
        assert scene.told[1:] == ["WSR message: no reply in 0.1 s"]


def test_block_that_raises_is_a_failure() -> None:
    with visiting() as scene:
        with pytest.raises(AssertionError), scene.ws.request("x", catch_response=True):
            raise AssertionError("no")
        with scene.ws.request("x", catch_response=True):
            raise ResponseError("swallowed, as by Locust's own")
        said = ["no", "swallowed, as by Locust's own"]
        assert scene.told[1:] == [f"WSX message: {each}" for each in said]


def test_block_may_end_the_task() -> None:
    with visiting() as scene:
        with pytest.raises(StopUser), scene.ws.request("x", catch_response=True):
            raise StopUser
        assert scene.told[1:] == ["WSX message"]


def test_killed_block_reports_nothing() -> None:
    with visiting() as scene:
        with pytest.raises(GeneratorExit), scene.ws.request("x", catch_response=True):
            raise GeneratorExit
        assert scene.told[1:] == []


def test_response_is_judged_in_its_block_only() -> None:
    with visiting() as scene:
        answers: list[Any] = [scene.ws.request("x"), scene.ws.request("x", catch_response=True)]
        for answer in answers:
            with pytest.raises(LocustError, match="judged in a with block"):
                answer.success()
            with pytest.raises(LocustError, match="judged in a with block"):
                answer.failure("x")
        with pytest.raises(LocustError, match="needs catch_response=True"), answers[0]:
            pass
