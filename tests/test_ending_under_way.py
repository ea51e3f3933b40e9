"""What is under way when a drain of a server begins comes to its end."""

from __future__ import annotations

import socket
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.acceptor import Acceptor
from geventws.core.handshake import Request
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.wsgi import upgrade
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, draining, echo, in_time, running, wait_for

PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def view(environ: Any, start_response: Any) -> list[bytes]:
    """Echo on a WebSocket, and answer any other request."""
    if "wsgi.websocket" in environ:
        echo(upgrade(environ))
    else:
        start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]


MAKERS: dict[str, Any] = {
    "native": lambda **options: serve(echo, LOCAL, **options),
    "callbacks": lambda **options: serve(EchoWebSocket, LOCAL, **options),
    "pywsgi": lambda **options: WSGIServer(LOCAL, view, log=None, **options),
}
each_server = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def peer_in_queue(server: Acceptor) -> RawPeer:
    """Return a peer that the kernel has connected, and nobody has accepted."""
    address: Any = server.address
    with socket.create_connection(address) as connected:  # while the hub does not run
        return RawPeer(gevent.socket.socket(fileno=connected.detach()))


def finish(peer: RawPeer, code: int = 1001) -> None:
    """Close as the server asks for, in time."""
    assert peer.read_close()[0] == code
    peer.send(close_frame(code))
    assert peer.read_to_end() == b""
    peer.close()


@each_server
def test_drain_opens_and_closes_who_is_queued_in_the_kernel(make: Any) -> None:
    with running(make()) as server:
        peer = peer_in_queue(server)
        with draining(server):
            peer.upgrade()
            finish(peer)


@each_server
def test_drain_opens_and_closes_who_is_opening(make: Any) -> None:
    with running(make()) as server, RawPeer.to(server.address) as peer:
        peer.send(head()[:20])
        gevent.sleep(0.01)
        with draining(server):
            peer.send(head()[20:])
            assert peer.read_head().status == 101
            finish(peer)


def test_drain_waits_for_the_answer_to_who_has_asked_to_open() -> None:
    asked, go_on = Event(), Event()

    def look_up(request: Request) -> None:
        asked.set()
        go_on.wait()

    with (
        running(serve(echo, LOCAL, process_request=look_up)) as server,
        RawPeer.to(server.address) as peer,
    ):
        peer.send(head())
        wait_for(asked)
        with draining(server, 5):
            gevent.sleep(1.2)  # for longer than the others have
            go_on.set()
            assert peer.read_head().status == 101
            finish(peer)


@each_server
def test_drain_gives_who_is_opening_a_fifth_of_its_time(make: Any) -> None:
    with running(make()) as server, RawPeer.to(server.address) as peer:
        peer.send(head()[:20])
        gevent.sleep(0.01)
        with draining(server, 0.5):
            assert peer.read_to_end() == b""


def test_drain_answers_a_request_of_who_is_queued() -> None:
    with running(MAKERS["pywsgi"]()) as server:
        peer = peer_in_queue(server)
        with draining(server):
            peer.send(PLAIN)
            reply = peer.read_response()
            assert (reply.body, reply.headers["connection"]) == (b"done", "close")
            assert peer.read_to_end() == b""
        peer.close()


def test_drain_answers_a_request_that_has_begun_on_an_open_connection() -> None:
    with running(MAKERS["pywsgi"]()) as server, RawPeer.to(server.address) as peer:
        peer.send(PLAIN)
        assert peer.read_response().body == b"done"
        peer.send(PLAIN[:10])
        gevent.sleep(0.01)
        with draining(server):
            peer.send(PLAIN[10:])
            assert peer.read_response().body == b"done"
            assert peer.read_to_end() == b""


def test_drain_answers_a_request_that_waits_in_the_kernel() -> None:
    with running(MAKERS["pywsgi"]()) as server, RawPeer.to(server.address) as peer:
        peer.send(PLAIN)
        peer.read_response()
        gevent.sleep(0.01)
        peer.socket._sock.send(PLAIN)  # the hub does not run
        with draining(server):
            assert peer.read_response().body == b"done"
            assert peer.read_to_end() == b""


def test_drain_ends_idle_connections_of_http_at_once() -> None:
    with running(MAKERS["pywsgi"]()) as server, RawPeer.to(server.address) as peer:
        peer.send(PLAIN)
        peer.read_response()
        gevent.sleep(0.01)
        with draining(server, 1000):
            assert peer.read_to_end() == b""


@each_server
def test_drain_tells_the_code_and_reason_it_is_given(make: Any) -> None:
    with running(make()) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        with draining(server, code=1012, reason="new version"):
            assert peer.read_close() == (1012, "new version")
            peer.close()


def test_drain_refuses_a_code_that_may_not_be_sent_and_closes_nothing() -> None:
    with running(serve(echo, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        with pytest.raises(ValueError, match="code"):
            server.drain(code=1006)
        peer.send(frame(TEXT, b"still here"))
        assert peer.read_frame() == (TEXT, b"still here")
        with RawPeer.to(server.address) as another:
            another.upgrade()


@each_server
def test_drain_answers_a_message_that_waits_in_the_kernel(make: Any) -> None:
    with running(make()) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        gevent.sleep(0.01)
        peer.socket._sock.send(frame(TEXT, b"last"))  # the hub does not run
        with draining(server):
            assert peer.read_frame() == (TEXT, b"last")
            finish(peer)


@each_server
def test_drain_waits_for_a_message_that_is_half_here(make: Any) -> None:
    whole = frame(TEXT, b"x" * 1000)
    with running(make()) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        peer.send(whole[:500])
        gevent.sleep(0.01)
        with draining(server):
            gevent.sleep(0.05)
            peer.send(whole[500:])
            assert peer.read_frame() == (TEXT, b"x" * 1000)
            finish(peer)


def test_stop_with_a_timeout_hurries_a_drain() -> None:
    received = Event()

    def stay(ws: WebSocket) -> None:
        ws.receive()
        received.set()
        gevent.sleep(60)

    with running(serve(stay, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        wait_for(received)
        with draining(server, 60):
            server.stop(timeout=0.05)
            assert peer.read_close()[0] == 1001


def test_stop_hurries_those_who_wait_for_a_drain_whose_handlers_take_long_to_be_killed() -> None:
    received, tidied = Event(), Event()

    def tidy(ws: WebSocket) -> None:
        try:
            ws.receive()
            received.set()
            gevent.sleep(60)
        finally:
            tidied.wait()

    with running(serve(tidy, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        wait_for(received)
        with draining(server, 60):
            waiting = gevent.spawn(server.stop)
            gevent.sleep(0)
            server.stop(timeout=0)
            in_time(waiting.get)
            assert not tidied.is_set()
            tidied.set()


@each_server
def test_two_drains_at_once_end_together(make: Any) -> None:
    with running(make()) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        with draining(server), draining(server):
            finish(peer)


@each_server
def test_drain_of_a_server_that_was_not_started_returns(make: Any) -> None:
    in_time(make().drain, 1000)


@each_server
def test_server_that_was_drained_may_be_stopped_drained_and_started_again(make: Any) -> None:
    server = make()
    for _ in range(2):
        with running(server), RawPeer.to(server.address) as peer:
            peer.upgrade()
            with draining(server):
                finish(peer)
            server.stop()
            server.drain(1)
