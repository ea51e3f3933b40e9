"""How long WSGIServer waits: for TLS, for requests, for bodies, and between requests."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from geventws.limits import Limits
from geventws.pywsgi import WSGIServer
from tests.rawpeer import RawPeer
from tests.servers import certified
from tests.serving import LOCAL, running, wsgi_serving

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
LENGTH = b"Content-Length: 5\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def mirror(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with the body of the request."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]


def test_first_request_that_does_not_come_is_answered_408() -> None:
    with wsgi_serving(mirror, open_timeout=0.05) as peer:
        assert peer.read_response().status == 408
        assert peer.read_to_end() == b""


def test_later_request_has_its_time_from_its_first_byte() -> None:
    with wsgi_serving(mirror, open_timeout=0.5) as peer:
        peer.send(PLAIN)
        assert peer.read_response().status == 200
        for part in (PLAIN[:5], PLAIN[5:]):
            gevent.sleep(0.3)
            peer.send(part)
        assert peer.read_response().status == 200
        peer.send(PLAIN[:5])
        assert peer.read_response().status == 408
        assert peer.read_to_end() == b""


def test_idle_connection_is_closed_silently_and_makes_room_for_others() -> None:
    limits = Limits(max_connections=2)
    server = WSGIServer(LOCAL, mirror, log=None, limits=limits, open_timeout=0.2)
    with (
        running(server),
        RawPeer.to(server.address) as first,
        RawPeer.to(server.address) as second,
    ):
        for peer in (first, second):
            peer.send(PLAIN)
            assert peer.read_response().status == 200
        for peer in (first, second):
            assert peer.read_to_end() == b""
        with RawPeer.to(server.address) as third:
            third.send(PLAIN)
            assert third.read_response().status == 200


@pytest.mark.parametrize("body", [LENGTH + b"he", CHUNKED + b"5\r\nhe", CHUNKED])
def test_body_that_stops_coming_ends_the_connection(
    body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with wsgi_serving(mirror, open_timeout=0.05) as peer:
        peer.send(POST, body)
        assert peer.read_to_end() == b""
    assert "Traceback" not in capfd.readouterr().err


def test_view_may_answer_a_body_that_stops_coming() -> None:
    def answer(environ: Any, start_response: Any) -> list[bytes]:
        with pytest.raises(OSError, match="nothing came"):
            environ["wsgi.input"].read()
        start_response("408 Request Timeout", [("Content-Length", "0")])
        return []

    with wsgi_serving(answer, open_timeout=0.05) as peer:
        peer.send(POST, LENGTH, b"he")
        reply = peer.read_response()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert peer.read_to_end() == b""


def test_body_that_the_application_leaves_and_stops_coming_ends_the_connection() -> None:
    def ignore(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with wsgi_serving(ignore, open_timeout=0.05) as peer:
        peer.send(POST, LENGTH, b"he")
        assert peer.read_response().status == 200
        assert peer.read_to_end() == b""


def test_tls_that_is_never_finished_ends_with_open_timeout() -> None:
    with wsgi_serving(mirror, ssl=certified("localhost"), open_timeout=0.05) as peer:
        assert peer.read_to_end() == b""
