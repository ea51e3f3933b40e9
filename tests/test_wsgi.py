"""upgrade(), the lazy "wsgi.websocket" and the application, on WSGIServer."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from geventws.core.errors import InvalidHandshake
from geventws.interfaces import IWebSocket
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.wsgi import WebSocketWSGIApplication, upgrade
from tests.rawpeer import BINARY, PING, PONG, TEXT, frame, head
from tests.serving import echo, wsgi_serving

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def answer(environ: Any, start_response: Any, status: str) -> list[bytes]:
    """Answer as any WSGI application does."""
    start_response(status, [("Content-Type", "text/plain")])
    return [status.encode()]


# upgrade()


def echo_view(environ: Any, start_response: Any) -> Any:
    """Send every message back; what a framework makes of the return value comes after that."""
    for message in (ws := upgrade(environ)):
        ws.send(message)
    return answer(environ, start_response, "200 OK")


def test_upgrade_serves_a_view_that_returns_a_response_as_frameworks_do() -> None:
    with wsgi_serving(echo_view) as peer:
        reply = peer.upgrade()
        assert "content-length" not in reply.headers
        peer.send(frame(TEXT, b"hi"), frame(PING, b"p"))
        assert sorted([peer.read_frame(), peer.read_frame()]) == [(TEXT, b"hi"), (PONG, b"p")]
        peer.end()


def test_upgrade_serves_a_view_that_is_a_generator() -> None:
    def view(environ: Any, start_response: Any) -> Any:
        ws = upgrade(environ)
        ws.send(ws.receive())
        yield b"not sent"

    with wsgi_serving(view) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")
        assert peer.read_close() == (1000, "")


def test_upgrade_takes_options_and_keeps_the_environ() -> None:
    seen: list[Any] = []

    def view(environ: Any, start_response: Any) -> list[bytes]:
        ws = upgrade(
            environ,
            handler=EchoWebSocket,
            subprotocols=["chat"],
            headers={"X-A": "b"},
            max_size=10,
            compression=None,
        )
        seen.append((type(ws), ws.environ is environ, ws.subprotocol, ws.request))
        ws.run()
        return []

    with wsgi_serving(view) as peer:
        reply = peer.upgrade(
            "GET /p?q HTTP/1.1",
            Sec_WebSocket_Protocol="x, chat",
            Sec_WebSocket_Extensions="permessage-deflate",
        )
        assert reply.headers["sec-websocket-protocol"] == "chat"
        assert reply.headers["x-a"] == "b"
        assert "sec-websocket-extensions" not in reply.headers
        assert seen[0][:3] == (EchoWebSocket, True, "chat")
        assert (seen[0][3].path, seen[0][3].query) == ("/p", "q")
        assert seen[0][3].remote_address == peer.socket.getsockname()
        peer.send(frame(BINARY, b"x" * 11))
        assert peer.read_close()[0] == 1009


def test_upgrade_works_once() -> None:
    raised: list[str] = []

    def view(environ: Any, start_response: Any) -> list[bytes]:
        upgrade(environ)
        with pytest.raises(RuntimeError) as error:
            upgrade(environ)
        raised.append(str(error.value))
        return []

    with wsgi_serving(view) as peer:
        peer.upgrade()
        assert peer.read_close() == (1000, "")
    assert raised == ["environ: the request was answered already"]


@pytest.mark.parametrize(
    ("first_line", "headers", "status"),
    [
        ("POST / HTTP/1.1", {}, 405),
        ("GET / HTTP/1.0", {}, 400),
        ("GET / HTTP/1.1", {"Connection": "close"}, 426),
        ("GET / HTTP/1.1", {"Upgrade": None, "Connection": "close"}, 426),  # nginx, told nothing
        ("GET / HTTP/1.1", {"Sec_WebSocket_Version": "8"}, 426),
        ("GET / HTTP/1.1", {"Sec_WebSocket_Key": "short"}, 400),
        ("GET / HTTP/1.1", {"Content_Length": "4"}, 400),
        ("GET / HTTP/1.1", {"Origin": "https://evil.example"}, 403),
        ("GET / HTTP/1.1", {"Sec_WebSocket_Extensions": "a b"}, 400),
    ],
)
@pytest.mark.parametrize("view", [echo_view, WebSocketWSGIApplication(handler=echo)])
def test_wrong_request_is_answered_as_it_should_be(
    first_line: str, headers: dict[str, Any], status: int, view: Any
) -> None:
    with wsgi_serving(view) as peer:
        peer.send(head(first_line, **headers), b"body")
        reply = peer.read_response()
        assert reply.status == status
        assert "close" in reply.headers["connection"]
        assert reply.body.count(b"\n") == 1
        assert peer.read_to_end() == b""


def test_wrong_request_is_answered_though_a_framework_has_copied_its_environ() -> None:
    def view(environ: Any, start_response: Any) -> Any:
        return echo_view({**environ}, start_response)

    with wsgi_serving(view) as peer:
        peer.send(head(Upgrade=None, Connection="close"))
        assert peer.read_response().status == 426


def test_view_may_answer_a_wrong_request_itself() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        with pytest.raises(InvalidHandshake):
            upgrade(environ)
        return answer(environ, start_response, "418 I'm a teapot")

    with wsgi_serving(view) as peer:
        peer.send(head(Origin="null"))
        assert peer.read_response().status == 418
        assert peer.read_to_end() == b""


def test_invalid_handshake_of_something_else_is_an_error_of_the_view(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        raise InvalidHandshake("of a client that the view has")

    with wsgi_serving(view) as peer:
        peer.send(head())
        assert peer.read_response().status == 500
    assert "InvalidHandshake" in capfd.readouterr().err


def test_wrong_request_that_is_answered_in_part_gets_no_second_answer(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "9")])(b"part")
        upgrade(environ)
        return []

    with wsgi_serving(view) as peer:
        peer.send(head(Upgrade=None, Connection="close"))
        assert peer.read_to_end().endswith(b"\r\n\r\npart")
    assert "InvalidHandshake" in capfd.readouterr().err


# environ["wsgi.websocket"]


def guarded(environ: Any, start_response: Any) -> list[bytes]:
    """Look at the request before the connection is opened."""
    ws = environ["wsgi.websocket"]
    if ws.request.path == "/missing":
        return answer(environ, start_response, "404 Not Found")
    if "user" not in ws.request.cookies:
        return answer(environ, start_response, "401 Unauthorized")
    ws.state = ws.request.cookies["user"]
    for message in ws:
        ws.send(f"{ws.state}: {message}")
    return []


@pytest.mark.parametrize(("path", "status"), [("/missing", 404), ("/", 401)])
def test_lazy_websocket_lets_a_view_answer_otherwise(path: str, status: int) -> None:
    with wsgi_serving(guarded) as peer:
        peer.send(head(f"GET {path} HTTP/1.1"), frame(TEXT, b"smuggled"))
        reply = peer.read_response()
        assert reply.status == status
        assert reply.headers["connection"] == "close"
        assert peer.read_to_end() == b""


def test_lazy_websocket_opens_when_it_is_used() -> None:
    with wsgi_serving(guarded) as peer:
        peer.upgrade(Cookie="user=ann")
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"ann: hi")
        peer.end()


def use_send(ws: Any) -> None:
    """Send first."""
    ws.send("x")


def use_receive(ws: Any) -> None:
    """Receive first."""
    ws.send(ws.receive(timeout=5))


def use_ping(ws: Any) -> None:
    """Ping first."""
    ws.ping(timeout=5)
    ws.send("x")


def use_with(ws: Any) -> None:
    """Use it as a context manager."""
    with ws as real:
        assert isinstance(real, WebSocket)
        ws.send("x")


def use_others(ws: Any) -> None:
    """Use what has no method of its own."""
    assert ws.stats.messages_sent == 0
    ws.send("x")


@pytest.mark.parametrize("use", [use_send, use_receive, use_ping, use_with, use_others])
def test_lazy_websocket_opens_at_any_first_use(use: Any) -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        use(environ["wsgi.websocket"])
        return []

    with wsgi_serving(view) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"x"))
        opcode, payload = peer.read_frame()
        if opcode == PING:
            peer.send(frame(PONG, payload))
            opcode, payload = peer.read_frame()
        assert (opcode, payload) == (TEXT, b"x")
        assert peer.read_close() == (1000, "")


def test_lazy_websocket_opens_to_be_closed() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.websocket"].close(4001, "no")
        return []

    with wsgi_serving(view) as peer:
        peer.upgrade()
        assert peer.read_close() == (4001, "no")


def test_lazy_websocket_shows_what_is_known_and_no_more() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"]
        assert verifyObject(IWebSocket, ws)
        assert (ws.subprotocol, ws.state, ws.environ) == (None, None, environ)
        for name in ("colour", "_transport"):
            with pytest.raises(AttributeError):
                getattr(ws, name)
        real = ws.accept()
        assert ws.accept() is real
        ws.state = 1
        assert (real.state, ws.state, ws.subprotocol) == (1, 1, "chat")
        assert real.environ is None
        return []

    with wsgi_serving(view, subprotocols=["chat"]) as peer:
        peer.upgrade(Sec_WebSocket_Protocol="chat")
        assert peer.read_close() == (1000, "")


def test_lazy_websocket_keeps_the_environ_where_that_is_wanted() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        ws = environ["wsgi.websocket"].accept()
        assert ws.environ is environ
        return []

    with wsgi_serving(view, keep_environ=True) as peer:
        peer.upgrade()
        assert peer.read_close() == (1000, "")


def test_lazy_websocket_is_the_connection_of_upgrade() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        ws = upgrade(environ)
        assert environ["wsgi.websocket"].accept() is ws
        return []

    with wsgi_serving(view) as peer:
        peer.upgrade()
        assert peer.read_close() == (1000, "")


def test_plain_request_has_no_lazy_websocket() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        assert "wsgi.websocket" not in environ
        return answer(environ, start_response, "200 OK")

    with wsgi_serving(view) as peer:
        peer.send(PLAIN)
        assert peer.read_response().status == 200


def test_lazy_websocket_refuses_a_wrong_request_at_its_first_use() -> None:
    with wsgi_serving(guarded) as peer:
        peer.send(head(Cookie="user=ann", Sec_WebSocket_Version="8"))
        assert peer.read_response().status == 426
        assert peer.read_to_end() == b""
