"""A connection whose messages go to an Inbox, also while nobody waits for one.

bytes are there and nobody reads -> on_neglect -> read_and_deliver() -> Inbox.hand_on()
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import gevent

from geventws.adapters.locust.inbox import Inbox
from geventws.client import Phases, open_connection
from geventws.core.errors import ConnectionClosed
from geventws.transport import Transport
from geventws.websocket import WebSocket


class Tapped(WebSocket):
    """One connection and who waits for its messages.

    Attributes:
        inbox: where its messages go.
        left: whether the user closes it, or was stopped.
        owner: its ended() is called once with this and ConnectionClosed, after all messages, and
            its ponged() with the seconds that a ping took.
    """

    __slots__ = ("_latency", "_take_care", "inbox", "left", "owner")

    inbox: Inbox
    left: bool
    owner: Any
    _latency: float | None
    _take_care: Callable[[], None] | None

    def tap(self, transport: Transport) -> None:
        """Have messages taken in while nobody reads."""
        self._latency = None
        self._take_care, transport.on_neglect = transport.on_neglect, self._neglected
        self.follow(_dropped)

    def _neglected(self) -> None:
        if self._take_care is not None:
            self._take_care()
        gevent.spawn(self.read_and_deliver)  # this is the hub, which must not wait

    def received_message(self, message: str | bytes) -> None:
        """Hand *message* on."""
        self.inbox.hand_on(message)

    def _ponged(self, payload: bytes) -> None:
        """Tell of the latency, also where the ping was keepalive's; a pong may answer none."""
        latency, self._latency = self._latency, self.latency
        if self._latency is not None and self._latency is not latency:  # another measurement
            self.owner.ponged(self._latency)
        super()._ponged(payload)

    def closed(self, code: int, reason: str) -> None:
        """Tell of the end."""
        self.owner.ended(self, self.ending())

    def ask(self, message: str | bytes) -> None:
        """Send *message* for a caller that waits for its answer next; see send().

        Others run while it waits, so that they need not run in between: that would cost as much
        as the sending.
        """
        self._since = monotonic()
        self.send(message)

    def ending(self) -> ConnectionClosed:
        """Return how it ended."""
        return self._protocol.closed_error()


def open_tapped(
    url: str, phases: Phases, owner: Any, inbox: Inbox, arguments: dict[str, Any]
) -> Tapped:
    """Open a connection with the *arguments* of connect(); raises what that raises."""
    connection, transport = open_connection(url, Tapped, phases, **arguments)
    connection.owner = owner
    connection.inbox = inbox
    connection.left = False
    connection.tap(transport)
    return connection


def _dropped(connection: Tapped) -> None:
    """See to it that the end is told of, also where nobody reads."""
    gevent.spawn(connection.deliver)
