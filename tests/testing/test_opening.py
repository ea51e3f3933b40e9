"""The client's opening over streams in memory."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from geventws.core.errors import InvalidHandshake
from geventws.memory import MemoryTransport, transports
from geventws.testing.opening import open_over
from geventws.uri import URI
from geventws.websocket import WebSocket

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def test_opening_that_fails_closes_its_transport() -> None:
    made: list[tuple[MemoryTransport, ...]] = []
    asked: list[tuple[URI, Any]] = []

    def reach(where: URI, deadline: float | None) -> MemoryTransport:
        asked.append((where, deadline))
        made.append(transports())
        made[-1][1].shutdown()
        return made[-1][0]

    with pytest.raises(InvalidHandshake, match="ends before"):
        open_over(reach, "ws://there:81/path?q", WebSocket, open_timeout=None)
    [(near, far)] = made
    assert near.closed
    assert asked == [(URI(False, "there", 81, "/path?q", None), None)]
    assert far.read().startswith(b"GET /path?q HTTP/1.1\r\nHost: there:81\r\n")
    far.close()
    gevent.sleep(0)


def test_way_that_is_none_is_told() -> None:
    def reach(where: URI, deadline: float | None) -> MemoryTransport:
        raise ConnectionRefusedError("nobody")

    with pytest.raises(ConnectionRefusedError):
        open_over(reach, "ws://there", WebSocket)
