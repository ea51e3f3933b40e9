"""What goes wrong on a WebSocket, as gevent-websocket names it."""

from __future__ import annotations


class WebSocketError(OSError):
    """The connection is over."""


class ProtocolError(WebSocketError):
    """Never raised here: a peer's mistake closes its connection. For code that catches it."""


class FrameTooLargeException(ProtocolError):
    """Never raised here, see ProtocolError. For code that catches it."""
