"""What all our servers do: listen, accept through outages, and leave nothing behind."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.events
import gevent.socket
import pytest

from geventws.acceptor import Acceptor
from geventws.core.handshake import Request, Response
from geventws.events import HandshakeRefused
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from setup import ROOT
from tests.leaks import census, settle
from tests.rawpeer import TEXT, RawPeer, frame, head
from tests.serving import LOCAL, echo, in_time, running, visiting

# Begin


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


# Refusals


@pytest.fixture
def refusals() -> Iterator[list[int]]:
    """The statuses that subscribers are told of during the test."""
    told: list[int] = []

    def hear(event: object) -> None:
        if isinstance(event, HandshakeRefused):
            told.append(event.status)

    gevent.events.subscribers.append(hear)
    yield told
    gevent.events.subscribers.remove(hear)


def native() -> Acceptor:
    """Return a native server whose /secret nobody may see."""

    def gate(request: Request) -> Response | None:
        return Response(401) if request.path == "/secret" else None

    return serve(echo, LOCAL, process_request=gate)


def wsgi() -> Acceptor:
    """Return a WSGI server whose /secret nobody may see."""

    def gate(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/secret":
            start_response("401 Unauthorized", [("Content-Length", "0")])
        else:
            environ["wsgi.websocket"].accept()
        return []

    return WSGIServer(LOCAL, gate, log=None)


def ask(server: Acceptor, request_head: bytes) -> int:
    """Return the status that *request_head* is answered with."""
    with visiting(server) as peer:
        peer.send(request_head)
        status: int = in_time(peer.read_response).status
        in_time(peer.read_to_end)
    return status


@pytest.mark.parametrize("make", [native, wsgi])
@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(origin="https://elsewhere.example"), 403),
        (head(sec_websocket_version="12"), 426),
        (head("GET /secret HTTP/1.1"), 401),
        (b"GARBAGE\r\n\r\n", 400),
    ],
    ids=["origin", "version", "application", "garbage"],
)
def test_refused_handshake_is_counted_and_told(
    refusals: list[int], make: Any, request_head: bytes, status: int
) -> None:
    server = make()
    assert ask(server, request_head) == status
    assert server.manager.counts.refused == {status: 1}
    assert refusals == [status]


@pytest.mark.parametrize("make", [native, wsgi])
def test_request_for_something_else_is_no_refused_handshake(refusals: list[int], make: Any) -> None:
    server = make()
    plain = b"GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert ask(server, plain) == 401
    assert server.manager.counts.refused == {}
    assert refusals == []


def test_answer_that_is_no_error_is_no_refusal(refusals: list[int]) -> None:
    server = serve(echo, LOCAL, process_request=lambda request: Response(200, body="hello\n"))
    assert ask(server, head()) == 200
    assert server.manager.counts.refused == {}
    assert refusals == []
