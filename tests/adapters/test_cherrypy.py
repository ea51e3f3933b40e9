"""CherryPy in a process of its own, see cherrypy_app: its engine and its config are global."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, NamedTuple
from urllib.error import HTTPError
from wsgiref.util import setup_testing_defaults

import cherrypy
import pytest
from cherrypy.process.wspbus import Bus

from geventws.adapters.cherrypy import WebSocketPlugin, WebSocketTool
from geventws.adapters.threaded import ThreadedWebSocket, connect
from geventws.core.errors import ConnectionClosed, Rejected
from setup import ROOT
from tests.pairs import reset
from tests.rawpeer import CLOSE, TEXT, RawPeer, close_frame, frame, head
from tests.servers import authority, trusting
from tests.threads import PATIENCE, echo, joined_threads, met, serving, uri

ENDING = 30.0  # seconds that a busy machine may take to end the program


class App(NamedTuple):
    """The running application."""

    program: Any
    port: int
    tls_port: int

    def connect(self, path: str, **options: Any) -> ThreadedWebSocket:
        """Connect to *path*."""
        ws: ThreadedWebSocket = connect(f"ws://127.0.0.1:{self.port}{path}", **options)
        return ws

    def connect_tls(self, path: str, **options: Any) -> ThreadedWebSocket:
        """Connect to *path* over TLS."""
        address = f"wss://localhost:{self.tls_port}{path}"
        ws: ThreadedWebSocket = connect(address, ssl=trusting(), **options)
        return ws

    def peer(self) -> RawPeer:
        """Connect a socket."""
        return RawPeer.to(("127.0.0.1", self.port))

    def get(self, path: str) -> str:
        """Return the page at *path*."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as reply:
            page: str = reply.read().decode()
            return page

    def stop(self) -> str:
        """Stop the engine and return what the program says at its end."""
        self.program.send_signal(signal.SIGTERM)
        out, _ = self.program.communicate(timeout=ENDING)
        assert self.program.returncode == 0
        said: str = out
        return said


@contextmanager
def running(certificate: tuple[str, str]) -> Iterator[App]:
    """Have the application run."""
    # the development mode shows what fails in IOBase.__del__, which is hidden before 3.13
    python = [sys.executable, "-X", "dev", "-W", "error"]
    command = [*python, "-m", "tests.adapters.cherrypy_app", *certificate]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            assert line.split()[1:], line + program.stdout.read()
            yield App(program, *map(int, line.split()))
        finally:
            program.kill()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: Any) -> tuple[str, str]:
    """Return the files of a chain and of its key."""
    folder = tmp_path_factory.mktemp("certificate")
    chain, key = folder / "chain.pem", folder / "key.pem"
    issued = authority().issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(chain))
    issued.private_key_pem.write_to_path(str(key))
    return str(chain), str(key)


@pytest.fixture(scope="module")
def app(certificate: tuple[str, str]) -> Iterator[App]:
    """Have the application run for all tests; at the end it must leave no thread behind."""
    with running(certificate) as started:
        yield started
        assert started.stop() == "MainThread\n"


# Connections


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_messages_go_both_ways(app: App, secure: bool) -> None:
    meet = app.connect_tls if secure else app.connect
    with meet("/echo", max_size=None) as ws:
        for message in ("text", b"binary", bytes(range(256)) * 4096):
            ws.send(message)
            assert ws.receive(PATIENCE) == message
        assert ws.ping(PATIENCE) > 0
    assert ws.close_code == 1000


def test_class_differs_by_path(app: App) -> None:
    with app.connect("/shout") as ws:
        assert ws.extensions == ()
        ws.send("quiet")
        assert ws.receive(PATIENCE) == "QUIET"
    with app.connect("/echo") as ws:
        assert ws.extensions == ("permessage-deflate",)
        ws.send("quiet")
        assert ws.receive(PATIENCE) == "quiet"


