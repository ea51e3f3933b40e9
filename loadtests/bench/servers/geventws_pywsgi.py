"""Ours: under gevent's WSGI server, as an application of its own."""

from __future__ import annotations

import geventws
from loadtests.bench.servers import HOST, MAX_SIZE, listening

MANY = geventws.Limits(max_connections=20_000)


def serve(port: int) -> None:
    """Echo."""
    application = geventws.WebSocketWSGIApplication(
        handler_cls=geventws.EchoWebSocket, max_size=MAX_SIZE
    )
    server = geventws.WSGIServer((HOST, port), application, log=None, limits=MANY)
    server.start()
    listening()
    server.serve_forever()
