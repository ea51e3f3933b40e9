"""The contenders: Locust users that do the same thing with different clients.

A task is one round trip of 64 bytes, reported as one request. An idle user is connected and waits.
"""

from __future__ import annotations

from abc import abstractmethod
from time import perf_counter
from typing import Any, Final

import websocket
from gevent import socket
from locust import User, task

from geventws.adapters.locust import WebSocketUser, install_fine_buckets

install_fine_buckets()

TEXT: Final = "x" * 64
KEY: Final = b"\x37\xfa\x21\x3d"
FRAME: Final = bytes(
    [0x81, 0x80 | len(TEXT), *KEY, *(ord(byte) ^ KEY[place % 4] for place, byte in enumerate(TEXT))]
)
REPLY: Final = 2 + len(TEXT)  # bytes: a server does not mask
OPENING: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Alone(User):
    """Locust by itself: what any idle user takes."""

    def on_start(self) -> None:
        """Have no connection."""


class Ours(WebSocketUser):
    """geventws's user."""

    def on_start(self) -> None:
        """Connect."""
        self.ws.connect()

    @task
    def echo(self) -> None:
        """Make a round trip."""
        self.ws.request(TEXT, name="echo")


class Reporting(User):
    """A user that connects without geventws, and reports its round trips by itself."""

    abstract = True

    @abstractmethod
    def round_trip(self) -> None:
        """Send TEXT and wait until it is back."""

    @task
    def echo(self) -> None:
        """Make a round trip and report it."""
        start = perf_counter()
        error: Exception | None = None
        try:
            self.round_trip()
        except Exception as failed:
            error = failed
        self.environment.events.request.fire(
            request_type="WSX",
            name="echo",
            response_time=(perf_counter() - start) * 1000,
            response_length=len(TEXT),
            exception=error,
            context={},
        )


class WebSocketClient(Reporting):
    """websocket-client, as its documentation and most load tests have it."""

    def on_start(self) -> None:
        """Connect."""
        self.connection = websocket.create_connection(self.host)

    def round_trip(self) -> None:
        """Send TEXT and wait until it is back."""
        self.connection.send(TEXT)
        if self.connection.recv() != TEXT:
            raise ValueError("another message")


class RawSocket(Reporting):
    """A bare gevent socket and a frame made beforehand: no protocol, no checks."""

    def on_start(self) -> None:
        """Connect."""
        place, _, port = str(self.host).rpartition("/")[2].partition(":")
        self.connection: Any = socket.create_connection((place, int(port)))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(OPENING)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.connection.recv(4096)

    def round_trip(self) -> None:
        """Send TEXT and wait until as many bytes are back."""
        self.connection.sendall(FRAME)
        left = REPLY
        while left:
            left -= len(self.connection.recv(65536))


CONTENDERS: Final[dict[str, type[User]]] = {
    "geventws": Ours,
    "websocket-client": WebSocketClient,
    "raw gevent socket": RawSocket,
    "Locust alone": Alone,
}