def test_answer_has_the_headers_of_a_101_and_no_body(app: App) -> None:
    with app.peer() as peer:
        peer.send(head("GET /shout/x HTTP/1.1"), close_frame(1000))
        answer, _, frames = peer.read_to_end().partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    names = {line.partition(b": ")[0] for line in answer.split(b"\r\n")[1:]}
    assert names == {b"Upgrade", b"Connection", b"Sec-WebSocket-Accept", b"Date", b"Server"}
    assert frames == b"\x88\x02\x03\xe8"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [3, 12_000, 100_000])
def test_frames_that_come_with_the_handshake_are_received(
    app: App, secure: bool, size: int
) -> None:
    address = ("127.0.0.1", app.tls_port if secure else app.port)
    with RawPeer.to(address, trusting() if secure else None) as peer:
        early = [frame(TEXT, b"x" * size), frame(TEXT, b"two"), close_frame(1000)]
        peer.send(head("GET /echo HTTP/1.1"), *early)
        assert peer.read_head().status == 101
        assert [peer.read_frame(), peer.read_frame()] == [(TEXT, b"x" * size), (TEXT, b"two")]
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""


def test_page_handler_finds_the_connection(app: App) -> None:
    with app.connect("/known", subprotocols=["a", "b"], headers={"Cookie": "c=d"}) as ws:
        assert ws.receive(PATIENCE) == "welcome"
        assert ws.receive(PATIENCE) == "in fragments"
        ws.send("?")
        assert ws.receive(PATIENCE) == "/known b prepared {'c': 'd'}"


def test_cookies_of_the_page_handler_are_set(app: App) -> None:
    with app.peer() as peer:
        assert peer.upgrade("GET /known HTTP/1.1").headers["set-cookie"] == "seen=yes"


def test_many_more_connections_than_threads(app: App) -> None:
    connections = [app.connect("/chat") for _ in range(50)]
    for ws in connections:
        assert ws.ping(PATIENCE) > 0  # every one is in the manager by now
    workers, managed = map(int, app.get("/").split())
    assert workers == 6  # three for each of two servers
    assert managed >= 50
    for message in ("text", "binary"):
        connections[0].send(message)
        expected: Any = b"binary" if message == "binary" else message
        assert {ws.receive(PATIENCE) for ws in connections} == {expected}
    for ws in connections:
        ws.close()


def test_pages_are_served_beside_connections(app: App) -> None:
    with app.connect("/echo") as ws, joined_threads() as threads:
        pages = [threads.start(app.get, "/page") for _ in range(20)]
        assert {page.result(PATIENCE) for page in pages} == {"a page"}
        ws.send("still here")
        assert ws.receive(PATIENCE) == "still here"


# Refusals


def test_plain_request_is_answered_426(app: App) -> None:
    with pytest.raises(HTTPError) as raised:
        app.get("/echo")
    with raised.value as reply:
        assert (reply.code, reply.headers["Upgrade"]) == (426, "websocket")
        assert reply.headers["Connection"] == "close, Upgrade"
        assert reply.read() == b"no upgrade to websocket (RFC 6455 4.2.1)\n"


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (400, {"Sec_WebSocket_Key": "short"}),
        (426, {"Sec_WebSocket_Version": "8"}),
        (403, {"Origin": "http://evil.example"}),
        (400, {"Host": "a, b"}),
    ],
)
def test_wrong_request_is_answered_as_such(app: App, status: int, wrong: Any) -> None:
    with app.peer() as peer:
        peer.send(head("GET /echo HTTP/1.1", **wrong), frame(TEXT, b"no request"))
        assert peer.read_response().status == status
        assert peer.read_to_end() == b""


@pytest.mark.parametrize(
    ("path", "status"), [("/refused", 404), ("/receives", 500), ("/wrong", 500), ("/secret", 401)]
)
def test_page_handlers_and_tools_may_answer_otherwise(app: App, path: str, status: int) -> None:
    with pytest.raises(Rejected) as raised:
        app.connect(path)
    assert raised.value.status == status
    assert b"never to be seen" not in raised.value.body


