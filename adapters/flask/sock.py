"""The names and the signature of flask-sock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, current_app

from geventws.adapters.flask.sockets import Sockets, upgrader_of
from geventws.adapters.flask.websocket import FlaskWebSocket
from geventws.core.codes import NORMAL_CLOSURE
from geventws.upgrader import AcceptArguments, Upgrader


class SockWebSocket(FlaskWebSocket):
    """A connection as flask-sock's views know it; all that a FlaskWebSocket has works too.

    What differs is in receive(), send() and close(). ConnectionClosed is ours.
    """

    __slots__ = ()

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self.close_code is None

    def receive(self, timeout: float | None = None) -> Any:
        """Wait for the next message and return it; None where none came within *timeout*."""
        try:
            return super().receive(timeout)
        except TimeoutError:
            return None

    def send(self, data: Any) -> None:
        """Send bytes as binary, and anything else as the text that str() makes of it."""
        super().send(data if isinstance(data, bytes) else str(data))

    def close(  # type: ignore[override]
        self, reason: int | None = None, message: str | None = None
    ) -> None:
        """Close the connection with the code *reason* and the text *message*."""
        super().close(reason or NORMAL_CLOSURE, message or "")


class Sock(Sockets):
    """The same with the names and the signature of flask-sock 0.7.

    Of SOCK_SERVER_OPTIONS in the application's config, ping_interval, max_message_size and
    subprotocols count; the others concern simple-websocket's own threads and buffers.
    """

    websocket_class = SockWebSocket

    @property
    def app(self) -> Flask | None:
        """The application, the last one of several; None before there is one."""
        return self._app

    @property
    def bp(self) -> Blueprint | None:
        """The blueprint of the routes that were declared before there was an application."""
        return self._routes

    def _upgrader_for(self, options: Any) -> Callable[[], Upgrader]:
        given = {**self._options, **options}
        return lambda: upgrader_of(**{**_configured(), **given})


def _configured() -> AcceptArguments:
    config = current_app.config.get("SOCK_SERVER_OPTIONS", {})
    arguments: AcceptArguments = {}
    if config.get("ping_interval"):
        arguments["ping_interval"] = config["ping_interval"]
    if config.get("max_message_size"):
        arguments["max_size"] = config["max_message_size"]
    if config.get("subprotocols"):
        offered = config["subprotocols"]
        arguments["subprotocols"] = [offered] if isinstance(offered, str) else offered
    return arguments
