"""Threads in ws4py's names: wsgiref's server, and the client with a thread of its own."""

from __future__ import annotations

from typing import Any, ClassVar
from wsgiref.simple_server import make_server

from geventws.adapters.ws4py.client.threadedclient import WebSocketClient
from geventws.adapters.ws4py.server.wsgirefserver import WebSocketWSGIRequestHandler, WSGIServer
from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication
from geventws.adapters.ws4py.websocket import EchoWebSocket
from geventws.options import Options
from tests.conformance.doors import MAX_SIZE

LARGE = Options(max_size=MAX_SIZE, ping_interval=None)


class _Echo(EchoWebSocket):
    options: ClassVar[Options] = LARGE


class _Quiet(WebSocketWSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _Client(WebSocketClient):
    options: ClassVar[Options] = LARGE

    def __init__(self, url: str, echo: bool) -> None:
        super().__init__(url)
        self.echo = echo
        self.heard: list[str | bytes] = []

    def received_message(self, message: Any) -> None:
        """Note *message*, and send it back."""
        self.heard.append(message.data if message.is_binary else str(message))
        if self.echo:
            self.send(message)


def serve(port: int) -> None:
    """Echo."""
    application = WebSocketWSGIApplication(handler_cls=_Echo)
    server: Any = make_server("127.0.0.1", port, application, WSGIServer, _Quiet)
    server.initialize_websockets_manager()
    print("listening", flush=True)
    server.serve_forever()


def visit(url: str, echo: bool) -> list[str | bytes]:
    """Return what the server says, having sent it back where *echo* is true."""
    client = _Client(url, echo)
    client.connect()
    client.run_forever()
    return client.heard
