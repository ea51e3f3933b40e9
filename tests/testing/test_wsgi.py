"""WebSockets to WSGI applications without a port."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import Any, assert_type

import flask
import gevent
import pytest

import geventws
from geventws.adapters.flask import Sockets
from geventws.core.errors import ConnectionClosed, InvalidHandshake, Rejected
from geventws.testing.wsgi import connect
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.wsgi import WebSocketWSGIApplication, upgrade
from tests.ends import caught, run

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def echo(environ: Any, start_response: Any) -> list[bytes]:
    """Upgrade, and send every message back."""
    with upgrade(environ, start_response, subprotocols=["b", "a"]) as ws:
        for message in ws:
            ws.send(message)
    return []


def tell(environ: Any, start_response: Any) -> list[bytes]:
    """Send what the environ says for each key asked for."""
    with upgrade(environ, start_response, origins="*") as ws:
        for key in ws:
            ws.send(repr(environ.get(key)))
    return []


def test_application_is_reached_by_a_real_handshake() -> None:
    with connect(echo, "/chat?room=1", subprotocols=["a"]) as ws:
        ws.send("hello" * 1000)
        assert ws.receive(timeout=10) == "hello" * 1000
        assert (ws.subprotocol, ws.extensions) == ("a", ("permessage-deflate",))
    assert ws.close_code == 1000


def test_environ_says_what_a_servers_does() -> None:
    expected = {
        "PATH_INFO": "/r\xc3\xa4ume",
        "QUERY_STRING": "x=%20",
        "SCRIPT_NAME": "/mounted",
        "REQUEST_METHOD": "GET",
        "HTTP_HOST": "example.org:8080",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "8080",
        "HTTP_X_MORE": "yes",
        "HTTP_ORIGIN": "https://page",
        "HTTP_COOKIE": "a=b",
        "HTTP_AUTHORIZATION": "Basic dTpw",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "https",
    }
    url = "wss://example.org:8080/r%C3%A4ume?x=%20"
    environ = {"SCRIPT_NAME": "/mounted", "REMOTE_ADDR": "192.0.2.1"}
    headers = {"X-More": "yes", "Cookie": "a=b"}
    with connect(
        tell, url, environ=environ, headers=headers, origin="https://page", auth=("u", "p")
    ) as ws:
        for key, value in expected.items():
            ws.send(key)
            assert ws.receive(timeout=10) == repr(value), key


def test_refusal_comes_with_status_headers_and_body() -> None:
    def refuse(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("402 Payment Required", [("X-Price", "1")])
        write(b"pay ")
        yield b"first"

    with pytest.raises(Rejected) as refused:
        connect(refuse)
    assert (refused.value.status, refused.value.body) == (402, b"pay first")
    assert refused.value.headers["X-Price"] == "1"


def test_wrong_origin_is_refused_as_on_a_server() -> None:
    assert caught(lambda: connect(echo, origin="http://elsewhere")).status == 403
    with connect(echo, origin="http://localhost") as ws:
        assert ws.ping(timeout=10) >= 0


def test_redirect_leads_to_the_same_application_and_cookies_are_kept() -> None:
    def lead(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/there":
            return tell(environ, start_response)
        headers = [("Location", "/there"), ("Set-Cookie", "seen=1")]
        start_response("302 Found", headers)
        return []

    with connect(lead, "/here", cookies=CookieJar()) as ws:
        ws.send("HTTP_COOKIE")
        assert ws.receive(timeout=10) == "'seen=1'"
    assert caught(lambda: connect(lead, "/here", redirects=0)).status == 302


def test_what_the_application_raises_before_its_answer_is_raised() -> None:
    def fail(environ: Any, start_response: Any) -> list[bytes]:
        raise KeyError("no answer")

    with pytest.raises(KeyError, match="no answer"):
        connect(fail)


def test_application_that_answers_nothing_is_told_so() -> None:
    with pytest.raises(RuntimeError, match="neither"):
        connect(lambda environ, start_response: [])


def test_application_that_fails_later_closes_with_1011() -> None:
    def fail(environ: Any, start_response: Any) -> list[bytes]:
        ws = upgrade(environ, start_response)
        raise KeyError(ws.receive())

    ws = connect(fail)
    ws.send("now")
    with pytest.raises(ConnectionClosed) as closed:
        ws.receive(timeout=10)
    assert closed.value.code == 1011
    ws.close()


def test_invalid_handshake_that_a_view_raises_is_answered_before_the_opening_alone() -> None:
    def late(environ: Any, start_response: Any) -> list[bytes]:
        upgrade(environ, start_response)
        raise InvalidHandshake("another one's")

    ws = connect(late)
    assert caught(ws.receive, 10).code == 1011
    ws.close()


def test_view_that_is_killed_answers_nothing() -> None:
    def leave(environ: Any, start_response: Any) -> list[bytes]:
        raise gevent.GreenletExit

    with pytest.raises(InvalidHandshake, match="ends before"):
        connect(leave)


def test_application_is_not_asked_for_what_was_given_up() -> None:
    asked: list[Any] = []

    def ask(environ: Any, start_response: Any) -> list[bytes]:
        asked.append(environ)
        return []

    assert isinstance(caught(lambda: connect(ask, capacity=0, open_timeout=0.01)), TimeoutError)
    run()
    assert asked == []


def test_connection_that_the_view_leaves_open_is_closed_with_1000() -> None:
    def leave(environ: Any, start_response: Any) -> list[bytes]:
        upgrade(environ, start_response)
        return [b"never sent"]

    with connect(leave) as ws:
        assert list(ws) == []
    assert ws.close_code == 1000


def test_lazy_websocket_is_in_the_environ() -> None:
    def lazy(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.websocket"].send("by itself")
        return []

    with connect(lazy) as ws:
        assert ws.receive(timeout=10) == "by itself"


def test_request_is_upgraded_once() -> None:
    def twice(environ: Any, start_response: Any) -> list[bytes]:
        first = upgrade(environ, start_response)
        first.send(str(caught(lambda: upgrade(environ, start_response))))
        return []

    with connect(twice) as ws:
        assert "upgraded already" in str(ws.receive(timeout=10))


def test_opening_ends_with_its_deadline() -> None:
    def sleep(environ: Any, start_response: Any) -> list[bytes]:
        gevent.sleep(0.05)
        return echo(environ, start_response)

    with pytest.raises(TimeoutError, match="open_timeout"):
        connect(sleep, open_timeout=0.001)
    gevent.sleep(0.1)  # until the view finds nobody there


def test_wrong_arguments_are_told_before_the_application_runs() -> None:
    for arguments in ({"origin": "a\r\nb"}, {"max_size": -1}, {"subprotocols": "ab"}):
        assert isinstance(caught(lambda kw=arguments: connect(echo, **kw)), (ValueError, TypeError))
    with pytest.raises(ValueError, match="url"):
        connect(echo, "http://no/websocket")


def test_handler_says_what_class_the_connection_has() -> None:
    ws, plain = connect(echo, handler=EchoWebSocket), connect(echo)
    assert_type(ws, EchoWebSocket)
    assert_type(plain, WebSocket)
    assert isinstance(ws, EchoWebSocket)
    for each in (ws, plain):
        each.close()


def test_little_capacity_holds_the_sender_back() -> None:
    ws = connect(echo, capacity=1000, compression=None)
    sender = gevent.spawn(ws.send, bytes(100_000))
    gevent.sleep(0)
    assert not sender.ready()
    assert ws.receive(timeout=10) == bytes(100_000)
    sender.get(timeout=10)
    ws.close()


def test_application_that_upgrades_every_request() -> None:
    with connect(WebSocketWSGIApplication(handler_cls=EchoWebSocket)) as ws:
        ws.send("echo")
        assert ws.receive(timeout=10) == "echo"


def test_flask_serves_its_routes_and_refuses_what_it_has_not() -> None:
    app = flask.Flask(__name__)
    app.secret_key = "secret"
    sockets = Sockets(app)

    @sockets.route("/rooms/<int:number>")
    def room(ws: geventws.WebSocket, number: int) -> None:
        for message in ws:
            ws.send(f"{number} {message!s} {flask.request.args['a']}")

    with connect(app, "/rooms/7?a=b") as ws:
        ws.send("hi")
        assert ws.receive(timeout=10) == "7 hi b"
    assert caught(lambda: connect(app, "/elsewhere")).status == 404


def test_malformed_answer_breaks_the_handshake() -> None:
    def lie(environ: Any, start_response: Any) -> list[bytes]:
        start_response("101 Switching Protocols", [("Upgrade", "websocket")])
        return []

    with pytest.raises(InvalidHandshake):
        connect(lie)
