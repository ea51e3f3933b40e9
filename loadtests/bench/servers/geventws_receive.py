"""Ours: the native server, in the blocking style."""

from __future__ import annotations

import geventws
from geventws.upgrader import Handler
from loadtests.bench.servers import HOST, MAX_SIZE, listening

MANY = geventws.Limits(max_connections=20_000)


def _run(handler: Handler, port: int) -> None:
    server = geventws.serve(handler, (HOST, port), max_size=MAX_SIZE, limits=MANY)
    server.start()
    listening()
    server.serve_forever()


def serve(port: int) -> None:
    """Echo."""

    def echo(ws: geventws.WebSocket) -> None:
        for message in ws:
            ws.send(message)

    _run(echo, port)


def broadcast(port: int) -> None:
    """Send every message to all."""
    manager = geventws.Manager()

    def share(ws: geventws.WebSocket) -> None:
        manager.add(ws)
        for message in ws:
            manager.broadcast(message)

    _run(share, port)
