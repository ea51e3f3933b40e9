"""WebSockets on WSGIServer: from the request on, and when they end."""

from __future__ import annotations

import gc
import ssl
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import gevent
import gevent.pool
import gevent.pywsgi
import gevent.ssl
import pytest

from geventws.core.errors import ConnectionClosed
from geventws.pywsgi import WSGIServer
from geventws.wsgi import WebSocketWSGIApplication, upgrade
from setup import ROOT
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.servers import authority, certified, trusting
from tests.serving import LOCAL, echo, running, wsgi_serving

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
chat = WebSocketWSGIApplication(handler=echo)


def mirror(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with what the request says; or serve a WebSocket."""
    if "wsgi.websocket" in environ:
        return chat(environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    body: bytes = environ["wsgi.input"].read()
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} ".encode(), body]


class Log(list[str]):
    """What a server writes its log to."""

    def write(self, line: str) -> None:
        self.append(line)


# Upgrades


@pytest.mark.parametrize("way", [RawPeer.send, RawPeer.drip])
def test_frames_with_the_handshake_are_received(way: Any) -> None:
    with wsgi_serving(mirror) as peer:
        way(peer, PLAIN + head() + frame(TEXT, b"one") + frame(TEXT, b"x" * 20_000))
        assert peer.read_response().status == 200
        assert peer.read_head().status == 101
        assert peer.read_frame() == (TEXT, b"one")
        assert peer.read_frame() == (TEXT, b"x" * 20_000)
        peer.end()


def test_requests_after_a_websocket_are_not_served() -> None:
    with wsgi_serving(mirror) as peer:
        peer.upgrade()
        peer.send(close_frame(1000), PLAIN, PLAIN)
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""


def test_refused_upgrade_closes_and_serves_nothing_more() -> None:
    def refuse(environ: Any, start_response: Any) -> list[bytes]:
        start_response("403 Forbidden", [("connection", "keep-alive")])
        return [b"no"]

    with wsgi_serving(refuse) as peer:
        peer.send(head(), frame(TEXT, b"x" * 1000), PLAIN)
        assert peer.read_response().status == 403
        assert peer.read_to_end() == b""


def test_access_log_says_101_and_one_line() -> None:
    log = Log()
    with wsgi_serving(mirror, log=log) as peer:
        reply = peer.upgrade("GET /chat?x HTTP/1.1")
        assert "content-length" not in reply.headers
        peer.end()
    (line,) = log
    assert '"GET /chat?x HTTP/1.1" 101 ' in line


@pytest.mark.parametrize(
    "error", [RuntimeError("secret"), gevent.Timeout(1, ValueError("secret"))], ids=repr
)
def test_view_that_fails_after_the_upgrade_closes_with_1011(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(environ: Any, start_response: Any) -> list[bytes]:
        upgrade(environ)
        raise error

    with wsgi_serving(fail) as peer:
        peer.upgrade()
        assert peer.read_close() == (1011, "the application failed")
        peer.send(close_frame(1011))
        assert b"secret" not in peer.read_to_end()
        assert str(peer.socket.getsockname()) in caplog.text
    assert "secret" in caplog.text


def test_view_that_ends_by_connection_closed_is_no_error(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def receive(environ: Any, start_response: Any) -> list[bytes]:
        ws = upgrade(environ)
        while True:
            ws.receive()

    with wsgi_serving(receive) as peer:
        peer.upgrade()
        peer.end(4000)
    assert not caplog.records
    assert "Traceback" not in capfd.readouterr().err


def test_peer_that_goes_before_the_upgrade_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    raised: list[BaseException] = []

    def wait(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].socket.shutdown(1)  # as if it had gone
        try:
            upgrade(environ)
        except ConnectionClosed as error:
            raised.append(error)
            raise
        return []

    with wsgi_serving(wait) as peer:
        peer.send(head())
        assert peer.read_to_end() == b""
    assert raised
    assert "Traceback" not in capfd.readouterr().err


def test_upgraded_connection_lets_go_of_its_request() -> None:
    with running(WSGIServer(LOCAL, mirror, log=None)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        gevent.sleep(0)
        gc.collect()
        found = [each for each in gc.get_objects() if type(each) is gevent.pywsgi.OldMessage]
        assert [each for each in found if each is not gevent.pywsgi.WSGIHandler.headers] == []


# TLS and unix sockets


def gevent_tls() -> Any:
    """Return a server's context of gevent's own class."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority("ours").issue_cert("localhost").configure_cert(context)
    return context


@pytest.mark.parametrize("name", ["ssl", "ssl_context"])
@pytest.mark.parametrize("context", [lambda: certified("localhost"), gevent_tls])
def test_server_speaks_tls_with_any_context(name: str, context: Any) -> None:
    with (
        running(WSGIServer(LOCAL, mirror, log=None, **{name: context()})) as server,
        RawPeer.to(server.address, trusting()) as peer,
    ):
        peer.send(PLAIN, head(Origin="https://example.org"), frame(TEXT, b"first"))
        assert peer.read_response().status == 200
        assert peer.read_head().status == 101
        assert peer.read_frame() == (TEXT, b"first")
        peer.send(frame(TEXT, b"x" * 100_000))
        assert peer.read_frame() == (TEXT, b"x" * 100_000)
        peer.end()


def test_refusal_over_tls_arrives() -> None:
    with (
        running(WSGIServer(LOCAL, mirror, log=None, ssl=certified("localhost"))) as server,
        RawPeer.to(server.address, trusting()) as peer,
    ):
        peer.send(head(Origin="http://example.org"))
        assert peer.read_response().status == 403
        assert peer.read_to_end() == b""


def test_server_listens_on_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with running(WSGIServer(f"unix:{path}", mirror, log=None)), RawPeer.to(path) as peer:
        peer.send(PLAIN)
        assert peer.read_response().status == 200
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")
        peer.end()


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt"])
def test_program_ends_when_a_view_says_so_after_its_upgrade(name: str) -> None:
    code = f"""
        import gevent, geventws
        from geventws.pywsgi import WSGIServer

        def view(environ, start_response):
            geventws.upgrade(environ)
            raise {name}("enough")

        server = WSGIServer(("127.0.0.1", 0), view, log=None)
        server.start()
        client = gevent.spawn(geventws.connect, f"ws://127.0.0.1:{{server.server_port}}/")
        try:
            gevent.sleep(20)
        except {name} as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout == "enough\n", done.stderr
    assert "TypeError" not in done.stderr
