from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import make_server

from geventws.adapters.ws4py.server.wsgirefserver import (
    WebSocketWSGIHandler,
    WebSocketWSGIRequestHandler,
    WSGIServer,
)
from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication
from tests.adapters.ws4py.scene import Echo, ended
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.threads import joined_threads


class Quiet(WebSocketWSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(application: Any, handler: Any = Quiet) -> Iterator[Any]:
    """Give a server at work."""
    server: Any = make_server(
        "127.0.0.1", 0, server_class=WSGIServer, handler_class=handler, app=application
    )
    server.initialize_websockets_manager()
    with joined_threads() as threads:
        threads.start(server.serve_forever, 0.01)
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()


@contextmanager
def visiting(application: Any, **arguments: Any) -> Iterator[RawPeer]:
    """Give a client of a server at work."""
    with serving(application, **arguments) as server, RawPeer.to(server.server_address) as peer:
        yield peer


def kept() -> tuple[Any, list[Any]]:
    """Return an application that makes websockets, and the list of them."""
    made: list[Any] = []

    class Keeping(WebSocketWSGIApplication):
        def make_websocket(self, *args: Any) -> Any:
            made.append(super().make_websocket(*args))
            return made[-1]

    return Keeping(handler_cls=Echo), made


def test_server_runs_websockets_in_its_manager() -> None:
    application, made = kept()
    with (
        serving(application) as server,
        RawPeer.to(server.server_address) as one,
        RawPeer.to(server.server_address) as two,
    ):
        for peer in (one, two):
            peer.upgrade()
        for peer in (two, one):
            peer.send(frame(TEXT, b"hello"))
            assert peer.read_frame() == (TEXT, b"hello")
        assert set(server.manager) == set(made)
        one.end(4000)
        two.end(4000)
    assert [ended(ws) for ws in made] == [(4000, "")] * 2
    assert made[0].calls[0] == "opened"


def test_server_loses_nothing_that_came_with_the_request() -> None:
    application, _ = kept()
    with visiting(application) as peer:
        peer.send(head(), frame(TEXT, b"early"), frame(TEXT, b"bird"))
        assert peer.read_head().status == 101
        assert [peer.read_frame() for _ in "12"] == [(TEXT, b"early"), (TEXT, b"bird")]
        peer.end()


def test_server_answers_what_asks_for_no_websocket() -> None:
    application, _ = kept()
    with visiting(application) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reply = peer.read_response()
        assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")


def test_server_closes_every_websocket_with_1001_at_its_end() -> None:
    application, made = kept()
    with serving(application) as server, joined_threads() as threads:
        with RawPeer.to(server.server_address) as peer:
            peer.upgrade()
            peer.send(frame(TEXT, b"x"))
            peer.read_frame()
            server.shutdown()
            closing = threads.start(server.server_close)
            assert peer.read_close() == (1001, "Server is shutting down")
            peer.send(close_frame(1001))
        closing.result(10)
    assert ended(made[0])[0] in (1001, 1006)  # stop() may come before the answer


def test_handler_class_can_be_replaced() -> None:
    seen: list[Any] = []

    class Handler(WebSocketWSGIHandler):
        def setup_environ(self) -> None:
            super().setup_environ()
            seen.append(self.environ["ws4py.socket"])

    class RequestHandler(Quiet):
        WebSocketWSGIHandler = Handler

    application, made = kept()
    with visiting(application, handler=RequestHandler) as peer:
        peer.upgrade()
        assert made[0].sock is seen[0]
        peer.end()


def test_plain_requests_are_answered_by_plain_applications() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with visiting(application) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.read_response().body == b"ok"
