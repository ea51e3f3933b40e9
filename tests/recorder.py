"""A connection that keeps what its callbacks are called with, and the two that call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from geventws.websocket import WebSocket
from geventws.workers import workers
from tests.ends import Met, run

Log = list[tuple[Any, ...]]


class Recorder(WebSocket):
    """Keeps what its callbacks are called with, and does in them what a test gives it to do."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log: Log = []
        self.todo: dict[str, Callable[[], object]] = {}

    def _note(self, name: str, *args: Any) -> None:
        self.log.append((name, *args))
        if name in self.todo:
            self.todo[name]()

    def opened(self) -> None:
        self._note("opened")

    def received_message(self, message: str | bytes) -> None:
        self._note("received_message", message)

    def ponged(self, data: bytes) -> None:
        self._note("ponged", data)

    def closed(self, code: int, reason: str) -> None:
        self._note("closed", code, reason)

    def unhandled_error(self, error: Exception) -> None:
        self._note("unhandled_error", error)


def drive_by_run(met: Met) -> None:
    """Have a greenlet of its own run the callbacks."""
    gevent.spawn(met.ws.run)
    run()


def drive_by_workers(met: Met) -> None:
    """Have the workers of the hub run the callbacks."""
    transport: Any = met.transport
    workers().drive(met.ws, transport)
    run()
