"""Threads and plain sockets."""

from __future__ import annotations

from geventws.adapters import threaded
from tests.conformance.doors import MAX_SIZE, heard_from


def _echo(ws: threaded.ThreadedWebSocket) -> None:
    for message in ws:
        ws.send(message)


def serve(port: int) -> None:
    """Echo."""
    server = threaded.serve(_echo, ("127.0.0.1", port), max_size=MAX_SIZE)
    print("listening", flush=True)
    server.serve_forever()


def visit(url: str, echo: bool) -> list[str | bytes]:
    """Return what the server says, having sent it back where *echo* is true."""
    with threaded.connect(url, max_size=MAX_SIZE) as ws:
        return heard_from(ws, echo)
