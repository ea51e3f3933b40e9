"""How connections are had of WSGI servers: gevent's own here, without a handler class of ours."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest
from gevent import pywsgi
from zope.interface.verify import verifyObject

from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.interfaces import ICaretaker, ITransport, IUpgradable
from geventws.transport import Transport
from geventws.upgradable import BufferedRequest, Gone, registry, upgradable_of
from geventws.websocket import EchoWebSocket
from geventws.wsgi import WebSocketWSGIApplication, upgrade
from tests import serving
from tests.leaks import census, settle
from tests.pairs import unix
from tests.rawpeer import BINARY, TEXT, RawPeer, close_frame, frame, head
from tests.servers import authority, trusting
from tests.serving import LOCAL


class Log(list[str]):
    """What gevent's server writes its log to."""

    def write(self, line: str) -> None:
        self.append(line)


@contextmanager
def stock(application: Any, listener: Any = LOCAL, **arguments: Any) -> Iterator[Any]:
    """Have gevent's own server run."""
    arguments.setdefault("log", None)
    before = census()
    server = pywsgi.WSGIServer(listener, application, **arguments)
    server.start()
    try:
        yield server.socket.getsockname()
    finally:
        server.stop()
    settle(before)


def echo(environ: Any, start_response: Any) -> list[bytes]:
    """Send every message back, as a view of any framework might."""
    with upgrade(environ, start_response) as ws:
        for message in ws:
            ws.send(message)
    return []


def echo_alone(environ: Any, start_response: Any) -> list[bytes]:
    """Do it where a framework hides start_response."""
    return echo(environ, None)


def echo_in_a_framework(environ: Any, start_response: Any) -> list[bytes]:
    """Do it where a framework makes a response of what the view returns."""
    echo(environ, None)
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", "0")])
    return [b""]


each_view = pytest.mark.parametrize("view", [echo, echo_alone, echo_in_a_framework])


