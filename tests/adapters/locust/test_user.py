"""Users that Locust itself runs: totals, ends, and other kinds of users in one class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.event import Event
from locust import FastHttpUser, HttpUser, constant, task
from locust.env import Environment
from locust.exception import StopUser

from geventws.adapters.locust import WebSocketUser
from geventws.core.errors import ConnectionClosed
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from tests.rawpeer import PATIENCE
from tests.serving import LOCAL, running

ROUNDS = 20


class Counting:
    """An echo server that counts: its connections, messages and how they ended."""

    def __init__(self) -> None:
        self.opened = 0
        self.messages = 0
        self.ends: Counter[Any] = Counter()
        self._changed = Event()

    def __call__(self, ws: Any) -> None:
        self.opened += 1
        try:
            while True:
                message = ws.receive()
                self.messages += 1
                ws.send(message)
        except ConnectionClosed as closed:
            self.ends[(closed.code, closed.clean)] += 1
            self._changed.set()

    def wait_for_ends(self, count: int) -> Counter[Any]:
        """Wait until so many connections have ended."""
        with gevent.Timeout(PATIENCE):
            while self.ends.total() < count:
                self._changed.clear()
                self._changed.wait()
        return self.ends


@contextmanager
def swarm(user: type[WebSocketUser], count: int, **environment: Any) -> Iterator[Any]:
    """Have Locust run *count* users, and stop them in the end."""
    locust: Any = Environment(user_classes=[user], **environment)
    locust.create_local_runner()
    try:
        locust.runner.start(count, count)
        locust.runner.spawning_greenlet.join()
        yield locust
    finally:
        locust.runner.quit()
        locust.runner.greenlet.join()


def totals(locust: Any) -> dict[str, int]:
    """Return how often each thing was reported."""
    entries = locust.stats.entries.values()
    return {f"{each.method} {each.name}": each.num_requests for each in entries}


@pytest.fixture
def server() -> Iterator[Any]:
    counting = Counting()
    with running(serve(counting, LOCAL)) as server:
        counting.host = f"ws://127.0.0.1:{server.address[1]}"  # type: ignore[attr-defined]
        yield counting


def test_totals_are_those_of_the_server(server: Any) -> None:
    done = Event()
    finished: list[Any] = []

    class Talker(WebSocketUser):
        host = server.host

        @task
        def talk(self) -> None:
            self.ws.connect()
            for number in range(ROUNDS):
                assert self.ws.request(f"{number}", "ask").message == f"{number}"
                self.ws.send("x", "tell")
                self.ws.receive(name="told")
            self.ws.ping()
            self.ws.close()
            finished.append(self)
            if len(finished) == 10:
                done.set()
            raise StopUser

    with swarm(Talker, 10) as locust:
        assert done.wait(PATIENCE)
        assert totals(locust) == {
            **{"WS connect": 10, "WSC close": 10, "WSP ping": 10},
            **{"WSX ask": 10 * ROUNDS, "WSS tell": 10 * ROUNDS, "WSR told": 10 * ROUNDS},
        }
        assert server.wait_for_ends(10) == {(1000, True): 10}
        assert (server.opened, server.messages) == (10, 20 * ROUNDS)
        assert locust.stats.total.num_failures == 0
        assert locust.stats.get("ask", "WSX").avg_response_time > 0


def test_one_way_messages_leave_the_averages_alone(server: Any) -> None:
    done = Event()

    class Talker(WebSocketUser):
        host = server.host

        @task
        def talk(self) -> None:
            self.ws.connect()
            for _ in range(ROUNDS):
                self.ws.send("x")
            self.ws.request("y", "ask", match="y")
            done.set()

        wait_time = constant(100)

    with swarm(Talker, 1) as locust:
        assert done.wait(PATIENCE)
        sent = locust.stats.get("message", "WSS")
        assert (sent.num_requests, sent.num_none_requests) == (ROUNDS, ROUNDS)
        assert sent.response_times == {}
        timed = [locust.stats.get("connect", "WS"), locust.stats.get("ask", "WSX")]
        average = sum(each.total_response_time for each in timed) / 2
        assert locust.stats.total.avg_response_time == pytest.approx(average)


@pytest.mark.parametrize("stop_timeout", [0, 10])
def test_stopped_users_close_their_connections(server: Any, stop_timeout: int) -> None:
    goodbyes: list[bool] = []

    class Idler(WebSocketUser):
        host = server.host
        wait_time = constant(100)

        def on_start(self) -> None:
            self.ws.connect()

        def on_stop(self) -> None:
            goodbyes.append(self.ws.request("bye", "bye").ok)

        @task
        def idle(self) -> None:
            self.ws.request("hello", "hello")

    with swarm(Idler, 5, stop_timeout=stop_timeout) as locust:
        with gevent.Timeout(PATIENCE):
            while totals(locust).get("WSX hello") != 5:
                gevent.sleep(0.01)
        locust.runner.stop()
        expected = {"WS connect": 5, "WSX hello": 5, "WSX bye": 5, "WSC close": 5}
        assert totals(locust) == expected
        assert locust.stats.total.num_failures == 0
    assert goodbyes == [True] * 5
    assert server.wait_for_ends(5) == {(1001, True): 5}


def test_users_killed_while_they_wait_close_their_connections(server: Any) -> None:
    class Waiter(WebSocketUser):
        host = server.host

        @task
        def wait_for_ever(self) -> None:
            self.ws.connect()
            self.ws.request("hello", match="never", timeout=1000)

    with swarm(Waiter, 5) as locust:
        with gevent.Timeout(PATIENCE):
            while server.messages != 5:
                gevent.sleep(0.01)
        locust.runner.stop()
        assert totals(locust) == {"WS connect": 5, "WSR message": 5, "WSC close": 5}
    assert server.wait_for_ends(5) == {(1001, True): 5}


def test_user_that_fails_closes_its_connection(server: Any) -> None:
    class Faulty(WebSocketUser):
        host = server.host

        def on_start(self) -> None:
            self.ws.connect()
            raise KeyError("no")

        @task
        def nothing(self) -> None:
            raise StopUser

    with swarm(Faulty, 1):
        assert server.wait_for_ends(1) == {(1001, True): 1}


@pytest.mark.parametrize("other", [FastHttpUser, HttpUser])
def test_user_mixes_with_http_users(other: Any) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/ws":
            environ["wsgi.websocket"].send(environ["wsgi.websocket"].receive())
            return []
        start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
        return [b"page"]

    done = Event()
    with running(WSGIServer(LOCAL, application, log=None)) as server:

        class Both(WebSocketUser, other):  # type: ignore[misc]
            host = f"http://127.0.0.1:{server.address[1]}"

            @task
            def both(self) -> None:
                assert self.client.get("/page").text == "page"
                self.ws.connect("/ws")
                assert self.ws.request("hello", "ask").message == "hello"
                done.set()
                raise StopUser

        with swarm(Both, 1) as locust:
            assert done.wait(PATIENCE)
            expected = {"GET /page": 1, "WS connect": 1, "WSX ask": 1}
            assert totals(locust).items() >= expected.items()
            assert locust.stats.total.num_failures == 0


@pytest.mark.parametrize(
    ("host", "path", "address"),
    [
        ("ws://h:1", "/", "ws://h:1/"),
        ("http://h:1", "/a?b=c", "ws://h:1/a?b=c"),
        ("https://h/", "a", "wss://h/a"),
        ("wss://h/base/", "/a", "wss://h/base/a"),
        ("http://h", "wss://other/x", "wss://other/x"),
        (None, "ws+unix:///socket", "ws+unix:///socket"),
    ],
)
def test_address_is_made_of_the_host_and_a_path(host: str, path: str, address: str) -> None:
    user = type("Tester", (WebSocketUser,), {"host": host})(Environment())
    assert user.address_of(path) == address


def test_address_is_that_of_ws_host_where_there_is_one() -> None:
    members = {"host": "http://pages", "ws_host": "wss://talk"}
    assert type("Tester", (WebSocketUser,), members)(Environment()).address_of("/a") == (
        "wss://talk/a"
    )


def test_address_needs_a_host() -> None:
    user = type("Tester", (WebSocketUser,), {})(Environment())
    with pytest.raises(ValueError, match="host: none is set"):
        user.ws.connect()


def test_subclass_without_abstract_is_run_and_the_base_is_not() -> None:
    assert WebSocketUser.abstract
    derived: Any = type("Tester", (WebSocketUser,), {})
    assert not derived.abstract
