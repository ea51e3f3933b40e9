"""The handler class, on gevent's own server as the README has it, and on ours."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent.ssl
import pytest
from gevent import pywsgi, socket
from gevent.event import Event

import geventws.pywsgi
from geventws.adapters.gevent_websocket.handler import WebSocketHandler
from tests.leaks import census, settle
from tests.rawpeer import TEXT, RawPeer, frame, head
from tests.servers import authority, trusting
from tests.serving import LOCAL, running


def websocket_app(environ: Any, start_response: Any) -> Any:
    """Do what the README's does, and answer other requests."""
    if environ["PATH_INFO"] == "/echo":
        ws = environ["wsgi.websocket"]
        message = ws.receive()
        ws.send(message)
    elif environ["PATH_INFO"] == "/fail":
        raise ValueError("the application fails")
    elif environ["PATH_INFO"] == "/late":
        ws = environ["wsgi.websocket"]
        while ws.receive() is not None:
            pass
        ws.send("too late")
    else:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]
    return None


class Open(WebSocketHandler):
    """Takes pages from anywhere."""

    arguments = {"origins": "*"}  # noqa: RUF012


@contextmanager
def stock(
    handler_class: Any = WebSocketHandler, listener: Any = LOCAL, **arguments: Any
) -> Iterator[Any]:
    """Have gevent's own server run with *handler_class*."""
    before = census()
    server = pywsgi.WSGIServer(
        listener, websocket_app, handler_class=handler_class, log=None, **arguments
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
    settle(before)


def talk(peer: RawPeer, **headers: str) -> None:
    """Have a message come back that is sent with the handshake."""
    peer.send(head("GET /echo HTTP/1.1", **headers), frame(TEXT, b"hi"))
    assert peer.read_head().status == 101
    assert peer.read_frame() == (TEXT, b"hi")
    assert peer.read_close()[0] == 1000


def test_application_talks_on_gevents_own_server() -> None:
    with stock() as server:
        for _ in range(2):
            with RawPeer.to(server.address) as peer:
                talk(peer)
        assert server.clients == {}


def test_application_talks_on_our_server() -> None:
    server = geventws.pywsgi.WSGIServer(
        LOCAL, websocket_app, handler_class=WebSocketHandler, log=None
    )
    with running(server), RawPeer.to(server.address) as peer:
        talk(peer)


def test_application_talks_over_tls_and_unix_sockets(tmp_path: Any) -> None:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority("ours").issue_cert("localhost").configure_cert(context)
    with stock(ssl_context=context) as server, RawPeer.to(server.address, trusting()) as peer:
        talk(peer)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()
    with stock(listener=listener), RawPeer.to(str(tmp_path / "socket")) as peer:
        talk(peer)


def test_other_requests_are_answered_on_gevents_own_server() -> None:
    with stock() as server, RawPeer.to(server.address) as peer:
        for _ in range(2):  # on one connection
            peer.send(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
            assert peer.read_response().body == b"hello"
        peer.send(b"GET / HTTP/1.1\r\n\r\n")
        assert peer.read_response().status == 400


def test_origins_are_those_that_the_class_says() -> None:
    foreign = {"Origin": "http://elsewhere.example"}
    with stock() as server, RawPeer.to(server.address) as peer:
        peer.send(head("GET /echo HTTP/1.1", **foreign))
        assert peer.read_head().status == 403
    with stock(Open) as server, RawPeer.to(server.address) as peer:
        talk(peer, **foreign)


def test_application_that_fails_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    with stock() as server, RawPeer.to(server.address) as peer:
        peer.upgrade("GET /fail HTTP/1.1")
        assert peer.read_close()[0] == 1011
    assert "the application fails" in caplog.text


def test_what_the_application_returns_is_closed() -> None:
    closed = Event()

    class Body(list[bytes]):
        def close(self) -> None:
            closed.set()

    server = geventws.pywsgi.WSGIServer(
        LOCAL, lambda *_: Body([b"not sent"]), handler_class=WebSocketHandler, log=None
    )
    with running(server), RawPeer.to(server.address) as peer:
        peer.upgrade()
        assert peer.read_close()[0] == 1000
        assert closed.is_set()


def test_sending_too_late_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    with stock() as server, RawPeer.to(server.address) as peer:
        peer.upgrade("GET /late HTTP/1.1")
        peer.end()
    assert "Socket is dead" not in caplog.text


def test_application_is_not_called_where_a_subclass_says_so() -> None:
    class Alone(WebSocketHandler):
        prevent_wsgi_call = True

        def run_websocket(self) -> None:
            super().run_websocket()
            assert self.websocket is not None
            self.websocket.send("alone")

    with stock(Alone) as server, RawPeer.to(server.address) as peer:
        peer.upgrade("GET /fail HTTP/1.1")
        assert peer.read_frame() == (TEXT, b"alone")
        peer.end()