@each_view
def test_upgrade_works_on_gevents_own_server(view: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with stock(view) as address, RawPeer.to(address) as peer:
        reply = peer.upgrade()
        assert "content-length" not in reply.headers
        assert "transfer-encoding" not in reply.headers
        peer.send(frame(TEXT, b"hi"), frame(BINARY, b"\0" * 70000))
        assert peer.read_frame() == (TEXT, b"hi")
        assert peer.read_frame() == (BINARY, b"\0" * 70000)
        peer.end()
    assert "Traceback" not in capfd.readouterr().err


@each_view
@pytest.mark.parametrize("way", [RawPeer.send, RawPeer.drip])
def test_frames_with_the_handshake_are_received_on_gevents_own_server(view: Any, way: Any) -> None:
    with stock(view) as address, RawPeer.to(address) as peer:
        way(peer, head() + frame(TEXT, b"one") + frame(TEXT, b"x" * 20000) + close_frame(1000))
        assert peer.read_head().status == 101
        assert peer.read_frame() == (TEXT, b"one")
        assert peer.read_frame() == (TEXT, b"x" * 20000)
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""


def test_upgrade_is_found_in_a_list_on_gevents_own_server() -> None:
    with stock(echo) as address, RawPeer.to(address) as peer:
        peer.upgrade(Upgrade="websocket, h2c", Connection="keep-alive, Upgrade")
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")
        peer.end()


def test_upgrade_works_over_tls_on_gevents_own_server() -> None:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority("ours").issue_cert("localhost").configure_cert(context)
    with stock(echo, ssl_context=context) as address, RawPeer.to(address, trusting()) as peer:
        peer.send(head(), frame(TEXT, b"first"))
        assert peer.read_head().status == 101
        assert peer.read_frame() == (TEXT, b"first")
        peer.send(frame(TEXT, b"x" * 100_000))
        assert peer.read_frame() == (TEXT, b"x" * 100_000)
        peer.end()


def test_upgrade_works_over_a_unix_socket_on_gevents_own_server(tmp_path: Path) -> None:
    listener = gevent.socket.socket(gevent.socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()
    with stock(echo, listener) as address, RawPeer.to(address) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")
        peer.end()


def test_access_log_of_gevents_own_server_says_101() -> None:
    log = Log()
    with stock(echo, log=log) as address, RawPeer.to(address) as peer:
        peer.upgrade("GET /chat HTTP/1.1")
        peer.end()
    (line,) = log
    assert '"GET /chat HTTP/1.1" 101 ' in line


def forget(environ: Any, start_response: Any) -> list[bytes]:
    """Leave the connection open."""
    upgrade(environ, start_response)
    return []


def forget_in_a_framework(environ: Any, start_response: Any) -> list[bytes]:
    """Leave it open where a framework answers then."""
    upgrade(environ)
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<html>"]


def fail(environ: Any, start_response: Any) -> list[bytes]:
    """Fail without having closed the connection."""
    upgrade(environ, start_response)
    raise RuntimeError("secret")


@pytest.mark.parametrize("view", [forget, forget_in_a_framework, fail])
@pytest.mark.parametrize("spawn", [gevent.spawn, gevent.spawn_raw])
def test_connection_that_a_view_left_open_is_dropped_with_1011(view: Any, spawn: Any) -> None:
    with stock(view, spawn=spawn, error_log=None) as address, RawPeer.to(address) as peer:
        peer.upgrade()
        assert peer.read_close()[0] == 1011
        assert peer.read_to_end() == b""


def test_connection_that_a_view_forgets_over_tls_is_dropped() -> None:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority("ours").issue_cert("localhost").configure_cert(context)
    with stock(forget, ssl_context=context) as address, RawPeer.to(address, trusting()) as peer:
        peer.upgrade()
        assert peer.read_to_end() == b""


def test_view_may_answer_a_request_that_cannot_be_upgraded() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        try:
            upgrade(environ, start_response)
        except InvalidHandshake as error:
            start_response(f"{error.status} No", [("Connection", "close")])
            return [b"no"]
        return []

    with stock(view) as address, RawPeer.to(address) as peer:
        peer.send(head(Sec_WebSocket_Version="8"))
        assert peer.read_head().status == 426
        assert peer.read_to_end() == b"no"


@pytest.mark.parametrize("arguments", [{"handler": serving.echo}, {"handler_cls": EchoWebSocket}])
def test_application_works_on_gevents_own_server(arguments: Any) -> None:
    with stock(WebSocketWSGIApplication(**arguments)) as address:
        with RawPeer.to(address) as peer:
            peer.upgrade()
            peer.send(frame(TEXT, b"hi"))
            assert peer.read_frame() == (TEXT, b"hi")
            peer.end()
        with RawPeer.to(address) as peer:
            peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert peer.read_response().status == 426
            assert peer.read_to_end() == b""


def test_application_refuses_two_hosts_on_gevents_own_server() -> None:
    application = WebSocketWSGIApplication(handler=serving.echo)
    with stock(application) as address, RawPeer.to(address) as peer:
        peer.send(head().replace(b"\r\n", b"\r\nHost: other\r\n", 1))
        assert peer.read_response().status == 400
        assert peer.read_to_end() == b""


def test_peer_that_has_gone_is_no_error_of_the_application() -> None:
    near, far = unix()
    application = WebSocketWSGIApplication(handler=serving.echo)
    environ = {**environ_of(head()), "wsgi.input": near.makefile("rb")}
    far.close()
    assert application(environ, None) == []
    near.close()


def test_peer_that_has_gone_is_connection_closed() -> None:
    near, far = unix()
    environ = {**environ_of(head()), "wsgi.input": near.makefile("rb")}
    far.close()
    with pytest.raises(ConnectionClosed):
        upgrade(environ)
    near.close()


def test_socket_that_is_gone_tells_once_that_it_is_closed() -> None:
    told: list[str] = []
    gone = Gone(lambda: told.append("closed"))
    assert gone
    for _ in range(2):
        gone.close()
    assert not gone
    assert told == ["closed"]


# The registry


def environ_of(data: bytes) -> dict[str, Any]:
    """Return the environ of an opening handshake, but for its input."""
    first_line, *lines = data.decode().rstrip().split("\r\n")
    pairs = (line.split(": ") for line in lines)
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in pairs}
    method, path, version = first_line.split(" ")
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_PROTOCOL": version,
        **headers,
    }


def test_server_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="does not let go"):
        upgrade({**environ_of(head()), "wsgi.input": object()})


def test_wrong_request_is_refused_as_such_on_any_server() -> None:
    with pytest.raises(InvalidHandshake) as raised:
        upgrade({**environ_of(head(Upgrade=None)), "wsgi.input": object()})
    assert raised.value.status == 426


def test_server_without_a_socket_that_has_a_transport_is_refused() -> None:
    environ = {**environ_of(head()), "wsgi.input": io.BufferedReader(io.BytesIO())}
    with pytest.raises(TypeError, match="no transport"):
        upgrade(environ)


def test_buffered_request_is_an_upgradable() -> None:
    near, far = unix()
    with near.makefile("rb") as reader:
        upgradable = upgradable_of({"wsgi.input": reader})
        assert isinstance(upgradable, BufferedRequest)
        assert verifyObject(IUpgradable, upgradable)
        assert upgradable.socket is near
    near.close()
    far.close()


def test_registry_finds_what_fits_a_gevent_socket() -> None:
    near, far = unix()
    transport = registry.queryAdapter(near, ITransport)
    assert isinstance(transport, Transport)
    assert verifyObject(ITransport, transport)
    assert verifyObject(ICaretaker, registry.queryAdapter(transport, ICaretaker))
    transport.close()
    far.close()
