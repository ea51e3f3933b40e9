"""Refused handshakes, counted and told by both servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent.events
import pytest

import geventws
from geventws.events import HandshakeRefused
from tests.rawpeer import head
from tests.serving import in_time, visiting

pytestmark = pytest.mark.usefixtures("leaks_nothing")

LOCAL = ("127.0.0.1", 0)


@pytest.fixture
def heard() -> Iterator[list[object]]:
    """What subscribers are told during the test."""
    told: list[object] = []
    gevent.events.subscribers.append(told.append)
    yield told
    gevent.events.subscribers.remove(told.append)


def refusals(heard: list[object]) -> list[int]:
    return [event.status for event in heard if isinstance(event, HandshakeRefused)]


def gate(environ: Any, start_response: Any) -> list[bytes]:
    """Let everybody in but at /secret."""
    if environ["PATH_INFO"] == "/secret":
        start_response("401 Unauthorized", [("Content-Length", "0")])
    else:
        environ["wsgi.websocket"].accept()
    return []


SERVERS: dict[str, Callable[[], Any]] = {
    "native": lambda: geventws.serve(lambda ws: None, LOCAL),
    "wsgi": lambda: geventws.WSGIServer(LOCAL, gate, log=None),
}


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(origin="https://elsewhere.example"), 403),
        (head(sec_websocket_version="12"), 426),
        (b"GARBAGE\r\n\r\n", 400),
    ],
    ids=["origin", "version", "garbage"],
)
def test_refusal_is_counted_and_told(
    heard: list[object], kind: str, request_head: bytes, status: int
) -> None:
    server: Any = SERVERS[kind]()
    with visiting(server) as peer:
        peer.send(request_head)
        assert in_time(peer.read_response).status == status
        in_time(peer.read_to_end)
    assert server.manager.counts.refused == {status: 1}
    assert refusals(heard) == [status]


def test_refusal_by_a_view_is_counted(heard: list[object]) -> None:
    server: Any = SERVERS["wsgi"]()
    with visiting(server) as peer:
        peer.send(head("GET /secret HTTP/1.1"))
        assert in_time(peer.read_response).status == 401
        in_time(peer.read_to_end)
    assert server.manager.counts.refused == {401: 1}
    assert refusals(heard) == [401]


def test_answer_that_is_no_error_is_no_refusal(heard: list[object]) -> None:
    def hello(request: geventws.Request) -> geventws.Response:
        return geventws.Response(200, body="hello\n")

    server = geventws.serve(lambda ws: None, LOCAL, process_request=hello)
    with visiting(server) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert in_time(peer.read_response).status == 200
        in_time(peer.read_to_end)
    assert server.manager.counts.refused == {}
    assert refusals(heard) == []
