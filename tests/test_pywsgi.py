"""WSGIServer: HTTP as strict as WebSockets need it, and the end of both."""

from __future__ import annotations

import io
import logging
from typing import Any

import gevent
import gevent.pool
import gevent.ssl
import pytest
from zope.interface.verify import verifyObject

from geventws.interfaces import IUpgradable
from geventws.limits import Limits
from geventws.pywsgi import UpgradeInput, WSGIServer
from geventws.wsgi import WebSocketWSGIApplication, upgrade
from tests.leaks import census, settle
from tests.pairs import reset
from tests.rawpeer import RawPeer, head
from tests.serving import LOCAL, echo, in_time, running, wsgi_serving

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


# HTTP as before


def test_pipelined_requests_are_answered_in_order() -> None:
    with wsgi_serving(mirror) as peer:
        peer.send(
            b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
            b"POST /three HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n",
            b"GET /four HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        bodies = [peer.read_response().body for _ in range(4)]
        assert bodies == [b"GET /one ", b"POST /two body", b"POST /three body", b"GET /four "]
        assert peer.read_to_end() == b""


def test_requests_may_come_byte_by_byte() -> None:
    with wsgi_serving(mirror) as peer:
        for path in (b"/one", b"/two"):
            peer.drip(b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            assert peer.read_response().body == b"POST " + path + b" hi"


def test_body_that_the_application_leaves_is_no_request() -> None:
    def ignore(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    with wsgi_serving(ignore) as peer:
        peer.send(b"POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n", PLAIN, PLAIN)
        assert peer.read_response().body == b"/one"
        assert peer.read_response().body == b"/"


def test_http_10_is_closed_unless_it_asks_otherwise() -> None:
    with running(WSGIServer(LOCAL, mirror, log=None)) as server:
        with RawPeer.to(server.address) as peer:
            peer.send(b"GET / HTTP/1.0\r\n\r\n")
            assert peer.read_response().status == 200
            assert peer.read_to_end() == b""
        with RawPeer.to(server.address) as peer:
            for _ in range(2):
                peer.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                assert peer.read_response().headers["connection"] == "keep-alive"


def test_expect_100_continue_is_answered() -> None:
    with wsgi_serving(mirror) as peer:
        peer.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert peer.read_head().status == 100
        peer.send(b"hi")
        assert peer.read_response().body == b"POST / hi"


def test_upgrade_to_something_else_is_a_plain_request() -> None:
    with wsgi_serving(mirror) as peer:
        peer.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"Content-Length: 2\r\n\r\nhi"
        )
        assert peer.read_response().body == b"POST / hi"


def test_application_that_fails_is_answered_500(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError("secret")

    for request in (PLAIN, head()):
        with wsgi_serving(fail) as peer:
            peer.send(request)
            assert peer.read_response().status == 500
            assert b"secret" not in peer.read_to_end()
    assert "RuntimeError: secret" in capfd.readouterr().err


def test_environ_is_as_pywsgi_makes_it() -> None:
    seen: list[Any] = []

    def look(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    with wsgi_serving(look) as peer:
        peer.send(
            b"GET /a%20b?c=d HTTP/1.1\r\nHost: a:80\r\nX-A: 1\r\nx-a: 2\r\nX_Bad: 3\r\n"
            b"Cookie: a=b\r\nCookie: c=d\r\nContent-Type: t\r\n\r\n"
        )
        assert peer.read_response().status == 200
        environ = seen[0]
        assert environ["PATH_INFO"] == "/a b"
        assert environ["QUERY_STRING"] == "c=d"
        assert environ["HTTP_X_A"] == "1,2"
        assert environ["HTTP_COOKIE"] == "a=b; c=d"
        assert environ["CONTENT_TYPE"] == "t"
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert not any("BAD" in name for name in environ)


# Stricter than before

WRONG = [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 5 + b"\r\n", 431),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
]


@pytest.mark.parametrize(("request_", "status"), WRONG, ids=[repr(each[0][:60]) for each in WRONG])
@pytest.mark.parametrize("before", [b"", PLAIN], ids=["first", "later"])
def test_wrong_request_is_refused_and_nothing_after_it_read(
    request_: bytes, status: int, before: bytes
) -> None:
    with wsgi_serving(mirror) as peer:
        peer.send(before, request_, PLAIN)
        if before:
            assert peer.read_response().status == 200
        reply = peer.read_response()
        assert reply.status == status
        assert reply.headers["connection"] == "close"
        assert peer.read_to_end() == b""


def test_longest_head_that_is_allowed_is_served() -> None:
    line = b"GET /" + b"a" * (8192 - len(b"GET / HTTP/1.1")) + b" HTTP/1.1\r\n"
    with wsgi_serving(mirror) as peer:
        peer.send(line, b"Host: a\r\n", b"X: y\r\n" * 99, b"\r\n")
        assert peer.read_response().status == 200


def test_refused_request_is_in_the_log_and_without_a_traceback(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = Log()
    with wsgi_serving(mirror, log=log) as peer:
        peer.send(b"GET /path HTTP/1.1\r\n\r\n")
        assert peer.read_response().status == 400
        peer.read_to_end()
    (line,) = log
    assert '"GET /path HTTP/1.1" 400 ' in line
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("said", [b"", PLAIN[:5], PLAIN, PLAIN + PLAIN[:5]])
@pytest.mark.parametrize("leave", [RawPeer.close, lambda peer: reset(peer.socket)])
def test_peer_that_leaves_is_forgotten(said: bytes, leave: Any) -> None:
    with running(WSGIServer(LOCAL, mirror, log=None)) as server:
        with RawPeer.to(server.address) as peer:
            peer.send(said)
            gevent.sleep(0.01)
            leave(peer)
            gevent.joinall(server._greenlets(), timeout=5)
        assert not server._arrivals


@pytest.mark.parametrize("request_", [PLAIN, b"GET / HTTP/1.1\r\n\r\n"])
def test_peer_that_leaves_with_its_response_is_forgotten(request_: bytes) -> None:
    with running(WSGIServer(LOCAL, mirror, log=None)) as server:
        with RawPeer.to(server.address) as peer:
            peer.send(request_)
            peer.read_response()
            peer.close()
            gevent.joinall(server._greenlets(), timeout=5)
        assert not server._arrivals


# Limits and the end


def test_connection_over_max_connections_is_answered_503() -> None:
    limits = Limits(max_connections=1)
    with (
        running(WSGIServer(LOCAL, mirror, log=None, limits=limits)) as server,
        RawPeer.to(server.address) as first,
        RawPeer.to(server.address) as second,
    ):
        first.upgrade()
        second.send(PLAIN)
        reply = second.read_response()
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) > 0
        assert second.read_to_end() == b""


def test_stop_closes_websockets_with_1001_and_leaves_nothing() -> None:
    server = WSGIServer(LOCAL, mirror, log=None)
    before = census()
    server.start()
    with (
        RawPeer.to(server.address) as open_,
        RawPeer.to(server.address) as idle,
        RawPeer.to(server.address) as silent,
    ):
        open_.upgrade()
        idle.send(PLAIN)
        idle.read_response()
        assert server.connections == 1
        in_time(server.stop, 0.1)
        assert open_.read_close()[0] == 1001
        for peer in (open_, idle, silent):
            assert peer.read_to_end() == b""
    settle(before)


def test_stop_kills_a_view_that_does_not_end() -> None:
    ended: list[str] = []

    def stay(environ: Any, start_response: Any) -> list[bytes]:
        ws = upgrade(environ)
        try:
            gevent.sleep(60)
        finally:
            ended.append(type(ws).__name__)
        return []

    with wsgi_serving(stay) as peer:
        peer.upgrade()
        gevent.sleep(0)
    assert ended == ["WebSocket"]


def test_killed_view_drops_its_connection_with_1001() -> None:
    def view(environ: Any, start_response: Any) -> list[bytes]:
        upgrade(environ)
        raise gevent.GreenletExit

    with wsgi_serving(view) as peer:
        peer.upgrade()
        assert peer.read_close()[0] == 1001
        assert peer.read_to_end() == b""


def test_drain_lets_a_response_be_finished() -> None:
    def slow(environ: Any, start_response: Any) -> list[bytes]:
        gevent.sleep(0.1)
        start_response("200 OK", [])
        return [b"done"]

    with running(WSGIServer(LOCAL, slow, log=None)) as server, RawPeer.to(server.address) as peer:
        peer.send(PLAIN)
        gevent.sleep(0.01)
        draining = gevent.spawn(server.drain, 60)
        reply = peer.read_response()
        assert (reply.body, reply.headers["connection"]) == (b"done", "close")
        in_time(draining.get)
        assert peer.read_to_end() == b""


def test_drain_closes_websockets_with_1001() -> None:
    with running(WSGIServer(LOCAL, mirror, log=None)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        draining = gevent.spawn(server.drain, 5)
        peer.end(1001)
        peer.close()
        in_time(draining.get)
        assert server.connections == 0


def test_server_takes_gevents_arguments(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "access")
    pool = gevent.pool.Pool(5)
    environ = {"app.name": "test"}
    seen: list[Any] = []

    def look(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["app.name"])
        return mirror(environ, start_response)

    server = WSGIServer(LOCAL, look, spawn=pool, log=logging.getLogger("access"), environ=environ)
    with running(server), RawPeer.to(server.address) as peer:
        peer.upgrade()
        assert len(pool) == 1
        peer.end()
    assert seen == ["test"]
    assert '"GET / HTTP/1.1" 101' in caplog.text


def test_server_names_a_wrong_argument() -> None:
    with pytest.raises(TypeError, match="max_size"):
        WSGIServer(LOCAL, mirror, max_size="1")
    with pytest.raises(TypeError, match="ssl"):
        WSGIServer(LOCAL, mirror, ssl="tls")  # type: ignore[arg-type]


def test_upgrade_input_is_an_upgradable_and_an_empty_body() -> None:
    def look(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        assert isinstance(body, UpgradeInput)
        assert isinstance(body, io.BytesIO)
        assert verifyObject(IUpgradable, body)
        assert body.read() == b""
        start_response("200 OK", [])
        return [body.head]

    with wsgi_serving(look) as peer:
        peer.send(head())
        assert peer.read_response().body == head().removesuffix(b"\r\n\r\n")
