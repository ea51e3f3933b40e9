"""What the tests of ws4py's names share: websockets that record, run in threads, and raw peers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

from geventws.adapters.ws4py.websocket import WebSocket
from tests.rawpeer import RawPeer
from tests.threads import PATIENCE, Threads, joined_threads


class Records:
    """Records its callbacks in *calls*; to be mixed into a websocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[Any] = []
        self.over = Event()

    def opened(self) -> None:
        self.calls.append("opened")

    def received_message(self, message: Any) -> None:
        self.calls.append(message)

    def ponged(self, pong: Any) -> None:
        self.calls.append(pong.data)

    def unhandled_error(self, error: OSError) -> None:
        self.calls.append(error)

    def closed(self, code: int, reason: str | None = None) -> None:
        self.calls.append((code, reason))
        self.over.set()


class Recorder(Records, WebSocket):
    """A websocket that records."""


class Echo(Records, WebSocket):
    """A websocket that records and sends every message back."""

    def received_message(self, message: Any) -> None:
        super().received_message(message)
        self.send(message.data, message.is_binary)


@contextmanager
def met(kind: Any = Recorder, **arguments: Any) -> Iterator[tuple[Any, RawPeer]]:
    """Give a websocket of a server, over a unix socket, and its peer; nobody runs it yet."""
    near, far = socket.socketpair()
    ws = kind(near, **arguments)
    peer = RawPeer(far)
    try:
        yield ws, peer
    finally:
        peer.close()
        ws.terminate()


@contextmanager
def run(kind: Any = Recorder, **arguments: Any) -> Iterator[tuple[Any, RawPeer, Threads]]:
    """Give one that a thread runs, until its peer has gone."""
    with joined_threads() as threads, met(kind, **arguments) as (ws, peer):
        running = threads.start(ws.run)
        yield ws, peer, threads
        peer.close()
        assert ws.over.wait(PATIENCE)
        running.result(PATIENCE)


def ended(ws: Any) -> Any:
    """Wait until *ws* is over; return what its closed() was called with."""
    assert ws.over.wait(PATIENCE)
    return ws.calls[-1]
