"""ReplayUser: recorded sessions as a load test, each step of them reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.adapters.locust import ReplayUser
from geventws.cli.locustfile import locustfile
from geventws.server import serve
from geventws.sessions.files import CLIENT, SERVER, SessionWriter
from geventws.sessions.openings import Opening
from geventws.sessions.player import read_sessions
from geventws.sessions.steps import steps_of
from geventws.websocket import WebSocket
from tests.adapters.locust.scene import Scene
from tests.adapters.locust.test_user import swarm, totals
from tests.rawpeer import PATIENCE
from tests.serving import LOCAL, running

TAKES = {"id": r'"id":"(\w+)"'}


class Shop:
    """A server that gives everyone an id, wants to hear it again, and says farewell with 4000."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.heard: list[Any] = []
        self.port = 0
        self._news = Event()

    def __call__(self, ws: WebSocket) -> None:
        self.requests.append(ws.request)
        self._news.set()
        number = len(self.requests)
        ws.send("welcome")
        for message in ws:
            self.heard.append(message)
            if message == "login":
                ws.send(f'{{"id":"n{number}"}}')
                ws.send("news")
            if message == "leave":
                ws.close(4000)
                return

    def wait_for(self, count: int) -> None:
        """Wait until so many have come."""
        with gevent.Timeout(PATIENCE):
            while len(self.requests) < count:
                self._news.clear()
                self._news.wait()


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    with running(serve(shop, LOCAL)) as server:
        shop.port = int(server.address[1])
        yield shop


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a session file in which somebody logs in, buys and leaves."""
    path = tmp_path / "shop.jsonl"
    opening = Opening(
        uri="ws://recorded:5/in?token={token}", headers=(("X-Own", "1"),), redacted=("token",)
    )
    writing = SessionWriter(path.open("x"), opening)
    writing.message(SERVER, "welcome")
    writing.message(CLIENT, "login")
    writing.message(SERVER, '{"id":"n77"}')
    writing.message(SERVER, "news")
    writing.message(CLIENT, "buy for n77 as {user}")
    writing.message(CLIENT, "leave")
    writing.end(SERVER, 4000, "")
    writing.close()
    return str(path)


@contextmanager
def scene(port: int, kind: type[ReplayUser] = ReplayUser, **own: Any) -> Iterator[Scene]:
    """Give a user whose task a test runs itself."""
    members = {"variables": {"token": "t", "user": "me"}, **own}
    scene = Scene(port, kind, **members)
    try:
        yield scene
    finally:
        scene.user._leave(None)


STEPS = ["WS connect", "WSX step 1", "WSX step 2", "WSX step 3", "WSS step 4", "WSS step 5"]


def test_session_is_played_step_by_step(shop: Shop, path: str) -> None:
    with scene(shop.port, session=path, takes=TAKES) as playing:
        playing.user.replay()
        assert sorted(playing.told) == sorted([*STEPS, "WSC close", "WSM part"])
    assert shop.heard == ["login", "buy for n1 as me", "leave"]
    (request,) = shop.requests
    assert (request.target, request.headers["X-Own"]) == ("/in?token=t", "1")


def test_session_by_the_clock_waits_for_nobody(shop: Shop, path: str) -> None:
    with scene(shop.port, session=path, takes=TAKES, by_the_clock=True) as playing:
        playing.user.replay()
        told = playing.told
    assert [each for each in told if each.startswith("WSS")] == [
        *["WSS step 1", "WSS step 2", "WSS step 3"]
    ]
    assert told.count("WSR message") == 3
    assert [each for each in told if each.startswith("WSX")] == ["WSX step 1"]
    assert told.count("WSM settle") == told.count("WSM part") == 1
    assert shop.heard[0::2] == ["login", "leave"]


def test_steps_may_have_other_names(shop: Shop, path: str) -> None:
    class Named(ReplayUser):
        abstract = True

        def name_step(self, name: str, message: Any) -> str:
            return str(message).partition(" ")[0] or name

    with scene(shop.port, Named, session=path, takes=TAKES) as playing:
        playing.user.replay()
        assert playing.told[1:4] == ["WSX step 1", "WSX login", "WSX step 3"]
        assert {"WSS buy", "WSS leave"} < set(playing.told)


def test_users_play_again_and_again(shop: Shop, path: str) -> None:
    class Playing(ReplayUser):
        host = f"ws://127.0.0.1:{shop.port}"
        session = path
        takes = TAKES
        variables = {"token": "t"}  # noqa: RUF012

    with swarm(Playing, 3) as locust:
        shop.wait_for(10)
    found = totals(locust)
    assert found["WSX step 2"] >= 5
    assert not locust.stats.errors
    assert len({each for each in shop.heard if each.startswith("buy")}) >= 3


def test_generated_locustfile_plays_the_same(shop: Shop, path: str) -> None:
    sessions = read_sessions(path)
    steps = [steps_of(each, TAKES, to=f"ws://127.0.0.1:{shop.port}") for each in sessions]
    names: dict[str, Any] = {"__name__": "locustfile"}
    exec(locustfile(sessions, steps, {"token": "t"}), names)
    with swarm(names["Replay"], 2) as locust:
        shop.wait_for(5)
    assert not locust.stats.errors
    assert {f"{each}" for each in STEPS} < set(totals(locust))


def test_client_may_close_as_it_did(shop: Shop) -> None:
    with scene(shop.port) as playing:
        user: Any = playing.user
        user.open("/")
        user.hear("step 1")
        user.close(4321, "bye")
        assert playing.told == ["WS connect", "WSX step 1", "WSC close"]


# What fails


def test_failure_ends_the_session_and_the_next_one_begins_anew(path: str) -> None:
    def deaf(ws: WebSocket) -> None:
        for _ in ws:
            pass

    with (
        running(serve(deaf, LOCAL)) as server,
        scene(int(server.address[1]), session=path, reply_timeout=0.05) as playing,
    ):
        playing.user.replay()
        playing.user.replay()
        once = ["WS connect", "WSX step 1: no reply in 0.05 s", "WSC close"]
        assert playing.told == once * 2


def test_server_that_ends_early_is_reported_once(path: str) -> None:
    def vanish(ws: WebSocket) -> None:
        ws.send("welcome")
        ws.close(1011)

    with (
        running(serve(vanish, LOCAL)) as server,
        scene(int(server.address[1]), session=path) as playing,
    ):
        playing.user.replay()
        assert playing.told.count("WSC close: closed with 1011") == 1
        assert [each for each in playing.told if each.startswith("WSX step 2: ")]
        assert len(playing.told) == 4


def test_refused_connection_ends_the_session(path: str) -> None:
    with scene(1, session=path) as playing:
        playing.user.replay()
        assert playing.told == ["WS connect: cannot connect: ECONNREFUSED"]


def test_wrong_end_is_a_failure(shop: Shop) -> None:
    with scene(shop.port, expected_close_codes={4000}) as playing:
        user: Any = playing.user
        user.open("/")
        user.say("leave", "step 1")
        with pytest.raises(Exception, match="closed with 4000, recorded was 4001"):
            user.part(4001)
        assert "WSM part: closed with 4000, recorded was 4001" in playing.told


def test_server_that_stays_is_a_failure(shop: Shop) -> None:
    with scene(shop.port, reply_timeout=0.05) as playing:
        user: Any = playing.user
        user.open("/")
        with pytest.raises(Exception, match=r"not closed in 0\.1 s"):
            user.part(1000, 0.05)
        user.open("/")
        with pytest.raises(Exception, match=r"not all messages in 0\.05 s"):
            user.settle(9)
        assert playing.told[-1] == "WSM settle: not all messages in 0.05 s"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "session: the path of a session file, or override play"),
        ({"session": "/no/such/file"}, "No such file"),
    ],
)
def test_user_without_a_session_is_told(own: dict[str, Any], said: str) -> None:
    with scene(1, **own) as playing, pytest.raises((ValueError, OSError), match=said):
        playing.user.replay()


def test_redacted_variable_needs_a_value(path: str) -> None:
    with (
        scene(1, session=path, variables={}) as playing,
        pytest.raises(ValueError, match="redacted, so a value is to be set: token"),
    ):
        playing.user.replay()
