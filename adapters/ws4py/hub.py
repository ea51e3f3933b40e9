"""gevent's sockets in this door: they let other greenlets run, in a patched process or not.

Imported by the modules that need gevent; it registers what transports.py does for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
import gevent.socket

from geventws.adapters.ws4py.exc import StreamClosed
from geventws.adapters.ws4py.heartbeat import heartbeat_of
from geventws.adapters.ws4py.messaging import PongControlMessage
from geventws.adapters.ws4py.transports import look_after, transport_of
from geventws.care import caretaker
from geventws.transport import Transport


class Open:
    """In place of a Monitor: greenlets of one thread switch only where they leave it anyway."""

    def __enter__(self) -> None:
        """Enter."""

    def __exit__(self, *exc_info: object) -> None:
        """Leave."""

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Be outside, which makes no difference."""
        yield


class GreenTransport(Transport):
    """gevent's Transport, with the monitor that a ThreadedWebSocket enters."""

    monitor = Open()

    def __init__(self, socket: Any) -> None:
        super().__init__(socket, at_once=True)  # it may be a client's


transport_of.register(gevent.socket.socket, GreenTransport)


class GreenHeartbeat:
    """What Heartbeat is for threads, in a greenlet."""

    def __init__(self, websocket: Any, frequency: float | None) -> None:
        self._websocket = websocket
        self._frequency = frequency
        self._greenlet: Any = None

    def __enter__(self) -> None:
        if self._frequency:
            self._greenlet = gevent.spawn(self._beat, self._frequency)

    def __exit__(self, *exc_info: object) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()

    def _beat(self, frequency: float) -> None:
        with suppress(StreamClosed):
            while True:
                gevent.sleep(frequency)
                self._websocket.send(PongControlMessage("beep"))


@heartbeat_of.register
def _beating(transport: GreenTransport, websocket: Any, frequency: float | None) -> GreenHeartbeat:
    return GreenHeartbeat(websocket, frequency)


@look_after.register
def _watch(transport: GreenTransport, connection: Any) -> None:
    caretaker().watch(connection, transport)
