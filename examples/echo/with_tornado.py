"""Echo on Tornado: the server with a port, the client with its address.

python examples/echo/with_tornado.py 9000
python examples/echo/with_tornado.py ws://127.0.0.1:9000/
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from contextlib import suppress

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from geventws.adapters.tornado import TornadoWebSocketClient, WebSocketHandler

SIZES = range(0, 200, 25)


class Echo(WebSocketHandler):
    """Sends every message back."""

    def on_message(self, message: str | bytes) -> Awaitable[object]:
        """Send it; the next one waits until that is done."""
        return self.write_message(message)


async def serve(port: int) -> None:
    """Serve, until Ctrl-C."""
    server, sockets = HTTPServer(Application([("/", Echo)])), bind_sockets(port, "127.0.0.1")
    server.add_sockets(sockets)
    print(f"listening on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


class Client(TornadoWebSocketClient):
    """Sends a message in fragments, then some whole ones, and prints what comes back."""

    def opened(self) -> None:
        """Send; who need not know when it has left need not wait."""
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
        over.set()


async def client(url: str) -> None:
    """Wait for the client's end."""
    await Client(url).connect()
    await over.wait()


over = asyncio.Event()

if __name__ == "__main__":
    where = sys.argv[1] if sys.argv[1:] else "9000"
    with suppress(KeyboardInterrupt):
        asyncio.run(client(where) if where.startswith("ws") else serve(int(where)))
