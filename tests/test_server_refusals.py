"""Whom the native server refuses, with which answer and how soon."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest

from geventws.core.handshake import Request, Response
from geventws.server import serve
from tests.pairs import reset
from tests.rawpeer import TEXT, RawPeer, frame, head
from tests.servers import certified, trusting
from tests.serving import LOCAL, echo, running, serving

# Refusals

REFUSED = [
    ({}, "POST / HTTP/1.1", 405),
    ({}, "GET / HTTP/1.0", 400),
    ({}, "GET / HTTP/2.0", 505),
    ({}, "GET /", 400),
    ({"Host": None}, "GET / HTTP/1.1", 400),
    ({"Upgrade": None}, "GET / HTTP/1.1", 426),
    ({"Upgrade": "websockets"}, "GET / HTTP/1.1", 426),
    ({"Connection": "keep-alive"}, "GET / HTTP/1.1", 426),
    ({"Sec_WebSocket_Version": "8"}, "GET / HTTP/1.1", 426),
    ({"Sec_WebSocket_Version": "013"}, "GET / HTTP/1.1", 426),
    ({"Sec_WebSocket_Key": "short"}, "GET / HTTP/1.1", 400),
    ({"Content_Length": "5"}, "GET / HTTP/1.1", 400),
    ({"Transfer_Encoding": "chunked"}, "GET / HTTP/1.1", 400),
    ({"Origin": "https://evil.example"}, "GET / HTTP/1.1", 403),
    ({"Origin": "null"}, "GET / HTTP/1.1", 403),
    ({}, f"GET /{'a' * 9000} HTTP/1.1", 414),
    ({"X_Long": "a" * 9000}, "GET / HTTP/1.1", 431),
    ({f"X_{i}": "a" for i in range(101)}, "GET / HTTP/1.1", 431),
    ({"X_A": "a\nX-B: b"}, "GET / HTTP/1.1", 400),
]


@pytest.mark.parametrize(("headers", "first_line", "status"), REFUSED)
def test_server_refuses(headers: dict[str, Any], first_line: str, status: int) -> None:
    with serving() as peer:
        peer.send(head(first_line, **headers))
        reply = peer.read_response()
        assert reply.status == status
        assert "close" in reply.headers["connection"]
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        assert reply.body.count(b"\n") == 1
        assert peer.read_to_end() == b""


def test_wrong_version_is_told_the_right_one() -> None:
    with serving() as peer:
        peer.send(head(Sec_WebSocket_Version="8"))
        assert peer.read_head().headers["sec-websocket-version"] == "13"


def test_bytes_after_a_refused_request_are_never_frames() -> None:
    received: list[Any] = []
    with serving(lambda ws: received.extend(ws)) as peer:
        peer.send(head(Origin="null"), frame(TEXT, b"smuggled") * 100, head(), frame(TEXT, b"x"))
        assert peer.read_response().status == 403
        assert peer.read_to_end() == b""
    assert received == []


def test_refusal_arrives_whatever_the_peer_goes_on_sending() -> None:
    with serving() as peer:
        peer.send(head(Host=None), b"x" * 50_000)
        assert peer.read_response().status == 400
        assert peer.read_to_end() == b""


def test_process_request_answers_plain_http() -> None:
    def process_request(request: Request) -> Response | None:
        if request.path == "/health":
            return Response(200, {"X-Health": "good"}, "alive\n")
        return Response(401, {"WWW-Authenticate": "Basic"}) if not request.cookies else None

    with running(serve(echo, LOCAL, process_request=process_request)) as server:
        with RawPeer.to(server.address) as peer:
            peer.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            reply = peer.read_response()
            assert (reply.status, reply.body, reply.headers["x-health"]) == (
                200,
                b"alive\n",
                "good",
            )
            assert peer.read_to_end() == b""
        with RawPeer.to(server.address) as peer:
            peer.send(b"HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n")
            assert peer.read_head().headers["content-length"] == "6"
            assert peer.read_to_end() == b""
        with RawPeer.to(server.address) as peer:
            peer.send(head())
            assert peer.read_response().status == 401
        with RawPeer.to(server.address) as peer:
            peer.upgrade(Cookie="session=1")


def test_process_request_that_fails_is_answered_500_without_a_word_of_it() -> None:
    def process_request(request: Request) -> Response | None:
        raise RuntimeError("secret")

    with serving(process_request=process_request) as peer:
        peer.send(head())
        assert peer.read_response().status == 500
        assert b"secret" not in peer.read_to_end()


# Peers that leave


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n"])
@pytest.mark.parametrize("leave", [RawPeer.close, lambda peer: reset(peer.socket)])
def test_peer_that_leaves_while_opening_is_forgotten(said: bytes, leave: Any) -> None:
    with running(serve(echo, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.send(said)
        gevent.sleep(0.01)
        leave(peer)
        gevent.joinall(server._greenlets(), timeout=5)
        assert not server._arrivals


def test_peer_that_leaves_before_its_refusal_is_forgotten() -> None:
    def process_request(request: Request) -> Response | None:
        reset(peer.socket)
        gevent.sleep(0.01)
        return Response(403)

    with running(serve(echo, LOCAL, process_request=process_request)) as server:
        peer = RawPeer.to(server.address)
        peer.send(head())
        gevent.sleep(0)
        gevent.joinall(server._greenlets(), timeout=5)
        assert not server._arrivals


# Deadlines


def test_silent_peer_is_answered_408_when_open_timeout_is_up() -> None:
    with serving(open_timeout=0.05) as peer:
        assert peer.read_response().status == 408
        assert peer.read_to_end() == b""


def test_dripping_peer_is_answered_408_in_time_however_often_it_sends() -> None:
    with serving(open_timeout=0.2) as peer:
        dripping = gevent.spawn(drip_for_ever, peer)
        with gevent.Timeout(2):
            assert peer.read_response().status == 408
        dripping.kill()


def drip_for_ever(peer: RawPeer) -> None:
    """Send one header after another, a byte each 10 ms."""
    for byte in b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000:
        try:
            peer.send(bytes([byte]))
        except OSError:  # told to stop
            return
        gevent.sleep(0.01)


def test_open_timeout_ends_when_the_connection_is_open() -> None:
    with serving(open_timeout=0.05) as peer:
        peer.upgrade()
        gevent.sleep(0.1)
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")


def test_tls_that_is_never_finished_ends_with_open_timeout(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "geventws")
    with serving(ssl=certified("localhost"), open_timeout=0.05) as peer:
        assert peer.read_to_end() == b""
    assert "no TLS: not done in time" in caplog.text


def test_opening_deadline_covers_tls_and_head_together() -> None:
    with (
        running(serve(echo, LOCAL, ssl=certified("localhost"), open_timeout=0.3)) as server,
        RawPeer.to(server.address, trusting()) as peer,
    ):
        assert peer.read_response().status == 408
