"""What the fixtures of geventws.pytest_plugin give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from geventws.client import connect as connect_by_url
from geventws.server import WebSocketServer, serve
from geventws.testing.leaks import PATIENCE, census, left_behind
from geventws.testing.network import Network
from geventws.testing.pairs import pair
from geventws.testing.wsgi import connect as connect_in_memory
from geventws.websocket import WebSocket

LOCAL = ("127.0.0.1", 0)
LEAVING = 1.0  # seconds for a server's connections to close at the end


@contextmanager
def servers() -> Iterator[Callable[..., WebSocketServer]]:
    """Give what starts servers, on free ports of this machine, and stop them after the block."""
    with ExitStack() as stack:

        def start(handler: Any, **arguments: Any) -> WebSocketServer:
            server = serve(handler, LOCAL, **arguments)
            server.start()
            stack.callback(server.stop, timeout=LEAVING)
            return server

        yield start


@contextmanager
def pairs() -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Give testing.pair(), and drop what it has made after the block."""
    with ExitStack() as stack:

        def make(*kinds: Any, **arguments: Any) -> tuple[Any, Any]:
            ends = pair(*kinds, **arguments)
            for end in ends:
                stack.callback(end.drop)
            return ends

        yield make


@contextmanager
def connections() -> Iterator[Callable[..., Any]]:
    """Give what connects to a server, an application or a url, and close that after the block."""
    with ExitStack() as stack:

        def connect(to: Any, path: str | None = None, **arguments: Any) -> WebSocket:
            if isinstance(to, str) and path is not None:
                raise TypeError("path: the url has one itself")
            if isinstance(to, WebSocketServer):
                scheme = "wss" if to.ssl_enabled else "ws"
                to = f"{scheme}://{LOCAL[0]}:{to.address[1]}{path or '/'}"
                arguments = {"proxy": None} | arguments
            ws: WebSocket
            if isinstance(to, str):
                ws = connect_by_url(to, **arguments)
            else:
                ws = connect_in_memory(to, path or "/", **arguments)
            stack.callback(ws.close)
            return ws

        yield connect


@contextmanager
def networks(seed: int | None) -> Iterator[Network]:
    """Give an open Network for a block."""
    with Network(seed) as network:
        yield network


@contextmanager
def nothing_left(patience: float = PATIENCE) -> Iterator[list[str]]:
    """Give a list, and fill it after the block with what that has left behind."""
    before = census()
    found: list[str] = []
    yield found
    found += left_behind(before, patience)
