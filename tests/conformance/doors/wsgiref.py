"""wsgiref, and its poller manager for the connections."""

from __future__ import annotations

from wsgiref.simple_server import make_server

from geventws.adapters.threaded import EchoWebSocket
from geventws.adapters.wsgiref import (
    WebSocketWSGIApplication,
    WebSocketWSGIRequestHandler,
    WSGIServer,
)
from tests.conformance.doors import MAX_SIZE


class _Quiet(WebSocketWSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


def serve(port: int) -> None:
    """Echo."""
    application = WebSocketWSGIApplication(handler_cls=EchoWebSocket, max_size=MAX_SIZE)
    server = make_server("127.0.0.1", port, application, WSGIServer, _Quiet)
    print("listening", flush=True)
    server.serve_forever()
