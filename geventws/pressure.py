"""How hard a server is pressed: how late its hub runs, and how much its connections hold.

One greenlet per server looks at both, four times a second, where Limits ask for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from operator import itemgetter
from time import monotonic
from typing import Any, Final

import gevent

from geventws.core.codes import TRY_AGAIN_LATER
from geventws.core.errors import InvalidHandshake
from geventws.limits import RETRY_AFTER, Limits
from geventws.transport import breathe
from geventws.websocket import WebSocket

STEP: Final = 0.25  # seconds between two looks
SHARE: Final = 0.005  # seconds of work before others run
REST: Final = 100  # times as long as it took to weigh all connections, it rests from that


class Pressure:
    """Says when one server takes nothing new; see Limits for max_lag and max_buffered.

    Args:
        limits: of the server.
        connections: returns those that it has.

    Attributes:
        lag: how many seconds late the hub was, when last looked at.
        held: how many bytes the connections held, when last looked at.
    """

    def __init__(self, limits: Limits, connections: Callable[[], Iterable[WebSocket]]) -> None:
        self._max_lag = inf if limits.max_lag is None else limits.max_lag
        self._max_buffered = limits.max_buffered
        self._watches = limits.max_lag is not None or limits.max_buffered is not None
        self._connections = connections
        self._greenlet: Any = None
        self._due = inf  # when it should look again
        self._weigh_at = 0.0
        self.lag = 0.0
        self.held = 0

    def start(self) -> None:
        """Look from now on; does nothing where nothing is limited, or it looks already."""
        if self._watches and self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Look no more."""
        greenlet, self._greenlet = self._greenlet, None
        if greenlet is not None:
            greenlet.kill(block=False)

    def check(self) -> None:
        """Check that something new may be begun.

        Raises:
            InvalidHandshake: 503, it may not.
        """
        # the hub may be so late that it has not even looked
        if max(self.lag, monotonic() - self._due) > self._max_lag:
            raise InvalidHandshake("too busy", 503, RETRY_AFTER)
        if self._is_too_much(self.held):
            raise InvalidHandshake("too many bytes wait", 503, RETRY_AFTER)

    def _run(self) -> None:
        try:
            while True:
                self._due = monotonic() + STEP
                gevent.sleep(STEP, ref=False)  # the hub may end while only this sleeps
                now = monotonic()
                self.lag = max(now - self._due, 0.0)
                self._due = inf
                if self._max_buffered is not None and now >= self._weigh_at:
                    self._weigh()
        finally:
            self._due = inf
            self.lag = 0.0
            self.held = 0

    def _weigh(self) -> None:
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
        now = monotonic()
        self._weigh_at = now + REST * (worked + now - since)

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
