"""What happens to connections, told to whoever subscribes, as gevent.events tells of the hub.

a connection is opened, or ends -> announce() -> zope.event.subscribers

A subscriber is a callable in the list zope.event.subscribers, which gevent's own events use too; it
is called with every event, in the greenlet that it happens in, and has to leave alone those that it
does not know. It must not wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from zope.event import subscribers  # type: ignore[import-untyped]
from zope.interface import Attribute, Interface, implementer

from geventws.websocket import WebSocket

logger = logging.getLogger("geventws")


class IWebSocketEvent(Interface):
    """What all events of this module are."""


class IConnectionEvent(IWebSocketEvent):
    """Something that happened to one connection."""

    connection = Attribute("the WebSocket")


@implementer(IConnectionEvent)
@dataclass(frozen=True, slots=True)
class WebSocketOpened:
    """A connection is open: no message was sent or received on it yet."""

    connection: WebSocket


@implementer(IConnectionEvent)
@dataclass(frozen=True, slots=True)
class WebSocketEnded:
    """A connection is over and its stream is dropped; its stats do not change any more."""

    connection: WebSocket
    code: int  # as ConnectionClosed has it
    reason: str


@implementer(IWebSocketEvent)
@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """A request was answered with another *status* than 101."""

    address: Any  # the peer's, as its socket gives it
    status: int


@implementer(IWebSocketEvent)
@dataclass(frozen=True, slots=True)
class DrainBegan:
    """A manager closes all of its connections; what is left after *timeout* seconds is dropped."""

    manager: Any
    timeout: float


class Group(Protocol):
    """What tells of each connection that it takes in: a Manager."""

    def follow(self, follower: Any) -> None:
        """Have *follower* called with each."""


def announce(subject: WebSocket | Group) -> None:
    """Notify of what happens to *subject*: one connection, or all that a Manager takes in.

    Of one connection WebSocketOpened is told at once. A connection costs two calls more then, a
    message nothing. Announcing the same subject twice tells everything twice.

    Raises:
        TypeError: *subject* is neither.
    """
    follow(subject, _opened)


def follow(subject: WebSocket | Group, follower: Callable[[WebSocket], None]) -> None:
    """Call *follower* with *subject*, or with each connection that it, a Manager, takes in.

    Raises:
        TypeError: *subject* is neither.
    """
    if isinstance(subject, WebSocket):
        follower(subject)
    elif hasattr(subject, "broadcast"):
        subject.follow(follower)
    else:
        raise TypeError(f"subject: a WebSocket or a Manager, not {type(subject).__name__}")


def notify(event: object) -> None:
    """Tell the subscribers of *event*; where one of them fails, that is logged."""
    for subscriber in list(subscribers):
        try:
            subscriber(event)
        except Exception:
            logger.exception("%r: a subscriber failed", event)


def _opened(connection: WebSocket) -> None:
    notify(WebSocketOpened(connection))
    connection.follow(_ended)


def _ended(connection: WebSocket) -> None:
    code = connection.close_code
    assert code is not None  # it is over
    notify(WebSocketEnded(connection, code, connection.close_reason))
