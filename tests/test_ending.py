"""How our servers end: what was accepted comes to its end, and nothing is left."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.core.errors import ConnectionClosed
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.websocket import EchoWebSocket, WebSocket
from tests.leaks import census, settle
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, echo, in_time, running, wait_for

each_style = pytest.mark.parametrize("handler", [echo, EchoWebSocket])
PLAIN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


# Drain and stop


@each_style
def test_drain_closes_with_1001_and_waits_for_the_peers(handler: Any) -> None:
    with running(serve(handler, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        draining = gevent.spawn(server.drain, 5)
        assert peer.read_close()[0] == 1001
        assert not draining.ready()
        peer.send(close_frame(1001))
        assert peer.read_to_end() == b""
        peer.close()
        in_time(draining.get)
        assert server.connections == 0


def test_drain_stops_accepting_at_once() -> None:
    with running(serve(echo, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        address = server.address
        draining = gevent.spawn(server.drain, 5)
        peer.read_close()
        with pytest.raises(ConnectionRefusedError):
            RawPeer.to(address)
        peer.close()
        in_time(draining.get)


@each_style
def test_drain_drops_who_does_not_answer_in_time(handler: Any) -> None:
    with running(serve(handler, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        in_time(server.drain, 0.05)
        assert server.connections == 0
        assert peer.read_close()[0] == 1001
        assert peer.read_to_end() == b""


def test_drain_lets_a_handler_finish() -> None:
    finished: list[str] = []

    def tidy(ws: WebSocket) -> None:
        with pytest.raises(ConnectionClosed):
            ws.receive()
        gevent.sleep(0.05)
        finished.append("tidied")

    with running(serve(tidy, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        draining = gevent.spawn(server.drain, 5)
        peer.end(1001)
        peer.close()
        in_time(draining.get)
    assert finished == ["tidied"]


def test_serve_forever_waits_for_a_drain() -> None:
    server = serve(echo, LOCAL)
    server.stop_timeout = 0.01
    before = census()
    serving = gevent.spawn(server.serve_forever)
    gevent.sleep(0)
    with RawPeer.to(server.address) as peer:
        peer.upgrade()
        draining = gevent.spawn(server.drain, 5)
        assert peer.read_close()[0] == 1001
        gevent.sleep(0.1)
        assert not serving.ready()
        peer.send(close_frame(1001))
        assert peer.read_to_end() == b""
    in_time(draining.get)
    in_time(serving.get)
    settle(before)


@each_style
def test_stop_closes_with_1001_and_leaves_nothing(handler: Any) -> None:
    server = serve(handler, LOCAL)
    before = census()
    server.start()
    peers = [RawPeer.to(server.address) for _ in range(20)]
    for peer in peers:
        peer.upgrade()
    in_time(server.stop, 0.1)
    assert not server._arrivals
    for peer in peers:
        assert peer.read_close()[0] == 1001
        assert peer.read_to_end() == b""
        peer.close()
    settle(before)


def test_stop_kills_a_handler_that_does_not_end() -> None:
    killed = Event()

    def stay(ws: WebSocket) -> None:
        try:
            gevent.sleep(60)
        finally:
            killed.set()

    with running(serve(stay, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        gevent.sleep(0)
        in_time(server.stop, 0.05)
        wait_for(killed)


@pytest.mark.parametrize("end", ["drain", "stop"])
def test_view_that_reads_a_body_does_not_outlive_the_end(end: str) -> None:
    reading = Event()

    def read(environ: Any, start_response: Any) -> list[bytes]:
        reading.set()
        environ["wsgi.input"].read()
        return []

    server = WSGIServer(LOCAL, read, log=None)
    with running(server), RawPeer.to(server.address) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
        wait_for(reading)
        greenlets = server._greenlets()
        in_time(getattr(server, end), 0.05)
        assert all(greenlet.dead for greenlet in greenlets)
        assert not server._arrivals
        assert peer.read_to_end() == b""


def test_stop_leaves_no_connection_of_a_handler_that_does_not_let_itself_be_killed() -> None:
    released, stayed = Event(), Event()

    def stay(ws: WebSocket) -> None:
        try:
            gevent.sleep(60)
        except gevent.GreenletExit:
            released.wait()
            stayed.set()

    with running(serve(stay, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        gevent.sleep(0)
        in_time(server.stop, 0.05)
        assert not server._arrivals
        assert peer.read_close()[0] == 1001
        assert peer.read_to_end() == b""
        released.set()
        wait_for(stayed)


def test_stop_ends_connections_that_are_still_opening_at_once() -> None:
    with (
        running(serve(echo, LOCAL)) as server,
        RawPeer.to(server.address) as silent,
        RawPeer.to(server.address) as half,
    ):
        half.send(head()[:20])
        gevent.sleep(0.01)
        in_time(server.stop, 60)
        assert silent.read_to_end() == b""
        assert half.read_to_end() == b""


def test_stop_ends_a_connection_whose_greenlet_has_not_begun() -> None:
    server = serve(echo, LOCAL)
    before = census()
    near, far = gevent.socket.socketpair()
    server.handle(near, "")
    server.stop(timeout=0)
    assert far.recv(1) == b""
    far.close()
    settle(before)
    assert not server._admission._all.present


def test_stop_may_be_called_by_a_handler() -> None:
    ended = Event()

    def end(ws: WebSocket) -> None:
        ws.receive()
        server.stop(timeout=0.05)
        ended.set()

    server = serve(end, LOCAL)
    with running(server), RawPeer.to(server.address) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"stop"))
        assert peer.read_close()[0] == 1001
        wait_for(ended)
