"""gevent-websocket's server, as its README has it."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import pytest

from geventws.adapters.gevent_websocket import Resource, WebSocketApplication, WebSocketServer
from tests.crowds import until
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.serving import LOCAL, running


class Chat(WebSocketApplication):
    """Sends every message to all."""

    def on_message(self, message: Any) -> None:
        """Send *message* to all clients."""
        assert self.ws.handler.active_client.ws is self.ws
        for client in list(self.ws.handler.server.clients.values()):
            client.ws.send(f"{len(self.ws.handler.server.clients)} {message}")


@pytest.mark.parametrize("where", ["tcp", "unix"])
def test_application_reaches_all_clients(where: str, tmp_path: Any) -> None:
    listener = LOCAL if where == "tcp" else f"unix:{tmp_path}/socket"
    server = WebSocketServer(listener, Resource({"/": Chat}))
    with running(server), RawPeer.to(server.address) as one, RawPeer.to(server.address) as two:
        for peer in (one, two):
            peer.upgrade()
        two.send(frame(TEXT, b"both"))
        assert one.read_frame() == two.read_frame() == (TEXT, b"2 both")
        two.end()
        until(lambda: len(server.clients) == 1)
        one.send(frame(TEXT, b"alone"))
        assert one.read_frame() == (TEXT, b"1 alone")
        one.end()
    assert server.clients == {}


def test_clients_behind_one_proxy_are_told_apart() -> None:
    server = WebSocketServer(LOCAL, Resource({"/": Chat}), trusted_proxies=["127.0.0.1"])
    with running(server), RawPeer.to(server.address) as one, RawPeer.to(server.address) as two:
        for peer in (one, two):
            peer.upgrade(X_Forwarded_For="192.0.2.1")
        assert [client.address for client in server.clients.values()] == [("192.0.2.1", 0)] * 2
        one.end()
        until(lambda: len(server.clients) == 1)
        two.send(frame(TEXT, b"alone"))
        assert two.read_frame() == (TEXT, b"1 alone")
        two.end()
    assert server.clients == {}


def test_server_closes_its_connections_when_it_drains() -> None:
    server = WebSocketServer(LOCAL, Resource({"/": Chat}))
    with running(server), RawPeer.to(server.address) as peer:
        peer.upgrade()
        draining = gevent.spawn(server.drain, 10)
        assert peer.read_close() == (1001, "")
        peer.send(close_frame(1001))
        assert peer.read_to_end() == b""
        peer.close()
        draining.get()


def test_hook_can_have_a_request_served_without_a_websocket() -> None:
    def page(environ: Any, start_response: Any) -> list[bytes]:
        assert "wsgi.websocket" not in environ
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    server = WebSocketServer(LOCAL, page, pre_start_hook=lambda handler: handler.environ)
    with running(server), RawPeer.to(server.address) as peer:
        peer.send(head())
        assert peer.read_response().body == b"ok"


def test_debug_writes_all_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    server = WebSocketServer(LOCAL, debug=True)
    try:
        assert WebSocketServer(LOCAL, debug=True).logger is server.logger
        server.logger.debug("a detail")
        said = capfd.readouterr().err
        assert said.count("a detail") == 1
        assert "DEBUG in test_server" in said
    finally:
        server.logger.handlers.clear()
        server.logger.setLevel(logging.NOTSET)


def test_server_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="unexpected option: clients"):
        WebSocketServer(LOCAL, clients=3)
