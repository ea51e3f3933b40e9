from __future__ import annotations

import subprocess
import sys
from threading import Event
from typing import Any
from urllib.error import HTTPError

import pytest

import geventws
from geventws.adapters.threaded import EchoWebSocket, ThreadedWebSocket, connect
from geventws.adapters.wsgiref import (
    WebSocketWSGIApplication,
    upgrade,
)
from geventws.core.errors import Rejected
from setup import ROOT
from tests.adapters.wsgiref_app import (
    each_way,
    echo_view,
    get,
    join,
    page_and_echo,
    request_threads,
    serving,
    uri,
)
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.threads import PATIENCE, contexts, echo, joined_threads


@each_way
def test_messages_go_both_ways(application: Any) -> None:
    with serving(application) as server, connect(uri(server)) as ws:
        for message in ("text", b"binary", "\N{GREEK SMALL LETTER OMEGA}" * 9999):
            ws.send(message)
            assert ws.receive(PATIENCE) == message
        assert ws.ping(PATIENCE) > 0


@each_way
def test_messages_go_both_ways_over_tls(application: Any) -> None:
    theirs, ours = contexts()
    with serving(application, ours) as server:
        address = f"wss://localhost:{server.server_port}/"
        with connect(address, ssl=theirs, origin=f"https{address[3:-1]}") as ws:
            ws.send("x" * 100_000)
            assert ws.receive(PATIENCE) == "x" * 100_000
        with pytest.raises(Rejected) as raised:  # it is known here that the page has TLS too
            connect(address, ssl=theirs, origin=f"http{address[3:-1]}")
        assert raised.value.status == 403


@each_way
def test_frames_that_come_with_the_handshake_are_received(application: Any) -> None:
    with serving(application) as server, RawPeer.to(server.server_address) as peer:
        peer.send(head(), frame(TEXT, b"one"), frame(TEXT, b"two"), close_frame(1000))
        assert peer.read_head().status == 101
        assert [peer.read_frame(), peer.read_frame()] == [(TEXT, b"one"), (TEXT, b"two")]
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""


def test_answer_is_one_of_http_1_1() -> None:
    with serving(echo_view) as server, RawPeer.to(server.server_address) as peer:
        peer.send(head())
        peer.send(close_frame(1000))
        answer = peer.read_to_end()
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"content-length" not in answer.lower()


def test_view_knows_what_was_asked_for() -> None:
    seen: list[Any] = []

    def look(environ: Any, start_response: Any) -> list[bytes]:
        with upgrade(environ, start_response, subprotocols=["b", "a"]) as ws:
            seen.append((ws.request, ws.environ, ws.subprotocol))
        return []

    with serving(look) as server:
        wanted: Any = {"subprotocols": ["a", "b"], "headers": {"X-Y": "z"}}
        with connect(uri(server, "/some%20path?query"), **wanted) as ws:
            address = ws.local_address
            assert list(ws) == []
    request, environ, subprotocol = seen[0]
    assert (request.path, request.query, request.headers["X-Y"]) == ("/some path", "query", "z")
    assert (request.remote_address, subprotocol) == (address, "b")
    assert environ["PATH_INFO"] == "/some path"


# Other answers


@pytest.mark.parametrize("application", [WebSocketWSGIApplication(handler=echo), echo_view])
def test_plain_request_is_answered_426(application: Any) -> None:
    with serving(application) as server:
        with pytest.raises(HTTPError) as raised:
            get(server)
        with raised.value as reply:
            assert (reply.code, reply.headers["Upgrade"]) == (426, "websocket")
            assert reply.headers["Connection"] == "close, Upgrade"
            assert b"no upgrade to websocket" in reply.read()


@pytest.mark.parametrize("application", [WebSocketWSGIApplication(handler=echo), echo_view])
def test_wrong_request_is_answered_as_such(application: Any) -> None:
    for status, wrong in (
        (400, {"Sec_WebSocket_Key": "short"}),
        (426, {"Sec_WebSocket_Version": "8"}),
        (403, {"Origin": "http://evil.example"}),
        (400, {"Host": "a\r\nHost: b"}),
    ):
        with serving(application) as server, RawPeer.to(server.server_address) as peer:
            peer.send(head(**wrong))
            assert peer.read_response().status == status
            assert peer.read_to_end() == b""


