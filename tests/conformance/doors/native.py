"""gevent: serve() and connect()."""

from __future__ import annotations

import geventws
from tests.conformance.doors import MAX_SIZE, heard_from


def serve(port: int) -> None:
    """Echo."""
    server = geventws.serve(geventws.EchoWebSocket, ("127.0.0.1", port), max_size=MAX_SIZE)
    server.start()
    print("listening", flush=True)
    server.serve_forever()


def visit(url: str, echo: bool) -> list[str | bytes]:
    """Return what the server says, having sent it back where *echo* is true."""
    with geventws.connect(url, max_size=MAX_SIZE) as ws:
        return heard_from(ws, echo)
