from __future__ import annotations

import socket
from typing import Any

import pytest

from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication
from tests.adapters.ws4py.scene import Echo, ended
from tests.rawpeer import ACCEPT, KEY, TEXT, RawPeer, frame
from tests.threads import joined_threads

ASKING = {
    **{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "PATH_INFO": "/ws"},
    **{"HTTP_HOST": "localhost", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"},
    **{"HTTP_SEC_WEBSOCKET_KEY": KEY, "HTTP_SEC_WEBSOCKET_VERSION": "13"},
    **{"wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1"},
}


class Server:
    """A foreign WSGI server that keeps to ws4py's contract."""

    def __init__(self, application: Any, **environ: Any) -> None:
        self.status = ""
        self.headers: dict[str, str] = {}
        self.environ = {**ASKING, **environ}
        self.body = b"".join(application(self.environ, self.start_response))
        self.websocket = self.environ.pop("ws4py.websocket", None)

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> None:
        assert all(type(part) is str for item in headers for part in item)
        self.status = status
        self.headers = dict(headers)


def test_foreign_server_finds_a_websocket_in_the_environ() -> None:
    near, far = socket.socketpair()
    application = WebSocketWSGIApplication(protocols=["chat"], handler_cls=Echo)
    offered = {"HTTP_SEC_WEBSOCKET_PROTOCOL": "other, chat", "mine": 1}
    server = Server(application, **offered, **{"ws4py.socket": near})
    assert (server.status, server.body) == ("101 Switching Protocols", b"")
    assert server.headers == {
        **{"Upgrade": "websocket", "Connection": "Upgrade"},
        **{"Sec-WebSocket-Accept": ACCEPT, "Sec-WebSocket-Protocol": "chat"},
    }
    ws = server.websocket
    assert isinstance(ws, Echo)
    assert (ws.sock, ws.protocols, ws.extensions) == (near, ["chat"], [])
    assert ws.environ is not None
    assert ws.environ["mine"] == 1
    with joined_threads() as threads, RawPeer(far) as peer:
        threads.start(ws.run)
        peer.send(frame(TEXT, b"hello"), frame(8))
        assert peer.read_frame() == (TEXT, b"hello")
        assert ended(ws) == (1005, "")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"REQUEST_METHOD": "POST"}, "405 Method Not Allowed"),
        ({"HTTP_UPGRADE": ""}, "426 Upgrade Required"),
        ({"HTTP_CONNECTION": "close"}, "426 Upgrade Required"),
        ({"HTTP_SEC_WEBSOCKET_VERSION": "8"}, "426 Upgrade Required"),
        ({"HTTP_SEC_WEBSOCKET_KEY": ""}, "400 Bad Request"),
        ({"HTTP_SEC_WEBSOCKET_KEY": "not base64!"}, "400 Bad Request"),
        ({"HTTP_HOST": "a, b"}, "400 Bad Request"),
        ({"HTTP_ORIGIN": "https://elsewhere.example"}, "403 Forbidden"),
    ],
)
def test_application_refuses_what_is_no_opening_handshake(changes: Any, status: str) -> None:
    server = Server(WebSocketWSGIApplication(), **changes)
    assert (server.status, server.websocket) == (status, None)
    assert server.body.endswith(b")\n")
    if "VERSION" in str(changes):
        assert server.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize(
    ("origin", "status"), [("ws://localhost", "101"), ("wss://localhost", "403")]
)
def test_application_understands_the_origin_of_old_clients(origin: str, status: str) -> None:
    near, far = socket.socketpair()
    asking: Any = {"HTTP_ORIGIN": origin, "HTTP_HOST": "localhost:80", "ws4py.socket": near}
    with near, far:
        assert Server(WebSocketWSGIApplication(), **asking).status.startswith(status)


def test_application_takes_what_ws4py_had_no_argument_for() -> None:
    near, far = socket.socketpair()
    with near, far:
        application = WebSocketWSGIApplication(origins="*", headers={"X-Mine": "1"})
        asking: Any = {"HTTP_ORIGIN": "https://elsewhere.example", "ws4py.socket": near}
        assert Server(application, **asking).headers["X-Mine"] == "1"
    with pytest.raises(TypeError, match="origin"):
        WebSocketWSGIApplication(origin="*")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("extensions", "agreed"), [(None, ["permessage-deflate"]), ([], [])], ids=["default", "none"]
)
def test_application_agrees_on_compression(extensions: Any, agreed: list[str]) -> None:
    near, far = socket.socketpair()
    offered: Any = {"HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate", "ws4py.socket": near}
    with near, far:
        server = Server(WebSocketWSGIApplication(extensions=extensions), **offered)
        assert server.websocket.extensions == agreed


def test_make_websocket_can_be_overridden() -> None:
    class Named(WebSocketWSGIApplication):
        def make_websocket(self, sock: Any, protocols: Any, extensions: Any, environ: Any) -> Any:
            websocket = super().make_websocket(sock, protocols, extensions, environ)
            websocket.name = environ["PATH_INFO"]
            return websocket

    near, far = socket.socketpair()
    with near, far:
        server = Server(Named(handler_cls=Echo), **{"ws4py.socket": near})
        assert server.websocket.name == "/ws"


def test_make_websocket_may_return_nothing() -> None:
    class Silent(WebSocketWSGIApplication):
        def make_websocket(self, sock: Any, protocols: Any, extensions: Any, environ: Any) -> Any:
            super().make_websocket(sock, protocols, extensions, environ)

    near, far = socket.socketpair()
    with near, far:
        server = Server(Silent(handler_cls=Echo), **{"ws4py.socket": near})
        assert isinstance(server.websocket, Echo)


def test_server_that_gives_no_socket_is_told_so() -> None:
    with pytest.raises(TypeError, match=r"ws4py\.socket"):
        Server(WebSocketWSGIApplication())
