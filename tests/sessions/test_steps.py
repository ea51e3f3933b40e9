"""From a session to its steps: what is said when, and what becomes a variable."""

from __future__ import annotations

from typing import Any

import pytest

from geventws.sessions.files import CLIENT, SERVER, Event, Session
from geventws.sessions.openings import Opening, moved
from geventws.sessions.steps import Step, fits, steps_of, taken

OPENING = Opening(uri="ws://a/chat", offered=("chat",), headers=(("Origin", "http://a"),))
OPEN = Step("open", ("ws://a/chat", [("Origin", "http://a")], ["chat"]))
CLOSE = Step("close", (1000,))
ID = {"id": r'"id":(\w+)'}


def session(*events: Event, opening: Opening = OPENING) -> Session:
    return Session("a.jsonl", opening, list(events))


def client(at: float, message: Any) -> Event:
    return Event(at, CLIENT, message)


def server(at: float, message: Any) -> Event:
    return Event(at, SERVER, message)


def test_client_takes_its_time_and_waits_for_answers() -> None:
    recorded = session(
        server(0.5, "welcome"),
        client(0.75, "hello"),
        server(1.0, "hi"),
        server(1.5, "news"),
        client(1.75, b"\x00"),
        client(1.7501, "more"),
        server(20.0, "done"),
        server(50.0, "news"),
        Event(52.0, CLIENT, None, 1001, "bye"),
    )
    assert steps_of(recorded) == [
        OPEN,
        Step("hear", ("step 1",)),
        Step("think", (0.25,)),
        Step("ask", ("hello", "step 2")),
        Step("hear", ("step 3",)),
        Step("think", (0.25,)),
        Step("say", (b"\x00", "step 4")),
        Step("ask", ("more", "step 5", {}, 18.2)),
        Step("hear", ("step 6", {}, 30.0)),
        Step("think", (2.0,)),
        Step("close", (1001, "bye")),
    ]


def test_client_by_the_clock_waits_for_nobody() -> None:
    recorded = session(
        server(0.5, "welcome"),
        client(0.75, "hello"),
        server(1.0, '"id":7'),
        client(1.25, "7"),
        Event(4.0, SERVER, None, 4000),
    )
    assert steps_of(recorded, ID, by_the_clock=True) == [
        Step("watch", (ID,)),
        OPEN,
        Step("until", (0.75,)),
        Step("say", ("hello", "step 1", 2)),
        Step("until", (1.25,)),
        Step("say", ("{id}", "step 2")),
        Step("until", (4.0,)),
        Step("settle", (2,)),
        Step("part", (4000,)),
    ]
    assert steps_of(session(), by_the_clock=True) == [OPEN, Step("until", (0.0,)), CLOSE]


@pytest.mark.parametrize(
    ("end", "step"),
    [
        ([], CLOSE),
        ([Event(1, CLIENT, None, 1005)], CLOSE),
        ([Event(1, CLIENT, None, 1006)], Step("close", (1001,))),
        ([Event(1, CLIENT, None, 3000, "x")], Step("close", (3000, "x"))),
        ([Event(1, SERVER, None, 1005)], Step("part", (1005,))),
        ([Event(31, SERVER, None, 1006)], Step("part", (1006, 30.0))),
    ],
)
def test_end_is_that_of_the_recording(end: list[Event], step: Step) -> None:
    assert steps_of(session(server(1, "a"), *end))[-1] == step


def test_what_the_server_says_is_taken_and_put_in_where_the_client_repeats_it() -> None:
    recorded = session(
        client(0, "abc first"),
        server(0, '{"id":abc}'),
        client(0, "abc, abcd, xabc and abc"),
        server(0, '{"id":xyz}'),
        client(0, "abc xyz"),
        client(0, b"abc"),
    )
    assert steps_of(recorded, ID)[1:-1] == [
        Step("ask", ("abc first", "step 1", ID)),
        Step("ask", ("{id}, abcd, xabc and {id}", "step 2", ID)),
        Step("say", ("{id} {id}", "step 3")),
        Step("say", (b"abc", "step 4")),
    ]


def test_longest_of_what_is_repeated_is_put_in() -> None:
    takes = {"short": "a=(.+),", "long": "b=(.+)", "none": "c=(.*)"}
    recorded = session(server(0, "a=x,b=x-y,c="), client(0, "x-y x"))
    assert steps_of(recorded, {"short": "a=(x)", "long": "b=(x-y)"})[2].arguments[0] == (
        "{long} {short}"
    )
    assert steps_of(session(server(0, "c="), client(0, "x")), takes)[2].arguments[0] == "x"


def test_session_can_be_played_elsewhere() -> None:
    opening = Opening(
        uri="ws://a:80/chat?b=c",
        offered=("x",),
        headers=(("origin", "http://a:80"), ("Referer", "http://a:80")),
    )
    first = steps_of(session(opening=opening), to="wss://b:9")[0]
    headers = [("origin", "https://b:9"), ("Referer", "http://a:80")]
    assert first.arguments == ("wss://b:9/chat?b=c", headers, ["x"])
    stranger = Opening(uri="ws://a/", headers=(("Origin", "http://c"),))
    assert moved(stranger, "ws://b/").headers == (("Origin", "http://c"),)


@pytest.mark.parametrize(
    ("takes", "said"),
    [
        ({"a b": "x"}, "take: 'a b' is no name of letters"),
        ({"": "x"}, "take: '' is no name of letters"),
        ({"a": "("}, "take a: missing )"),
    ],
)
def test_take_is_a_name_and_a_regular_expression(takes: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 said() is what matters
        steps_of(session(), takes)
    assert said in str(caught.value)


def test_taking_finds_the_group_or_all() -> None:
    assert taken("id=5 x", {"a": r"\d", "b": "id=(.)", "c": "y"}) == {"a": "5", "b": "5"}
    assert taken("x", {"a": "x(y)?"}) == {"a": ""}
    assert taken(b"id=5", {"a": r"\d"}) == {}
    assert fits("id=5", {"a": r"\d"})
    assert not fits("id=5", {"a": r"\d", "b": "y"})
    assert fits(b"", {})


def test_step_reads_as_a_call() -> None:
    assert (
        str(Step("ask", ("a'b", "step 1", {"id": "x"}))) == """ask("a'b", 'step 1', {'id': 'x'})"""
    )
