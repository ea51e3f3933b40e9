"""simple-websocket in a view under gevent's WSGI server; gevent.monkey has to patch its thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gevent.pywsgi import WSGIServer
from simple_websocket import ConnectionClosed, Server

from loadtests.bench.servers import HOST, MAX_SIZE, listening


def _echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    ws = Server(environ, max_message_size=MAX_SIZE)
    try:
        while True:
            ws.send(ws.receive())
    except ConnectionClosed:
        start_response("200 OK", [("Connection", "close")])  # or gevent waits for a next request
        return []


def serve(port: int) -> None:
    """Echo."""
    server = WSGIServer((HOST, port), _echo, log=None, backlog=4096)
    server.start()
    listening()
    server.serve_forever()
