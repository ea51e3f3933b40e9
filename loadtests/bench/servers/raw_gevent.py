"""A bare gevent socket that sends back what comes: what everybody assumes to be gevent's limit."""

from __future__ import annotations

from typing import Any

from gevent.server import StreamServer

from loadtests.bench.servers import HOST, listening


def _echo(sock: Any, address: Any) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def serve(port: int) -> None:
    """Echo."""
    server = StreamServer((HOST, port), _echo, backlog=4096)
    server.start()
    listening()
    server.serve_forever()