@pytest.mark.parametrize("application", [WebSocketWSGIApplication(handler=echo), echo_view])
@pytest.mark.parametrize(
    "lines",
    [
        "garbage\r\nOrigin: http://evil.example",
        "Origin : http://evil.example",
        "X: a\rOrigin: http://evil.example",
        "X: a\nOrigin: http://evil.example",
        "X: a\r\n Origin: http://evil.example",
        "garbage\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    ],
)
def test_head_is_judged_as_it_came_and_not_as_email_reads_it(application: Any, lines: str) -> None:
    with serving(application) as server, RawPeer.to(server.server_address) as peer:
        peer.send(head(Host=f"example.org\r\n{lines}"))
        assert peer.read_response().status == 400
        assert peer.read_to_end() == b""


def test_pages_work_beside() -> None:
    with serving(page_and_echo) as server:
        with connect(uri(server, "/ws")) as ws:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
            assert get(server) == b"a page"
        assert ws.close_code == 1000  # and nothing of a page came after it


def test_endless_request_line_is_refused() -> None:
    with serving(echo_view) as server, RawPeer.to(server.server_address) as peer:
        peer.send(b"GET /", b"x" * 65536)
        assert b" 414 " in peer.read_to_end()


def test_client_that_speaks_no_tls_stops_nobody(capfd: Any) -> None:
    theirs, ours = contexts()
    with serving(echo_view, ours) as server, RawPeer.to(server.server_address) as peer:
        peer.send(head())
        peer.read_to_end()
        with connect(f"wss://localhost:{server.server_port}/", ssl=theirs) as ws:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
    assert "no request: " in capfd.readouterr().err


# Threads


def test_slow_request_does_not_stop_the_others() -> None:
    begun, go_on = Event(), Event()

    def wait(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            begun.set()
            go_on.wait(PATIENCE)
            start_response("200 OK", [])
            return [b"done"]
        return echo_view(environ, start_response)

    with serving(wait) as server, joined_threads() as threads:
        slow = threads.start(get, server, "/slow")
        assert begun.wait(PATIENCE)
        with connect(uri(server)) as ws:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
        go_on.set()
        assert slow.result(PATIENCE) == b"done"


def test_connections_of_the_manager_need_no_threads_of_their_own() -> None:
    with serving(WebSocketWSGIApplication(handler_cls=EchoWebSocket)) as server:
        server.initialize_websockets_manager()
        connections = [connect(uri(server)) for _ in range(50)]
        join(request_threads())
        assert server.manager is not None
        assert len(server.manager) == 50
        for number, ws in enumerate(connections):
            ws.send(str(number))
        for number, ws in enumerate(connections):
            assert ws.receive(PATIENCE) == str(number)
        server.manager.broadcast("all")
        for ws in connections:
            with ws:
                assert ws.receive(PATIENCE) == "all"


def test_view_may_hand_its_connection_to_the_server() -> None:
    def hand_over(environ: Any, start_response: Any) -> list[bytes]:
        server.link_websocket_to_server(upgrade(environ, start_response, handler=EchoWebSocket))
        return []

    with serving(hand_over) as server, connect(uri(server)) as ws:
        join(request_threads())
        ws.send("x")
        assert ws.receive(PATIENCE) == "x"


# Wrong uses


@pytest.mark.parametrize("copies", [dict, lambda environ: environ], ids=["copied", "same"])
def test_request_is_upgraded_once(copies: Any) -> None:
    errors: list[Exception] = []

    def twice(environ: Any, start_response: Any) -> list[bytes]:
        seen = copies(environ)  # as middleware may
        upgrade(seen, start_response)
        try:
            upgrade(seen, start_response)
        except TypeError as error:
            errors.append(error)
        return []

    with serving(twice) as server, connect(uri(server)) as ws:
        assert list(ws) == []
        assert ws.close_code == 1000  # and no second 101 came
    assert "upgraded already" in str(errors[0])


def test_other_servers_are_refused() -> None:
    with pytest.raises(TypeError, match="environ"):
        upgrade({"REQUEST_METHOD": "GET"})
    with pytest.raises(TypeError, match="environ"):
        WebSocketWSGIApplication(handler=echo)({"REQUEST_METHOD": "GET"}, None)


def test_classes_for_greenlets_are_refused() -> None:
    with pytest.raises(TypeError, match="a subclass of ThreadedWebSocket"):
        WebSocketWSGIApplication(handler_cls=geventws.EchoWebSocket)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a subclass of ThreadedWebSocket"):
        upgrade({}, handler=geventws.EchoWebSocket)  # type: ignore[type-var]
    assert WebSocketWSGIApplication()._handler is ThreadedWebSocket


ALONE = """
import sys, threading
from wsgiref.simple_server import make_server
from geventws.adapters.threaded import EchoWebSocket, connect
from geventws.adapters.wsgiref import (
    WebSocketWSGIApplication, WebSocketWSGIRequestHandler, WSGIServer
)

class Quiet(WebSocketWSGIRequestHandler):
    def log_message(self, *args):
        pass

server = make_server('', 0, server_class=WSGIServer, handler_class=Quiet,
                     app=WebSocketWSGIApplication(handler_cls=EchoWebSocket))
server.initialize_websockets_manager()
running = threading.Thread(target=server.serve_forever)
running.start()
with connect(f"ws://127.0.0.1:{server.server_port}/") as ws:
    ws.send("hello")
    print(ws.receive(10))
server.shutdown()
server.server_close()
running.join()
assert threading.enumerate() == [threading.main_thread()]
assert "gevent" not in sys.modules
"""


def test_door_works_without_gevent() -> None:
    command = [sys.executable, "-W", "error", "-c", ALONE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("hello\n", "")
