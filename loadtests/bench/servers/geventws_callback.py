"""Ours: the native server, in the callback style."""

from __future__ import annotations

import geventws
from loadtests.bench.servers import HOST, MAX_SIZE, listening

MANY = geventws.Limits(max_connections=20_000)
everybody = geventws.Manager()


class _Share(geventws.WebSocket):
    def opened(self) -> None:
        everybody.add(self)

    def received_message(self, message: str | bytes) -> None:
        everybody.broadcast(message)


def _run(handler: type[geventws.WebSocket], port: int) -> None:
    server = geventws.serve(handler, (HOST, port), max_size=MAX_SIZE, limits=MANY)
    server.start()
    listening()
    server.serve_forever()


def serve(port: int) -> None:
    """Echo."""
    _run(geventws.EchoWebSocket, port)


def broadcast(port: int) -> None:
    """Send every message to all."""
    _run(_Share, port)
