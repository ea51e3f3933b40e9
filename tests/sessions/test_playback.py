"""Sessions played over real connections: what is counted, and what is a failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.event import Event as Signal

from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Response
from geventws.server import serve
from geventws.sessions.files import CLIENT, SERVER, Event, Session
from geventws.sessions.openings import Opening
from geventws.sessions.playback import Ear, Heard, Playback, Results, play_all
from geventws.sessions.steps import Step, steps_of
from geventws.testing import pair
from geventws.websocket import WebSocket
from tests.rawpeer import PATIENCE
from tests.servers import accept, refusing_port, serving, silent
from tests.serving import LOCAL, echo, running, wait_for

ID = {"id": r"id=(\w+)"}


@contextmanager
def served(handler: Any, **arguments: Any) -> Iterator[str]:
    """Have a server of ours run; give its address."""
    with running(serve(handler, LOCAL, **arguments)) as server:
        yield f"ws://127.0.0.1:{server.address[1]}/"


def played(steps: list[Step], timeout: float = PATIENCE, **values: str) -> Results:
    """Play *steps* once and return what came of it."""
    results = Results()
    well = Playback(results, {}, values, timeout=timeout).play(steps)
    assert (results.played, results.failures.total()) == (int(well), int(not well))
    return results


def opening(uri: str) -> Step:
    return Step("open", (uri, [], []))


def failure(uri: str, *steps: Step, timeout: float = PATIENCE) -> str:
    """Return what fails when *steps* are played at *uri*."""
    (text,) = played([opening(uri), *steps], timeout).failures
    return text


def test_session_is_played_as_it_was_recorded() -> None:
    events = [
        Event(0.0, SERVER, "welcome"),
        Event(0.01, CLIENT, "a"),
        Event(0.02, SERVER, "1: 'a'"),
        Event(0.03, CLIENT, b"b"),
        Event(0.03, CLIENT, "c"),
        Event(0.04, SERVER, "2"),
        Event(0.04, SERVER, "3"),
    ]
    heard: list[Any] = []
    with served(recorded_by(heard)) as uri:
        results = played(steps_of(Session("a", Opening(uri=uri), events)))
    assert heard == ["a", b"b", "c", 1000]
    assert (results.sent, results.received, results.answers.count) == (3, 4, 2)


def recorded_by(heard: list[Any]) -> Any:
    """Return a handler that greets, answers, and adds to *heard* what it hears."""

    def handler(ws: WebSocket) -> None:
        ws.send("welcome")
        try:
            while True:
                heard.append(ws.receive())
                ws.send("answer")
        except ConnectionClosed as closed:
            heard.append(closed.code)

    return handler


def test_variables_are_filled_everywhere_and_taken_from_answers() -> None:
    asked: list[Any] = []

    def handler(ws: Any) -> None:
        asked.append((ws.request.target, ws.request.headers["X-Token"], ws.subprotocol))
        ws.send("noise")
        ws.send("id=first")
        for message in ws:
            asked.append(message)
            ws.send("noise")
            ws.send("id=second")

    steps = [
        Step("open", ("{base}?t={token}", [("X-Token", "{token}")], ["{token}"])),
        Step("hear", ("step 1", ID)),
        Step("ask", ("{user} {id} {other}", "step 2", ID)),
        Step("say", ("{id}", "step 3")),
        Step("hear", ("step 4",)),
        Step("close", (1000,)),
    ]
    with served(handler, subprotocols=["secret"]) as uri:
        results = played(steps, base=uri, token="secret", user="5")
    assert not results.failures
    assert asked == [("/?t=secret", "secret", "secret"), "5 first {other}", "second"]


def test_answer_is_what_comes_after_the_question() -> None:
    def handler(ws: WebSocket) -> None:
        ws.send("id=before")
        for message in ws:
            ws.send(f"id={message!s}")

    with served(handler) as uri:
        playback = Playback(Results(), {}, {}, timeout=PATIENCE)
        steps = [opening(uri), Step("settle", (1,)), Step("ask", ("after", "step 1", ID))]
        assert playback.play(steps)
        assert playback.values == {"id": "after"}
        assert playback.play([*steps, Step("hear", ("step 2", ID))])
        assert playback.values == {"id": "before"}


def test_client_by_the_clock_sends_at_its_times() -> None:
    steps = [
        Step("watch", (ID,)),
        Step("until", (0.02,)),
        Step("say", ("id=5", "step 1", 1)),
        Step("until", (0.04,)),
        Step("say", ("b", "step 2")),
        Step("settle", (2,)),
        Step("close", (1000,)),
    ]
    with served(echo) as uri:
        results = Results()
        playback = Playback(results, {}, {}, timeout=PATIENCE, speed=0.5)
        start = monotonic()
        assert playback.play([opening(uri), *steps])
    assert monotonic() - start >= 0.08
    assert playback.values == {"id": "5"}
    assert (results.sent, results.received, results.answers.count) == (2, 2, 1)


@pytest.mark.parametrize(("keeping", "kept"), [(2, ["3", "4"]), (0, [])])
def test_no_more_is_kept_than_allowed(keeping: int, kept: list[str]) -> None:
    told: list[Heard] = []
    near, far = pair()
    ear = Ear(near, told.append, keeping)
    for number in range(5):
        far.send(str(number))
    far.close()
    ear.join()
    assert [each.message for each in ear.kept] == kept
    assert ear.count == len(told) == 5


@pytest.mark.parametrize(("by_the_clock", "kept"), [(True, 0), (False, 3)])
def test_client_by_the_clock_keeps_nothing(by_the_clock: bool, kept: int) -> None:
    events = [Event(0.0, CLIENT, "a"), Event(0.01, CLIENT, "b"), Event(0.01, CLIENT, "c")]
    with served(echo) as uri:
        session = Session("a", Opening(uri=uri), events)
        playback = Playback(Results(), {}, {}, timeout=PATIENCE)
        steps = steps_of(session, by_the_clock=by_the_clock)
        *others, end = steps
        assert playback.play([*others, Step("settle", (3,)), end])
    assert len(playback._ear.kept) == kept


def test_server_may_close_as_it_did() -> None:
    with served(lambda ws: ws.close(4000)) as uri:
        assert not played([opening(uri), Step("part", (4000,))]).failures


# What fails


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([Step("hear", ("step 1",))], "step 1: closed with 4000"),
        ([Step("ask", ("a", "step 1"))], "step 1: closed with 4000"),
        ([Step("settle", (1,))], "settle: closed with 4000"),
        ([Step("part", (1000,))], "part: closed with 4000, recorded was 1000"),
        ([Step("think", (0.05,)), Step("say", ("a", "step 1"))], "step 1: closed with 4000"),
    ],
)
def test_server_that_closes_is_a_failure(steps: list[Step], said: str) -> None:
    with served(lambda ws: ws.close(4000)) as uri:
        assert failure(uri, *steps) == said


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step("hear", ("step 1",)), "step 1: nothing in 0.05 s"),
        (Step("hear", ("step 1", {}, 0.05)), "step 1: nothing in 0.1 s"),
        (Step("ask", ("a", "step 1", ID)), "step 1: nothing in 0.05 s"),
        (Step("settle", (1,)), "settle: nothing in 0.05 s"),
        (Step("part", (1000, 0.05)), "part: nothing in 0.1 s"),
    ],
)
def test_server_that_says_nothing_is_a_failure(step: Step, said: str) -> None:
    with served(lambda ws: list(ws)) as uri:
        assert failure(uri, step, timeout=0.05) == said


def test_server_that_is_lost_is_a_failure() -> None:
    def vanish(sock: Any) -> None:
        accept(sock)
        sock.recv(100)

    with serving(vanish) as server:
        steps = [Step("ask", ("a", "step 1")), Step("close", (1000,))]
        text = failure(f"ws://127.0.0.1:{server.port}", *steps)
    assert text.startswith("step 1: connection lost: ")


def test_server_that_does_not_answer_a_close_is_a_failure() -> None:
    def stay(sock: Any) -> None:
        accept(sock)
        silent(sock)

    with serving(stay) as server:
        results = Results()
        playback = Playback(results, {"close_timeout": 0.05}, {})
        assert not playback.play([opening(f"ws://127.0.0.1:{server.port}"), Step("close", (1000,))])
    assert list(results.failures) == ["close: connection lost: no close frame in time"]


def test_refusal_is_a_failure() -> None:
    with served(echo, process_request=lambda request: Response(403)) as uri:
        assert failure(uri) == "open: refused with 403"
    assert failure(f"ws://127.0.0.1:{refusing_port()}") == "open: cannot connect: ECONNREFUSED"


def test_wrong_argument_is_raised() -> None:
    with pytest.raises(ValueError, match="url: a scheme"):
        Playback(Results(), {}, {}).play([opening("http://a")])
    with pytest.raises(ValueError, match="url: a scheme"):
        play_all([[opening("http://a")]], lambda number: Playback(Results(), {}, {}), 2)


# Many users


def user(results: Results, number: int) -> Playback:
    return Playback(results, {}, {"user": str(number)}, timeout=PATIENCE)


def test_users_play_the_sessions_in_turn() -> None:
    heard: list[Any] = []

    def handler(ws: WebSocket) -> None:
        heard.extend(ws)

    results = Results()
    with served(handler) as uri:
        sessions = [
            [opening(uri), Step("say", (f"{name} {{user}}", "step 1")), Step("close", (1000,))]
            for name in "ab"
        ]
        play_all(sessions, lambda number: user(results, number), 5, ramp=0.05)
    assert sorted(heard) == ["a 0", "a 2", "a 4", "b 1", "b 3"]
    assert results.played == 5


def test_users_end_with_who_waits_for_them() -> None:
    begun = Signal()

    def handler(ws: WebSocket) -> None:
        begun.set()
        with pytest.raises(ConnectionClosed):
            ws.receive()

    with served(handler) as uri:
        waiting = [opening(uri), Step("hear", ("step 1",))]
        playing = gevent.spawn(play_all, [waiting], lambda number: user(Results(), number), 3)
        wait_for(begun)
        playing.kill()


def test_results_are_told_in_a_few_lines() -> None:
    results = Results()
    assert results.text() == "sessions  0, of which 0 failed\nmessages  0 sent, 0 received"
    results.played, results.sent, results.received = 1998, 5000, 4000
    results.failures.update({"open: refused with 503": 2, "step 1: closed with 1011": 3})
    for _ in range(100):
        results.answers.add(0.005)
    results.answers.add(0.5)
    assert results.text().splitlines() == [
        "sessions  2,003, of which 5 failed",
        "messages  5,000 sent, 4,000 received",
        "answers   101, in p50 5.00 ms, p90 5.00 ms, p99 5.00 ms, max 500 ms",
        "failed    3: step 1: closed with 1011",
        "failed    2: open: refused with 503",
    ]
