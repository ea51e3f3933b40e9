from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest

from geventws.adapters.ws4py.server.geventserver import GEventWebSocketPool, WSGIServer
from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication
from tests.adapters.ws4py.scene import Echo, Recorder
from tests.rawpeer import PONG, TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, running

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Kept:
    """Makes websockets and keeps them."""

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind
        self.made: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.made.append(self._kind(*args, **kwargs))
        return self.made[-1]


@contextmanager
def visited(kind: Any = Echo, **arguments: Any) -> Iterator[tuple[Any, RawPeer, Kept]]:
    """Give a server, a client that it does not know yet, and what it made."""
    kept = Kept(kind)
    application = WebSocketWSGIApplication(handler_cls=kept, **arguments)
    server = WSGIServer(LOCAL, application, log=None)
    with running(server), RawPeer.to(server.address) as peer:
        yield server, peer, kept


def ended(ws: Any) -> Any:
    """Return what closed() of *ws* was called with, once it was."""
    with gevent.Timeout(5):
        while not ws.terminated:
            gevent.sleep(0.001)
    return ws.calls[-1]


def test_server_runs_a_websocket_in_its_pool() -> None:
    with visited() as (server, peer, kept):
        peer.upgrade()
        peer.send(frame(TEXT, b"hello"))
        assert peer.read_frame() == (TEXT, b"hello")
        assert (len(server.pool), server.connections) == (1, 1)
        peer.end(4000)
        (ws,) = kept.made
        assert ended(ws) == (4000, "")
        assert ws.calls[0] == "opened"


def test_server_loses_nothing_that_came_with_the_request() -> None:
    with visited() as (_, peer, _):
        peer.send(head(), frame(TEXT, b"early"), frame(TEXT, b"bird"))
        assert peer.read_head().status == 101
        assert [peer.read_frame() for _ in "12"] == [(TEXT, b"early"), (TEXT, b"bird")]
        peer.end()


def test_server_closes_every_websocket_with_1001_when_it_stops() -> None:
    with visited() as (server, peer, kept):
        peer.upgrade()
        peer.send(frame(TEXT, b"x"))
        peer.read_frame()
        stopping = gevent.spawn(server.stop, 5)
        assert peer.read_close() == (1001, "Server is shutting down")
        peer.send(close_frame(1001))
        peer.read_to_end()
        peer.close()
        stopping.get(timeout=5)
        assert ended(kept.made[0]) == (1001, "")
        assert len(server.pool) == 0


def test_server_answers_what_asks_for_no_websocket() -> None:
    with visited() as (_, peer, _):
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        reply = peer.read_response()
        assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")
        assert peer.read_to_end() == b""


def test_pings_are_answered_while_a_callback_blocks() -> None:
    class Slow(Recorder):
        def received_message(self, message: Any) -> None:
            gevent.sleep(30)

    with visited(Slow) as (_, peer, _):
        peer.upgrade()
        peer.send(frame(TEXT, b"x"))
        peer.send(frame(9, b"ping"))
        assert peer.read_frame() == (PONG, b"ping")


def test_application_finds_what_another_one_left_in_the_environ() -> None:
    websockets = WebSocketWSGIApplication(handler_cls=Greeter)

    def application(environ: Any, start_response: Any) -> Any:
        environ["ws4py.app"] = "the application"
        return websockets(environ, start_response)

    server = WSGIServer(LOCAL, application, log=None)
    with running(server), RawPeer.to(server.address) as peer:
        peer.upgrade("GET /chat HTTP/1.1")
        assert peer.read_frame() == (TEXT, b"/chat of the application")
        peer.end()


class Greeter(Recorder):
    def opened(self) -> None:
        assert self.environ is not None
        assert "ws4py.websocket" not in self.environ
        self.send(f"{self.environ['PATH_INFO']} of {self.environ['ws4py.app']}")


def test_pool_clears_what_it_tracks() -> None:
    class Fake:
        local_address = peer_address = ""
        closed: Any = None

        def run(self) -> None:
            gevent.sleep(0)

        def close(self, code: int, reason: str) -> None:
            self.closed = (code, reason)

    pool, ws = GEventWebSocketPool(), Fake()
    greenlet = pool.track(ws)
    pool.clear()
    assert ws.closed == (1001, "Server is shutting down")
    greenlet.join(5)
    ws.closed = None
    pool.clear()
    assert ws.closed is None
