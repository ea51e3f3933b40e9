"""What programs for gevent-websocket catch."""

from __future__ import annotations

from geventws.adapters.gevent_websocket import WebSocketError
from geventws.adapters.gevent_websocket.exceptions import FrameTooLargeException, ProtocolError


def test_errors_are_those_of_sockets() -> None:
    assert FrameTooLargeException.__mro__[1:4] == (ProtocolError, WebSocketError, OSError)
