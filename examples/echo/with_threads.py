"""Echo on threads: the server with a port, the client with its address. Nothing of gevent is used.

python examples/echo/with_threads.py 9000
python examples/echo/with_threads.py ws://127.0.0.1:9000/
"""

from __future__ import annotations

import sys
from contextlib import suppress

from geventws.adapters import threaded

SIZES = range(0, 200, 25)


def serve(port: int) -> None:
    """Send every message back, until Ctrl-C; each connection has a thread."""
    server = threaded.serve(threaded.EchoWebSocket, ("127.0.0.1", port))
    print(f"listening on http://127.0.0.1:{server.address[1]}", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()
    server.drain(timeout=10)


class Client(threaded.WebSocketClient):
    """Sends a message in fragments, then some whole ones, and prints what comes back."""

    def opened(self) -> None:
        """Send."""
        self.send("#" * size for size in SIZES)
        for size in SIZES:
            self.send("*" * size)

    def received_message(self, message: str | bytes) -> None:
        """Take one message; the last one ends it."""
        print(len(message), flush=True)
        if len(message) == SIZES[-1]:
            self.close(reason="bye")

    def closed(self, code: int, reason: str) -> None:
        """Say how it ended."""
        print("closed", code)


def client(url: str) -> None:
    """Have the client's thread do it all."""
    ws = Client(url)
    ws.connect()
    ws.run_forever()


if __name__ == "__main__":
    where = sys.argv[1] if sys.argv[1:] else "9000"
    client(where) if where.startswith("ws") else serve(int(where))
