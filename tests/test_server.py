"""The native server, on real sockets, against a client that knows nothing of this library."""

from __future__ import annotations

import logging
import socket as stdlib_socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest
from gevent.event import Event

from geventws.limits import RESERVE, Limits
from geventws.server import WebSocketServer, serve
from geventws.websocket import EchoWebSocket, WebSocket
from tests.rawpeer import BINARY, PING, PONG, TEXT, RawPeer, close_frame, frame, head
from tests.servers import authority, certified, trusting
from tests.serving import LOCAL, echo, running, serving, wait_for

each_style = pytest.mark.parametrize("handler", [echo, EchoWebSocket])


def gevent_tls() -> Any:
    """Return a server's context of gevent's own class."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority("ours").issue_cert("localhost").configure_cert(context)
    return context


# Connections


@each_style
def test_server_echoes(handler: Any) -> None:
    with serving(handler) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"), frame(BINARY, b"\0" * 70000), frame(PING, b"p"))
        assert peer.read_frame() == (TEXT, b"hi")
        assert sorted([peer.read_frame(), peer.read_frame()]) == [
            (BINARY, b"\0" * 70000),
            (PONG, b"p"),
        ]
        peer.end()


@each_style
def test_frames_in_the_segment_of_the_handshake_are_received(handler: Any) -> None:
    with serving(handler) as peer:
        peer.send(head(), frame(TEXT, b"one"), frame(TEXT, b"two"), close_frame(1000))
        assert peer.read_head().status == 101
        assert [peer.read_frame(), peer.read_frame()] == [(TEXT, b"one"), (TEXT, b"two")]
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""


@each_style
def test_server_reads_a_handshake_that_comes_byte_by_byte(handler: Any) -> None:
    with serving(handler) as peer:
        peer.drip(head() + frame(TEXT, b"hi"))
        assert peer.read_head().status == 101
        assert peer.read_frame() == (TEXT, b"hi")


def test_handler_knows_its_request_and_its_addresses() -> None:
    seen: list[Any] = []

    def look(ws: WebSocket) -> None:
        assert ws.request is not None
        seen.append((ws.request.path, ws.request.query, ws.request.cookies, ws.subprotocol))
        seen.append((ws.request.remote_address, ws.peer_address, ws.environ))

    with serving(look, subprotocols=["chat"]) as peer:
        peer.upgrade("GET /a%20b?c=d HTTP/1.1", Cookie="e=f", Sec_WebSocket_Protocol="chat")
        address = peer.socket.getsockname()
        assert peer.read_close() == (1000, "")
    assert seen == [("/a b", "c=d", {"e": "f"}, "chat"), (address, address, None)]


def test_server_closes_tcp_first() -> None:
    with serving(lambda ws: None) as peer:
        peer.upgrade()
        peer.end()


def test_handler_that_fails_is_logged_and_its_connection_closed_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(ws: WebSocket) -> None:
        raise RuntimeError("secret")

    with serving(fail) as peer:
        peer.upgrade()
        assert peer.read_close() == (1011, "the application failed")
        peer.send(close_frame(1011))
        assert b"secret" not in peer.read_to_end()
        assert str(peer.socket.getsockname()) in caplog.text
    assert "RuntimeError: secret" in caplog.text


def test_callback_that_fails_closes_with_1011() -> None:
    class Failing(WebSocket):
        __slots__ = ()

        def received_message(self, message: str | bytes) -> None:
            raise RuntimeError("secret")

    with serving(Failing) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_close()[0] == 1011


def test_callback_connections_hold_no_greenlet() -> None:
    with running(serve(EchoWebSocket, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        peer.read_frame()
        assert server.connections == 1
        assert (server._arrivals, len(server._handed_over)) == ({}, 1)
        peer.end()


def test_connection_leaves_the_manager_when_it_is_over() -> None:
    over = Event()

    def wait(ws: WebSocket) -> None:
        ws.follow(lambda _: over.set())
        ws.receive()

    with running(serve(wait, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        gevent.sleep(0)
        assert list(server.manager)
        peer.end()
        peer.close()
        wait_for(over)
        assert server.connections == 0


# TLS, unix sockets, sockets that are given


@each_style
@pytest.mark.parametrize("context", [lambda: certified("localhost"), gevent_tls])
def test_server_speaks_tls_with_any_context(handler: Any, context: Any) -> None:
    with (
        running(serve(handler, LOCAL, ssl=context())) as server,
        RawPeer.to(server.address, trusting()) as peer,
    ):
        peer.send(head(), frame(TEXT, b"first"))
        assert peer.read_head().status == 101
        assert peer.read_frame() == (TEXT, b"first")
        peer.send(frame(BINARY, b"\1" * 200_000), frame(TEXT, b"last"))
        assert peer.read_frame() == (BINARY, b"\1" * 200_000)
        assert peer.read_frame() == (TEXT, b"last")
        peer.end()


def test_tls_handshake_leaves_others_running() -> None:
    with (
        running(serve(echo, LOCAL, ssl=certified("localhost"))) as server,
        RawPeer.to(server.address),
        RawPeer.to(server.address, trusting()) as peer,
    ):
        peer.upgrade()
        peer.end()


def test_plain_text_to_a_tls_server_is_closed_and_logged_without_a_traceback(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, "geventws")
    with serving(ssl=certified("localhost")) as peer:
        peer.send(head())
        with suppress(ConnectionResetError):
            peer.read_to_end()
    assert "no TLS" in caplog.text
    assert "Traceback" not in capfd.readouterr().err


def test_same_origin_has_the_scheme_of_our_tls() -> None:
    with running(serve(echo, LOCAL, ssl=certified("localhost"))) as server:
        with RawPeer.to(server.address, trusting()) as peer:
            peer.send(head(Origin="http://example.org"))
            assert peer.read_response().status == 403
        with RawPeer.to(server.address, trusting()) as peer:
            peer.upgrade(Origin="https://example.org")


def test_server_listens_on_a_unix_socket_and_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(address=f"unix:{path}") as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"hi"))
        assert peer.read_frame() == (TEXT, b"hi")
        peer.end()
    assert not path.exists()


@pytest.mark.parametrize("kind", [gevent.socket.socket, stdlib_socket.socket])
def test_server_takes_a_listening_socket(kind: Any) -> None:
    listener = kind()
    listener.bind(LOCAL)
    listener.listen()
    with serving(address=listener) as peer:
        peer.upgrade()
        peer.end()


# Limits


def test_connection_over_max_connections_is_answered_503() -> None:
    with running(serve(echo, LOCAL, limits=Limits(max_connections=1))) as server:
        with RawPeer.to(server.address) as first:
            first.upgrade()
            with RawPeer.to(server.address) as second:
                second.send(head())
                reply = second.read_response()
                assert reply.status == 503
                assert int(reply.headers["retry-after"]) > 0
                assert second.read_to_end() == b""
            first.end()
        with RawPeer.to(server.address) as third:
            third.upgrade()


def test_connection_over_per_address_is_answered_429() -> None:
    with (
        running(serve(EchoWebSocket, LOCAL, limits=Limits(per_address=1))) as server,
        RawPeer.to(server.address) as first,
        RawPeer.to(server.address) as second,
    ):
        first.upgrade()
        second.send(head())
        reply = second.read_response()
        assert reply.status == 429
        assert int(reply.headers["retry-after"]) > 0


def test_connections_that_are_still_opening_are_limited_too() -> None:
    with running(serve(echo, LOCAL, limits=Limits(max_connections=1))) as server:
        silent = [RawPeer.to(server.address) for _ in range(RESERVE + 1)]
        with RawPeer.to(server.address) as over:
            assert over.read_to_end() == b""
        silent[0].upgrade()
        for peer in silent:
            peer.close()


# Arguments


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"handler": "echo"}, TypeError, "handler"),
        ({"handler": echo, "ssl": "tls"}, TypeError, "ssl"),
        ({"handler": echo, "max_size": "1"}, TypeError, "max_size"),
        ({"handler": echo, "headers": {"X-A": "\r\n"}}, ValueError, "X-A"),
        ({"handler": echo, "colour": 1}, TypeError, "colour"),
    ],
)
def test_serve_names_a_wrong_argument(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        serve(address=LOCAL, **arguments)


def test_serve_takes_a_port_alone() -> None:
    server = serve(echo, ":0")
    assert isinstance(server, WebSocketServer)
    with running(server), RawPeer.to(("127.0.0.1", server.server_port)) as peer:
        peer.upgrade()
