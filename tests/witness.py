"""A connection in the callback style that keeps what is called, driven by the hub's workers."""

from __future__ import annotations

from typing import Any

import gevent
from greenlet import getcurrent

from geventws.core.codes import Side
from geventws.websocket import WebSocket
from geventws.workers import workers
from tests.pairs import End, RawPeer, end_of, unix


class Witness(WebSocket):
    """Keeps what is called, and does what it is told meanwhile."""

    __slots__ = ("calls", "deed", "greenlets")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[tuple[Any, ...]] = []
        self.greenlets: list[object] = []
        self.deed: Any = None

    def opened(self) -> None:
        self._note("opened")

    def received_message(self, message: str | bytes) -> None:
        self._note("message", message)

    def ponged(self, data: bytes) -> None:
        self._note("pong", data)

    def closed(self, code: int, reason: str) -> None:
        self._note("closed", code)

    def unhandled_error(self, error: Exception) -> None:
        self._note("error", type(error))

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        self.greenlets.append(getcurrent())
        if self.deed is not None:
            self.deed(*call)


def driven(kind: type[End]) -> tuple[End, RawPeer]:
    """Return a server's end whose callbacks are driven, and its raw peer."""
    theirs, ours = unix()
    connection = end_of(kind, ours, Side.SERVER)
    workers().drive(connection, connection._transport)
    return connection, RawPeer(theirs, Side.SERVER)


def hang_up(peer: RawPeer) -> None:
    """Close the peer's end, and let that be noticed."""
    peer.socket.close()
    turn()


def turn() -> None:
    """Let everything happen that can."""
    for _ in range(5):
        gevent.sleep(0.001)
