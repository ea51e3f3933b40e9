"""Pongs that nobody asked for, as ws4py sends them to keep a connection alive."""

from __future__ import annotations

import threading
from functools import singledispatch
from typing import Any

from geventws.adapters.ws4py.exc import StreamClosed
from geventws.adapters.ws4py.messaging import PongControlMessage


class Heartbeat(threading.Thread):
    """A thread that sends a pong nobody asked for every *frequency* seconds; a context manager.

    It learns that the peer is gone only when TCP does. A WebSocket pings instead, unless its
    *heartbeat* is "pong".
    """

    def __init__(self, websocket: Any, frequency: float | None = 2.0) -> None:
        super().__init__(name="Heartbeat", daemon=True)
        self.websocket = websocket
        self.frequency = frequency
        self._stopped = threading.Event()

    def __enter__(self) -> Heartbeat:
        if self.frequency:
            self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; returns at once."""
        self._stopped.set()

    def run(self) -> None:
        """Send, until stop() is called or the websocket is terminated."""
        while not self._stopped.wait(self.frequency):
            try:
                self.websocket.send(PongControlMessage("beep"))
            except StreamClosed:
                return


@singledispatch
def heartbeat_of(transport: Any, websocket: Any, frequency: float | None) -> Any:
    """Return the Heartbeat of a websocket over *transport*; there are transports with another."""
    return Heartbeat(websocket, frequency)
