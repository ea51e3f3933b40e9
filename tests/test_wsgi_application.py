"""WebSocketWSGIApplication, on WSGIServer."""

from __future__ import annotations

from typing import Any

import pytest

from geventws.core.deflate import Deflate
from geventws.core.handshake import Response
from geventws.pywsgi import WSGIServer
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.wsgi import WebSocketWSGIApplication
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, echo, running, wsgi_serving

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def answer(environ: Any, start_response: Any, status: str) -> list[bytes]:
    """Answer as any WSGI application does."""
    start_response(status, [("Content-Type", "text/plain")])
    return [status.encode()]


# WebSocketWSGIApplication


@pytest.mark.parametrize("arguments", [{"handler": echo}, {"handler_cls": EchoWebSocket}])
def test_application_echoes(arguments: dict[str, Any]) -> None:
    with wsgi_serving(WebSocketWSGIApplication(**arguments)) as peer:
        peer.send(head(), frame(TEXT, b"one"), frame(TEXT, b"two"), close_frame(1000))
        assert peer.read_head().status == 101
        assert [peer.read_frame(), peer.read_frame()] == [(TEXT, b"one"), (TEXT, b"two")]
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""


def test_application_answers_426_to_a_plain_request() -> None:
    with wsgi_serving(WebSocketWSGIApplication(handler=echo)) as peer:
        peer.send(PLAIN)
        reply = peer.read_response()
        assert reply.status == 426
        assert reply.headers["upgrade"] == "websocket"


def test_application_takes_protocols_and_extensions() -> None:
    application = WebSocketWSGIApplication(["chat"], ["permessage-deflate"], EchoWebSocket)
    with wsgi_serving(application) as peer:
        reply = peer.upgrade(
            Sec_WebSocket_Protocol="chat", Sec_WebSocket_Extensions="permessage-deflate"
        )
        assert reply.headers["sec-websocket-protocol"] == "chat"
        assert reply.headers["sec-websocket-extensions"].startswith("permessage-deflate")


@pytest.mark.parametrize("extensions", [[], (), iter([])])
def test_application_takes_no_extensions(extensions: Any) -> None:
    application = WebSocketWSGIApplication(extensions=extensions, handler=echo)
    assert application._upgrader.options.compression is None


def test_application_takes_a_deflate() -> None:
    deflate = Deflate(level=1)
    application = WebSocketWSGIApplication(extensions=[deflate], handler=echo)
    assert application._upgrader.options.compression is deflate


def test_application_names_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="extensions"):
        WebSocketWSGIApplication(extensions=["x-other"])
    with pytest.raises(TypeError, match="handler"):
        WebSocketWSGIApplication(handler="echo")  # type: ignore[arg-type]


def test_application_asks_process_request() -> None:
    application = WebSocketWSGIApplication(
        handler=echo,
        process_request=lambda request: Response(401, {"WWW-Authenticate": "Basic"}, "who?\n"),
    )
    with wsgi_serving(application) as peer:
        peer.send(head())
        reply = peer.read_response()
        assert (reply.status, reply.body) == (401, b"who?\n")
        assert reply.headers["www-authenticate"] == "Basic"
        assert peer.read_to_end() == b""


def test_application_keeps_the_environ_where_that_is_wanted() -> None:
    seen: list[Any] = []
    for keeps in (True, False):
        application = WebSocketWSGIApplication(
            handler=lambda ws: seen.append(ws.environ), keep_environ=keeps
        )
        with wsgi_serving(application) as peer:
            peer.upgrade()
            peer.read_close()
    assert seen[0]["PATH_INFO"] == "/"
    assert seen[1] is None


def test_application_that_fails_is_logged_and_closed_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(ws: WebSocket) -> None:
        raise RuntimeError("secret")

    with wsgi_serving(WebSocketWSGIApplication(handler=fail)) as peer:
        peer.upgrade()
        assert peer.read_close() == (1011, "the application failed")
        assert str(peer.socket.getsockname()) in caplog.text
    assert len(caplog.records) == 1


def test_several_applications_share_a_server() -> None:
    chat = WebSocketWSGIApplication(handler=echo)

    def route(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/chat":
            return chat(environ, start_response)
        return answer(environ, start_response, "200 OK")

    with running(WSGIServer(LOCAL, route, log=None)) as server:
        with RawPeer.to(server.address) as peer:
            peer.upgrade("GET /chat HTTP/1.1")
            peer.end()
        with RawPeer.to(server.address) as peer:
            peer.send(PLAIN, PLAIN)
            assert peer.read_response().body == b"200 OK"
            assert peer.read_response().body == b"200 OK"
