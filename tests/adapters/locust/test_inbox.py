"""Who gets which message, where several wait on one connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import gevent
import pytest

from geventws.adapters.locust import WebSocketUser
from tests.adapters.locust.scene import visiting
from tests.rawpeer import PATIENCE

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Numbered(WebSocketUser):
    abstract = True

    def correlate(self, message: str | bytes) -> Any:
        return json.loads(message).get("id")


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Return what *calls* return, each in its own greenlet, begun in this order."""
    greenlets = [gevent.spawn(call) for call in calls]
    try:
        gevent.joinall(greenlets, timeout=PATIENCE, raise_error=True)
        return [greenlet.value for greenlet in greenlets]
    finally:
        gevent.killall(greenlets)


def backwards(count: int) -> Callable[[Any], None]:
    """Return a server that answers after *count* messages, the last one first."""

    def serve(ws: Any) -> None:
        messages = [ws.receive() for _ in range(count)]
        for message in reversed(messages):
            ws.send(message)
        ws.receive()

    return serve


def test_requests_with_keys_get_their_own_answers_in_any_order() -> None:
    with visiting(backwards(20), kind=Numbered) as scene:

        def ask(number: int) -> Callable[[], Any]:
            return lambda: scene.ws.request({"id": number}, "ask", key=number).json()

        assert together(*map(ask, range(20))) == [{"id": number} for number in range(20)]
        assert scene.told[1:] == ["WSX ask"] * 20


def test_requests_that_match_get_their_own_answers_in_any_order() -> None:
    with visiting(backwards(3)) as scene:

        def ask(text: str) -> Callable[[], Any]:
            return lambda: scene.ws.request(text, match=text).message

        assert together(ask("one"), ask("two"), ask("three")) == ["one", "two", "three"]


def test_requests_that_match_nothing_get_the_answers_in_order() -> None:
    with visiting() as scene:

        def ask(text: str) -> Callable[[], Any]:
            return lambda: scene.ws.request(text).message

        assert together(ask("one"), ask("two"), ask("three")) == ["one", "two", "three"]


def test_waiting_passes_to_another_when_the_reader_gives_up() -> None:
    with visiting(backwards(3)) as scene:
        two = gevent.spawn(scene.ws.request, "two", match="two")
        assert not scene.ws.request("one", match="never", timeout=0.2).ok
        assert scene.ws.request("three", match="three").message == "three"
        assert two.get(timeout=PATIENCE).message == "two"


def test_waiting_passes_to_another_when_the_reader_is_killed() -> None:
    with visiting(backwards(2)) as scene:
        reader = gevent.spawn(scene.ws.request, "one", match="never")
        other = gevent.spawn(scene.ws.request, "two", match="two")
        gevent.sleep(0)
        reader.kill()
        assert other.get(timeout=PATIENCE).message == "two"
        assert scene.ws.receive().message == "one"
        assert scene.told[1:] == ["WSX message", "WSR message"]


def test_sleeper_gives_up_in_time() -> None:
    with visiting(lambda ws: ws.receive()) as scene:
        reader = gevent.spawn(scene.ws.expect, "never")
        gevent.sleep(0)
        assert not scene.ws.expect("never", timeout=0.2).ok
        assert scene.told[1:] == ["WSX expect: no reply in 0.2 s"]
        reader.kill()


def test_end_reaches_all_who_wait() -> None:
    with visiting(lambda ws: ws.receive()) as scene:
        answers = together(
            lambda: scene.ws.expect("never").ok,
            lambda: scene.ws.expect("never").ok,
            lambda: list(scene.ws.listen()),
            lambda: scene.ws.request("end", match="never").ok,
        )
        assert answers == [False, False, [], False]
        told = ["WSC close", *["WSX expect: closed with 1000"] * 2, "WSX message: closed with 1000"]
        assert sorted(scene.told[1:]) == told


def test_listener_gets_what_no_request_asked_for() -> None:
    def serve(ws: Any) -> None:
        asked = ws.receive()
        ws.send("before")
        ws.send(asked)
        ws.send("after")
        ws.receive()

    with visiting(serve) as scene:
        listening = gevent.spawn(lambda: list(islice(scene.ws.listen(), 2)))
        gevent.sleep(0)
        assert scene.ws.request("asked", match="asked").message == "asked"
        assert listening.get(timeout=PATIENCE) == ["before", "after"]
        assert sorted(scene.told[1:]) == ["WSR message", "WSR message", "WSX message"]


def test_key_is_in_flight_once_only() -> None:
    with visiting(lambda ws: ws.receive(), kind=Numbered) as scene:
        waiting = gevent.spawn(scene.ws.expect, key=1, timeout=PATIENCE)
        gevent.sleep(0)
        with pytest.raises(ValueError, match="key: a request with this one is in flight"):
            scene.ws.request("x", key=1)
        with pytest.raises(TypeError, match="match: not together with key"):
            scene.ws.request("x", match="x", key=2)
        waiting.kill()
        assert not scene.ws.expect(key=1, timeout=0.1).ok


