"""Echo on gevent: the server with a port, the client with its address.

python examples/echo/with_gevent.py 9000
python examples/echo/with_gevent.py ws://127.0.0.1:9000/
"""

from __future__ import annotations

import signal
import sys

import gevent

import geventws

SIZES = range(0, 200, 25)


def serve(port: int) -> None:
    """Send every message back, until Ctrl-C."""
    server = geventws.serve(geventws.EchoWebSocket, ("127.0.0.1", port))
    server.start()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    gevent.signal_handler(signal.SIGINT, server.drain)
    server.serve_forever()


def send_some(ws: geventws.WebSocket) -> None:
    """Send a message in fragments, then some whole ones."""
    ws.send("#" * size for size in SIZES)
    for size in SIZES:
        ws.send("*" * size)


def client(url: str) -> None:
    """Receive in one greenlet what another one sends."""
    with geventws.connect(url) as ws:
        gevent.spawn(send_some, ws)
        for message in ws:
            print(len(message), flush=True)
            if len(message) == SIZES[-1]:
                ws.close(reason="bye")
    print("closed", ws.close_code)


if __name__ == "__main__":
    where = sys.argv[1] if sys.argv[1:] else "9000"
    client(where) if where.startswith("ws") else serve(int(where))
