"""What the tests of the poller manager share: managers that end, and callbacks that take notes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from threading import get_ident
from typing import Any

from geventws.adapters.threaded import ThreadedWebSocket, WebSocketManager
from tests.threads import PATIENCE


class Noting(ThreadedWebSocket):
    """Puts what is called, and the thread that calls, into *notes*."""

    notes: SimpleQueue[tuple[Any, int]]

    def begin(self, rest: bytes) -> None:
        self.notes = SimpleQueue()
        super().begin(rest)

    def opened(self) -> None:
        self.note("opened")

    def received_message(self, message: str | bytes) -> None:
        self.note(message)

    def ponged(self, data: bytes) -> None:
        self.note(("ponged", data))

    def closed(self, code: int, reason: str) -> None:
        self.note((code, reason))

    def unhandled_error(self, error: Exception) -> None:
        self.note(error)

    def note(self, what: Any) -> None:
        self.notes.put((what, get_ident()))

    def next(self) -> Any:
        """Return what was called next."""
        return self.notes.get(timeout=PATIENCE)[0]


@contextmanager
def no_low_descriptors() -> Iterator[None]:
    """See to it that every descriptor opened from now on is one that select() does not know."""
    with ExitStack() as held:
        while held.enter_context(socket.socket()).fileno() < 1023:
            pass
        yield


@contextmanager
def managed(*args: Any, **options: Any) -> Iterator[WebSocketManager]:
    """Give a manager that has begun; it is stopped at the end."""
    manager = WebSocketManager(*args, **options)
    manager.start()
    try:
        yield manager
    finally:
        manager.stop()
        assert manager.join(PATIENCE), "the manager does not end"
