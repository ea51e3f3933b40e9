"""A client of HTTP/2, as browsers are, which can open a WebSocket over it (RFC 8441)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived

from tests.rawpeer import RawPeer
from tests.servers import authority


class HTTP2:
    """A connection with one stream."""

    def __init__(self, peer: RawPeer) -> None:
        self._peer = peer
        self._state = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._state.initiate_connection()
        self._events: Iterator[Any] = iter(())  # that nobody has looked at
        self._wait_for(RemoteSettingsChanged)

    @property
    def takes_websockets(self) -> bool:
        """Whether the server says that it does (RFC 8441 3)."""
        return self._state.remote_settings.enable_connect_protocol == 1

    def open(self, authority: str, origin: str) -> str:
        """Ask for a WebSocket, and return the status of the answer (RFC 8441 5)."""
        self._state.send_headers(
            1,
            [
                *((":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https")),
                *((":authority", authority), (":path", "/")),
                *(("sec-websocket-version", "13"), ("origin", origin)),
            ],
        )
        answer: Any = self._wait_for(ResponseReceived)
        return str(dict(answer.headers)[":status"])

    def send(self, data: bytes) -> None:
        """Send *data* on the stream."""
        self._state.send_data(1, data)

    def receive(self) -> bytes:
        """Wait for data on the stream, and return it."""
        came: Any = self._wait_for(DataReceived)
        return bytes(came.data)

    def _wait_for(self, kind: type) -> Any:
        """Return the next event of *kind*; those before it are of no interest."""
        while True:
            for event in self._events:
                if isinstance(event, kind):
                    return event
            self._peer.send(self._state.data_to_send())
            data = self._peer.socket.recv(65536)
            assert data
            self._events = iter(self._state.receive_data(data))


def offering() -> ssl.SSLContext:
    """Return a client's context as browsers have it: HTTP/2 is what they want most."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@contextmanager
def http2(port: int) -> Iterator[HTTP2]:
    """Connect to *port* as browsers do."""
    with RawPeer.to(("127.0.0.1", port), offering()) as peer:
        assert peer.socket.selected_alpn_protocol() == "h2"
        yield HTTP2(peer)
