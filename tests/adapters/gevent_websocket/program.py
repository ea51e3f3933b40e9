"""An application for gevent-websocket that imports it by its old name, as gunicorn is given it."""

from __future__ import annotations

from typing import Any

import geventws.adapters.gevent_websocket

geventws.adapters.gevent_websocket.install()

from geventwebsocket import (  # type: ignore[import-not-found]  # noqa: E402
    Resource,
    WebSocketApplication,
)
from geventwebsocket.protocols.base import (  # type: ignore[import-not-found]  # noqa: E402
    BaseProtocol,
)


class Spoken(BaseProtocol):  # type: ignore[misc]
    """A subprotocol."""

    PROTOCOL_NAME = "spoken"


class EchoApplication(WebSocketApplication):  # type: ignore[misc]
    """Sends every message back."""

    protocol_class = Spoken

    def on_message(self, message: Any) -> None:
        """Send *message* back."""
        self.ws.send(message)


def page(environ: Any, start_response: Any) -> list[bytes]:
    """Answer a request that asks for no WebSocket."""
    start_response("200 OK", [("Content-Length", "12")])
    return [b"no websocket"]


websocket_app = Resource({"/echo": EchoApplication, "/": page})
