"""The protocol of an application that has none: messages go through as they are."""

from __future__ import annotations

from typing import Any


class BaseProtocol:
    """Hands on what happens to an application. For a subclass to change.

    Attributes:
        PROTOCOL_NAME: the subprotocol that is agreed on where a client offers it; "" is none.
    """

    PROTOCOL_NAME = ""

    def __init__(self, app: Any) -> None:
        self._app = app

    def on_open(self) -> None:
        """Hand on that the connection is open."""
        self.app.on_open()

    def on_message(self, message: Any) -> None:
        """Hand on *message*."""
        self.app.on_message(message)

    def on_close(self, reason: Any = None) -> None:
        """Hand on that the connection is over."""
        self.app.on_close(reason)

    @property
    def app(self) -> Any:
        """The application.

        Raises:
            RuntimeError: there is none.
        """
        if self._app is None:
            raise RuntimeError("app: none was given")
        return self._app

    @property
    def handler(self) -> Any:
        """The WebSocketHandler of the connection; None before the application has one."""
        ws = getattr(self.app, "ws", None)
        return None if ws is None else ws.handler

    @property
    def server(self) -> Any:
        """The server of the connection; None before the application has one."""
        return None if self.handler is None else self.handler.server
