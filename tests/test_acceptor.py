"""What all our servers do: accept through outages, drain, and stop without leaving anything."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.event import Event

from geventws.core.errors import ConnectionClosed
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.websocket import EchoWebSocket, WebSocket
from setup import ROOT
from tests.leaks import census, settle
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, echo, in_time, running, wait_for

each_style = pytest.mark.parametrize("handler", [echo, EchoWebSocket])


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
        with gevent.Timeout(1):
            server.stop(timeout=5)
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


def test_server_can_be_started_again() -> None:
    server = serve(echo, LOCAL)
    for _ in range(2):
        with running(server), RawPeer.to(server.address) as peer:
            peer.upgrade()
            peer.close()


def test_handle_serves_a_socket_that_was_not_accepted() -> None:
    near, far = gevent.socket.socketpair()
    with running(serve(echo, LOCAL)) as server, RawPeer(far) as peer:
        server.handle(near, "")
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")
        peer.end()


def test_server_runs_as_a_context_manager() -> None:
    before = census()
    with serve(echo, LOCAL) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
    settle(before)


def test_connection_that_nobody_can_be_spawned_for_is_closed() -> None:
    def spawn(*_: Any) -> None:
        raise MemoryError

    server: Any = serve(echo, LOCAL)
    server.set_spawn(spawn)
    near, far = gevent.socket.socketpair()
    with pytest.raises(MemoryError):
        server.handle(near, "")
    assert far.recv(1) == b""
    far.close()
    assert not server._admission._all.present


# Unix sockets


def test_server_takes_the_place_of_one_that_left_its_socket_behind(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with gevent.socket.socket(gevent.socket.AF_UNIX) as stale:
        stale.bind(path)
    with running(serve(echo, f"unix:{path}")), RawPeer.to(path) as peer:
        peer.upgrade()


def test_server_leaves_the_socket_of_another_server_alone(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'socket'}"
    with running(serve(echo, address)):
        second = serve(echo, address)
        with pytest.raises(OSError, match="in use"):
            second.start()
        second.stop()
        with RawPeer.to(address[5:]) as peer:
            peer.upgrade()


def test_server_leaves_a_file_that_is_no_socket_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    server = serve(echo, f"unix:{path}")
    with pytest.raises(OSError, match="in use"):
        server.start()
    server.stop()
    assert path.read_text() == "data"


# Out of descriptors

STARVED = """
import logging, resource, sys, time
import gevent
from geventws.limits import Limits
from geventws.server import serve

logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, (40, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
def echo(ws):
    for message in ws:
        ws.send(message)
server = serve(echo, ("127.0.0.1", 0), limits=Limits(max_connections=1000), open_timeout=None)
server.start()
print(server.server_port, flush=True)
gevent.get_hub().threadpool.apply(sys.stdin.readline)
print(time.process_time(), flush=True)
gevent.get_hub().threadpool.apply(sys.stdin.readline)
print(time.process_time(), flush=True)
gevent.get_hub().threadpool.apply(sys.stdin.readline)
server.stop()
"""


def test_server_rests_without_descriptors_and_goes_on_when_there_are_some() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", STARVED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        address = ("127.0.0.1", int(process.stdout.readline()))
        first = RawPeer.to(address)
        first.upgrade()
        crowd = [RawPeer.to(address) for _ in range(60)]
        assert "Too many open files" in process.stderr.readline()

        def tell() -> float:
            assert process.stdin
            assert process.stdout
            print(file=process.stdin, flush=True)
            return float(process.stdout.readline())

        before = tell()
        gevent.sleep(1)
        assert tell() - before < 0.1
        first.send(frame(TEXT, b"still here"))
        assert first.read_frame() == (TEXT, b"still here")
        for peer in crowd:
            peer.close()
        with RawPeer.to(address) as later:
            later.upgrade()
        first.close()
        _, errors = process.communicate("\n")
    assert process.returncode == 0
    assert errors == ""


def test_other_errors_of_accept_are_not_hidden() -> None:
    with running(serve(echo, LOCAL)) as server:
        server.stop_accepting()
        server.socket.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            server.do_read()


def test_shortage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "geventws")
    with running(serve(echo, LOCAL)) as server:
        for _ in range(3):
            server._pause(OSError(24, "Too many open files"))
    (record,) = caplog.records
    assert "accepts no connection for now" in record.getMessage()
