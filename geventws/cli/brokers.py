"""Which broker a URL stands for, and a server that goes with one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from geventws.broker import MemoryBroker
from geventws.core.codes import TRY_AGAIN_LATER
from geventws.extras import load
from geventws.manager import Manager
from geventws.server import WebSocketServer
from geventws.websocket import WebSocket

logger = logging.getLogger("geventws")

AWAY: Final = "the broker cannot be reached"
MEMORY: Final = "memory:"
REDIS: Final = {"redis", "rediss", "unix"}  # what a URL begins with, perhaps with a + behind


def broker_of(url: str, **options: Any) -> Any:
    """Return the broker at *url*: an IBroker, which has not been asked for anything yet.

    Args:
        **options: for the broker, as history and history_ttl.

    Raises:
        ValueError: *url* stands for none, or what it takes is not installed.
    """
    if url == MEMORY:
        return MemoryBroker(**options)
    scheme, divided, _ = url.partition("://")
    if scheme.partition("+")[0] not in REDIS or not divided:
        raise ValueError("--broker: neither memory: nor a URL of redis, rediss or unix")
    try:
        return load("geventws.adapters.redis", "redis", "redis").RedisBroker(url, **options)
    except (ModuleNotFoundError, ValueError) as error:
        raise ValueError(f"--broker: {error}") from error


@contextmanager
def reaching_broker() -> Iterator[None]:
    """Have what is raised where a broker cannot be reached say only why that is.

    Raises:
        ConnectionError: something within raised one.
    """
    try:
        yield
    except ConnectionError as error:
        raise ConnectionError(f"--broker: {error.__cause__ or error}") from error


def with_manager(
    application: Callable[[WebSocket, Manager], object], manager: Manager
) -> Callable[[WebSocket], None]:
    """Return a handler that gives *application* each connection, and *manager*, which has it.

    Where its broker cannot be reached the connection is closed with 1013.
    """

    def handle(ws: WebSocket) -> None:
        try:
            manager.add(ws)
        except ConnectionError as error:
            logger.warning("%s: %s: %s", ws, AWAY, error)
            ws.close(TRY_AGAIN_LATER, AWAY)
        else:
            application(ws, manager)

    return handle


class BrokeredServer(WebSocketServer):
    """A server that reaches its broker before it listens, and closes it when it has ended.

    Attributes:
        broker: the IBroker of its handler.
    """

    broker: Any

    def start(self) -> None:
        """Listen.

        Raises:
            ConnectionError: the broker cannot be reached.
            OSError: it cannot listen.
        """
        try:
            with reaching_broker():
                self.broker.history("")
            super().start()
        except BaseException:
            self.broker.close()
            raise

    def serve_forever(self, stop_timeout: float | None = None) -> None:
        """Serve until somebody stops or drains it."""
        try:
            super().serve_forever(stop_timeout)
        finally:
            self.broker.close()
