"""A connection as gevent-websocket has it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult

from geventws.adapters.gevent_websocket import WebSocketError, WebSocketServer
from geventws.adapters.gevent_websocket.websocket import (
    MSG_ALREADY_CLOSED,
    MSG_CLOSED,
    MSG_SOCKET_DEAD,
    WebSocket,
)
from tests.rawpeer import BINARY, PING, PONG, TEXT, RawPeer, close_frame, frame
from tests.serving import LOCAL, in_time, running


class App:
    """An application that hears of ends, and leaves a test its connection."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.current_app = SimpleNamespace(on_close=self.ends.append)
        self.ws: AsyncResult[WebSocket] = AsyncResult()
        self.done: AsyncResult[None] = AsyncResult()

    def __call__(self, environ: Any, start_response: Any) -> None:
        """Wait until the test is done."""
        self.ws.set(environ["wsgi.websocket"])
        self.done.get()


@contextmanager
def met(app: App, **headers: str) -> Iterator[tuple[Any, RawPeer]]:
    """Give both ends of a connection."""
    server = WebSocketServer(LOCAL, app, origins="*")
    with running(server), RawPeer.to(server.address) as peer:
        try:
            peer.upgrade("GET /chat?room=1 HTTP/1.1", **headers)
            yield in_time(app.ws.get), peer
        finally:
            app.done.set(None)


def test_websocket_knows_its_request() -> None:
    offer = "chat, other"
    with met(App(), Origin="http://a.example", Sec_WebSocket_Protocol=offer) as (ws, peer):
        assert (ws.path, ws.origin, ws.version) == ("/chat", "http://a.example", "13")
        assert ws.protocol == offer
        assert ws.environ["QUERY_STRING"] == "room=1"
        assert ws.environ["wsgi.websocket"] is ws
        assert ws.environ["wsgi.websocket_version"] == "13"
        assert ws.handler is ws.stream.handler
        assert ws.handler.websocket is ws
        assert ws.handler.client_address == peer.socket.getsockname()
        assert ws.handler.active_client.address == ws.handler.client_address
        assert isinstance(ws.logger, logging.Logger)
        assert not ws.closed


def test_messages_have_the_types_of_gevent_websocket() -> None:
    with met(App()) as (ws, peer):
        peer.send(frame(TEXT, b"text"), frame(BINARY, b"\0\1"))
        text, binary = ws.receive(), ws.receive()
        assert (text, type(binary), binary) == ("text", bytearray, b"\0\1")
        for message, flag, expected in (
            ("text", None, (TEXT, b"text")),
            (binary, None, (BINARY, b"\0\1")),
            ("text", True, (BINARY, b"text")),
            (b"text", False, (TEXT, b"text")),
            (memoryview(b"text"), False, (TEXT, b"text")),
        ):
            ws.send(message, flag)
            assert peer.read_frame() == expected
        for wrong in (None, 3, ["text"]):
            with pytest.raises(TypeError, match="message: str or bytes-like"):
                ws.send(wrong)


def test_frames_are_sent_by_opcode() -> None:
    with met(App()) as (ws, peer):
        ws.send_frame("text", ws.OPCODE_TEXT)
        assert peer.read_frame() == (TEXT, b"text")
        peer.send(frame(PING, b"asked"))
        assert peer.read_frame() == (PONG, b"asked")
        with pytest.raises(ValueError, match="opcode: text, binary, ping or close"):
            ws.send_frame("", ws.OPCODE_CONTINUATION)
        ws.send_frame("bye", ws.OPCODE_CLOSE)
        assert peer.read_close() == (1000, "bye")


def test_ping_waits_for_its_pong() -> None:
    with met(App()) as (ws, peer):
        pinging = gevent.spawn(ws.send_frame, "", ws.OPCODE_PING)
        opcode, payload = peer.read_frame()
        assert opcode == PING
        peer.send(frame(PONG, payload))
        in_time(pinging.get)


def test_receive_tells_a_clean_end_by_none_and_then_raises() -> None:
    app = App()
    with met(app) as (ws, peer):
        peer.send(frame(TEXT, b"last"), close_frame(1000, "bye"))
        assert ws.receive() == "last"
        assert ws.receive() is None
        assert ws.closed
        assert ws.close_reason == "bye"
        assert app.ends == []
        with pytest.raises(WebSocketError, match=MSG_ALREADY_CLOSED):
            ws.receive()
        with pytest.raises(WebSocketError, match=MSG_SOCKET_DEAD):
            ws.send("too late")
        ws.close()
        assert app.ends == [MSG_ALREADY_CLOSED, MSG_SOCKET_DEAD, MSG_ALREADY_CLOSED]


@pytest.mark.parametrize(
    "go", [RawPeer.close, lambda peer: peer.send(frame(TEXT, b"\xff"))], ids=["lost", "not UTF-8"]
)
def test_receive_tells_an_unclean_end_to_the_application_too(go: Callable[[Any], None]) -> None:
    app = App()
    with met(app) as (ws, peer):
        go(peer)
        assert ws.receive() is None
        assert app.ends == [MSG_CLOSED]


def test_close_does_not_wait_for_the_peer() -> None:
    with met(App()) as (ws, peer):
        with pytest.raises(ValueError, match="1005"):
            ws.close(1005)
        ws.close(4001, b"enough")
        assert ws.closed
        assert peer.read_close() == (4001, "enough")
        with pytest.raises(WebSocketError):
            ws.receive()
