"""websockets' threads; gevent.monkey has to make them greenlets."""

from __future__ import annotations

import socket

from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as listen

from loadtests.bench.servers import HOST, MAX_SIZE, listening


def _echo(ws: ServerConnection) -> None:
    for message in ws:
        ws.send(message)


def serve(port: int) -> None:
    """Echo."""
    sock = socket.create_server((HOST, port), backlog=4096)
    with listen(_echo, sock=sock, max_size=MAX_SIZE) as server:
        listening()
        server.serve_forever()
