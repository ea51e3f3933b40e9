"""An echo over loopback beside a bare gevent socket: `python loadtests/bench_echo.py`.

Client and server share one process and one core, so that the ratio is of all the work there is.
"""

from __future__ import annotations

from time import process_time
from typing import Any

import gevent
from gevent import socket
from gevent.server import StreamServer

import geventws

COUNT = 5_000
ROUNDS = 5
SIZES = (32, 1024, 16384)


def _echo_bytes(sock: Any, _: Any) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def bare(message: bytes) -> float:
    """Return the processor seconds of COUNT echoes over bare sockets."""
    server = StreamServer(("127.0.0.1", 0), _echo_bytes)
    server.start()
    with socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = process_time()
        for _ in range(COUNT):
            client.sendall(message)
            left = len(message)
            while left:
                left -= len(client.recv(65536))
        seconds = process_time() - start
    server.stop()
    return seconds


def ours(message: bytes) -> float:
    """Return the processor seconds of COUNT echoes over WebSockets."""

    def echo(ws: geventws.WebSocket) -> None:
        for each in ws:
            ws.send(each)

    server = geventws.serve(echo, ("127.0.0.1", 0), compression=None)
    server.start()
    with geventws.connect(f"ws://127.0.0.1:{server.server_port}/", compression=None) as ws:
        start = process_time()
        for _ in range(COUNT):
            ws.send(message)
            ws.receive()
        seconds = process_time() - start
    server.stop()
    return seconds


if __name__ == "__main__":
    gevent.get_hub()
    for size in SIZES:
        pairs = [(ours(bytes(size)), bare(bytes(size))) for _ in range(ROUNDS)]
        ratio = sorted(a / b for a, b in pairs)[ROUNDS // 2]
        cost = min(a for a, _ in pairs) / COUNT * 1e6
        print(f"{size:>8} bytes: {cost:6.1f} us per round trip, {ratio:.2f} x bare sockets")
