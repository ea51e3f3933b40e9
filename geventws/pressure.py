"""How hard a server is pressed: how late its hub runs, and how much its connections hold.

Where Limits ask for it, a timer looks at the former, and a greenlet at the latter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final

import gevent

from geventws.clock import monotonic
from geventws.core.codes import TRY_AGAIN_LATER
from geventws.core.errors import InvalidHandshake
from geventws.lag import HubLag
from geventws.limits import RETRY_AFTER, Limits
from geventws.transport import breathe
from geventws.websocket import WebSocket

STEP: Final = 0.25  # seconds between two looks at what is held
SHARE: Final = 0.005  # seconds of work before others run
REST: Final = 100  # times as long as it took to weigh all connections, it rests from that


class Pressure:
    """Says when one server takes nothing new; see Limits for max_lag and max_buffered.

    Args:
        limits: of the server.
        connections: returns those that it has.

    Attributes:
        lag: measures how late the hub is, where that is limited.
        held: how many bytes the connections held, when last looked at.
    """

    def __init__(self, limits: Limits, connections: Callable[[], Iterable[WebSocket]]) -> None:
        self._max_lag = limits.max_lag
        self._max_buffered = limits.max_buffered
        self._connections = connections
        self._greenlet: Any = None
        self.lag = HubLag()
        self.held = 0

    def start(self) -> None:
        """Look from now on; does nothing where nothing is limited, or it looks already."""
        if self._max_lag is not None:
            self.lag.start()
        if self._max_buffered is not None and self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Look no more."""
        self.lag.stop()
        greenlet, self._greenlet = self._greenlet, None
        if greenlet is not None:
            greenlet.kill(block=False)

    def check(self) -> None:
        """Check that something new may be begun.

        Raises:
            InvalidHandshake: 503, it may not.
        """
        if self._max_lag is not None and self.lag.now() > self._max_lag:
            raise InvalidHandshake("too busy", 503, RETRY_AFTER)
        if self._is_too_much(self.held):
            raise InvalidHandshake("too many bytes wait", 503, RETRY_AFTER)

    def _run(self) -> None:
        try:
            while True:
                gevent.sleep(
                    max(STEP, REST * self._weigh()), ref=False
                )  # the hub may end meanwhile
        finally:
            self.held = 0

    def _weigh(self) -> float:
        """Look at what all connections hold; return the seconds of work that took."""
        worked, since = 0.0, monotonic()
        held: list[tuple[int, WebSocket]] = []
        for ws in self._connections():
            if size := held_by(ws):
                held.append((size, ws))
            if (now := monotonic()) - since > SHARE:
                worked += now - since
                breathe()
                since = monotonic()
        self._lighten(held)
        return worked + monotonic() - since

    def _lighten(self, held: list[tuple[int, WebSocket]]) -> None:
        """Drop those who hold the most until the others are within the limit."""
        self.held = sum(map(itemgetter(0), held))
        held.sort(key=itemgetter(0))
        while self._is_too_much(self.held):
            size, ws = held.pop()
            ws.drop(TRY_AGAIN_LATER, "too many bytes wait")
            self.held -= size

    def _is_too_much(self, held: int) -> bool:
        return self._max_buffered is not None and held > self._max_buffered


def held_by(ws: Any) -> int:
    """Return how many bytes *ws* holds: not received yet, not sent yet, or of broadcasts.

    A broadcast that waits for several peers is there once, but counts for each.
    """
    backlog = ws._backlog
    waiting: int = 0 if backlog is None else backlog.size
    return int(ws._protocol.buffered() + ws._transport.unsent() + waiting)