def test_application_may_answer_anything(app: App) -> None:
    with pytest.raises(Rejected) as raised:
        app.connect("/moved", redirects=0)
    rejected = raised.value
    assert (rejected.status, rejected.body) == (302, b"there\n")
    assert rejected.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("path", "status"), [("refused", 404), ("hooked", 500), ("generated", 500)]
)
def test_request_that_is_answered_otherwise_leaves_the_stream_to_http(
    app: App, path: str, status: int
) -> None:
    with app.peer() as peer:
        peer.send(head(f"GET /{path} HTTP/1.1"), b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
        assert peer.read_response().status == status
        assert peer.read_response().body == b"a page"


def test_page_handler_may_drop_the_connection(app: App) -> None:
    with app.peer() as peer:
        peer.upgrade("GET /dropped HTTP/1.1")
        assert peer.read_to_end() == b""


def test_connection_that_failed_in_the_page_handler_ends_tcp_at_once(app: App) -> None:
    with app.peer() as peer:
        peer.upgrade("GET /unfinished HTTP/1.1")
        assert peer.read_to_end().endswith(b"\x03\xf3the message could not be finished")


def test_connection_is_dropped_whose_client_went_before_the_101(app: App) -> None:
    peer = app.peer()
    peer.send(head("GET /slow HTTP/1.1"))
    assert app.get("/begun") == "True"
    reset(peer.socket)
    assert app.get("/go") == "True"


def test_tools_that_let_a_request_pass_do_not_hinder(app: App) -> None:
    with app.connect("/secret", headers={"Authorization": "Basic bWU6b3Blbg=="}) as ws:
        ws.send("x")
        assert ws.receive(PATIENCE) == "x"


def test_server_that_no_plugin_prepared_is_refused(caplog: Any) -> None:
    application = cherrypy.Application(object(), "", {"/": {"tools.websocket.on": True}})
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    answers: list[str] = []
    cherrypy.tools.websocket = WebSocketTool()
    try:
        application(environ, lambda status, *_: answers.append(status)).close()
    finally:
        del cherrypy.tools.websocket
    assert answers == ["500 Internal Server Error"]
    assert "no WebSocketPlugin" in caplog.text


def test_plugin_waits_for_a_callback_no_longer_than_drain_timeout() -> None:
    begun, go_on = Event(), Event()
    late: list[bool] = []  # whether somebody waited until this was over

    class Stuck(ThreadedWebSocket):
        def closed(self, code: int, reason: str) -> None:
            begun.set()
            late.append(go_on.wait(PATIENCE))

    plugin = WebSocketPlugin(Bus())
    plugin.drain_timeout = 0.1
    plugin.start()
    manager = plugin.manager
    assert manager is not None
    with serving(echo) as server:
        plugin.handle(connect(uri(server), handler=Stuck))
        plugin.stop()
        assert begun.wait(PATIENCE)
        assert not late
        go_on.set()
        assert manager.join(PATIENCE)


def test_plugin_that_is_not_started_drops_connections() -> None:
    plugin = WebSocketPlugin(Bus())
    with met(echo) as ws:
        plugin.broadcast("heard by nobody")
        plugin.handle(ws, ("127.0.0.1", 1))
        assert ws.close_code is not None
        plugin.cleanup()


# The end


def test_end_of_the_engine_closes_every_connection_with_1001(certificate: tuple[str, str]) -> None:
    with running(certificate) as app, joined_threads() as threads:
        connections = [app.connect("/echo"), app.connect_tls("/shout"), app.connect("/shout")]
        for ws in connections:
            ws.send("X")
            assert ws.receive(PATIENCE) == "X"
        stopping = threads.start(app.stop)
        for ws in connections:
            with ws, pytest.raises(ConnectionClosed) as raised:
                ws.receive(ENDING)
            assert (raised.value.code, raised.value.clean) == (1001, True)
        assert stopping.result(ENDING) == "MainThread\n"


def test_peer_that_does_not_answer_does_not_hold_the_end(certificate: tuple[str, str]) -> None:
    with running(certificate) as app, app.peer() as peer:
        peer.upgrade("GET /impatient HTTP/1.1")
        assert app.stop() == "MainThread\n"
        assert peer.read_frame()[0] == CLOSE