def test_errors_of_the_users_code_are_the_users() -> None:
    class Faulty(WebSocketUser):
        abstract = True

        def correlate(self, message: Any) -> Any:
            raise KeyError("correlate")

        def on_message(self, ws: Any, message: Any) -> None:
            raise KeyError("on_message")

    def fail(message: Any) -> bool:
        raise KeyError("match")

    with visiting(kind=Faulty) as scene:
        questions: list[dict[str, Any]] = [{"key": 1}, {"match": fail}]
        for wanted in questions:
            before = len(scene.errors)
            waiting = gevent.spawn(scene.ws.request, "x", **wanted)
            scene.wait_until_raised(before + 2)
            waiting.kill()
        assert scene.ws.request("x").message == "x"
        told = [str(error) for error in scene.errors]
        assert told == ["'correlate'", "'on_message'", "'match'", "'on_message'"]


def test_message_goes_on_where_its_wait_ends_meanwhile() -> None:
    def give_up(message: Any) -> bool:
        waiting.kill()
        return True

    with visiting() as scene:
        receiving = gevent.spawn(scene.ws.receive)
        gevent.sleep(0)
        waiting = gevent.spawn(scene.ws.expect, give_up)
        gevent.sleep(0)
        scene.ws.send("hello")
        assert receiving.get(timeout=PATIENCE).message == "hello"
        assert waiting.dead


def test_callback_may_ask_on_its_own_connection() -> None:
    class Eager(WebSocketUser):
        abstract = True

        def on_message(self, ws: Any, message: Any) -> None:
            assert ws.request(f"re: {message}", "reply", match="re: ").message == f"re: {message}"

    with visiting(kind=Eager) as scene:
        scene.ws.send("news")
        assert scene.ws.request("hello", match="hello").message == "hello"
        told = scene.wait_until_told(5)
        assert sorted(told) == [
            *("WS connect", "WSR message", "WSS message", "WSX message", "WSX reply"),
        ]
        assert scene.errors == []


# What is kept


def greeting(*messages: str) -> Callable[[Any], None]:
    """Return a server that sends *messages* at once, and then echoes."""

    def serve(ws: Any) -> None:
        for message in messages:
            ws.send(message)
        for message in ws:
            ws.send(message)

    return serve


def test_messages_that_came_together_are_received_one_by_one() -> None:
    with visiting(greeting("one", "two", "three")) as scene:
        assert [scene.ws.receive().message for _ in range(3)] == ["one", "two", "three"]
        assert scene.told[1:] == ["WSR message"] * 3


def test_expect_finds_what_has_come_and_claims_no_time_for_it() -> None:
    with visiting(greeting("one", "two", "three")) as scene:
        scene.ws.request("go", match="go")
        assert scene.ws.expect("two").message == "two"
        assert scene.ws.receive().message == "one"
        assert list(islice(scene.ws.listen(), 1)) == ["three"]
        assert scene.told[1:] == ["WSX message", "WSX expect", "WSR message", "WSR message"]
        assert [time is None for time in scene.times("WSX")] == [False, True]


def test_expect_finds_a_key_among_what_has_come() -> None:
    with visiting(greeting('{"id": 1}', '{"id": 2}'), kind=Numbered) as scene:
        scene.ws.request('{"id": 3}', key=3)
        assert scene.ws.expect(key=2).json() == {"id": 2}
        assert scene.ws.expect(key=1).json() == {"id": 1}


def test_request_is_not_answered_by_what_came_before() -> None:
    with visiting(greeting("early")) as scene:
        scene.ws.request("first", match="first")
        assert scene.ws.request("second").message == "second"
        assert scene.ws.receive().message == "early"


def test_oldest_message_gives_way_where_there_is_no_room() -> None:
    with visiting(greeting("one", "two", "three"), unread_limit=2) as scene:
        scene.ws.request("go", match="go")
        assert scene.told[1:] == ["WSR message", "WSX message"]
        assert [scene.ws.receive().message for _ in range(2)] == ["two", "three"]


def test_messages_before_the_end_can_still_be_received() -> None:
    def serve(ws: Any) -> None:
        for message in (ws.receive(), "two", "three", "four"):
            ws.send(message)

    with visiting(serve) as scene:
        assert scene.ws.request("one").message == "one"
        assert scene.wait_until_told(3)[1:] == ["WSX message", "WSC close"]
        assert scene.ws.receive().message == "two"
        assert list(scene.ws.listen()) == ["three", "four"]
        assert not scene.ws.receive().ok
        assert scene.told[-1] == "WSR message: the connection is not open"


def test_what_nobody_received_is_reported_before_the_next_opening() -> None:
    with visiting(greeting("one", "two")) as scene:
        scene.ws.request("go", match="go")
        scene.ws.close()
        assert scene.told[1:] == ["WSX message", "WSR message", "WSR message", "WSC close"]
