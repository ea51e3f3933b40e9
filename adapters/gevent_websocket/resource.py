"""Applications by path, and the class of those that talk.

environ["wsgi.websocket"] -> Resource -> WebSocketApplication.handle() -> on_open, on_message...
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from geventws.adapters.gevent_websocket.exceptions import WebSocketError
from geventws.adapters.gevent_websocket.protocols.base import BaseProtocol


class WebSocketApplication:
    """What serves one connection. Override on_open(), on_message() and on_close().

    Attributes:
        ws: the connection.
        protocol: what hands everything on, made of *protocol_class*.
    """

    protocol_class: ClassVar[Any] = BaseProtocol

    def __init__(self, ws: Any) -> None:
        self.protocol = self.protocol_class(self)
        self.ws = ws

    def handle(self) -> None:
        """Serve the connection to its end.

        on_close() is called once, whatever it was that ended it, on_message() only with messages.
        """
        self.protocol.on_open()
        try:
            while (message := self.ws.receive()) is not None:
                self.protocol.on_message(message)
        except WebSocketError as error:
            self.ws.logger.debug("%s: %s", self.ws.path, error)
        finally:
            self.protocol.on_close(self.ws.close_reason)

    def on_open(self, *args: Any, **kwargs: Any) -> None:
        """Be told that the connection is open."""

    def on_close(self, *args: Any, **kwargs: Any) -> None:
        """Be told that the connection is over, and the close reason."""

    def on_message(self, message: Any, *args: Any, **kwargs: Any) -> None:
        """Be given a message; send it back, unless that is overridden."""
        self.ws.send(message, **kwargs)

    @classmethod
    def protocol_name(cls) -> str:
        """Return the subprotocol of this application, or ""."""
        name: str = cls.protocol_class.PROTOCOL_NAME
        return name


class Resource:
    """A WSGI application that chooses another one by path.

    Args:
        apps: a dict, or pairs: a pattern that the path begins with, and a WSGI application or, for
            a WebSocket, a subclass of WebSocketApplication. The first one that fits is chosen.
    """

    def __init__(self, apps: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        self.apps: Any = apps.items() if isinstance(apps, Mapping) else apps or []

    def _is_websocket_app(self, app: Any) -> bool:
        return isinstance(app, type) and issubclass(app, WebSocketApplication)

    def _app_by_path(self, environ_path: str, is_websocket_request: bool) -> Any:
        for path, app in self.apps:
            if re.match(path, environ_path) and is_websocket_request == self._is_websocket_app(app):
                return app
        return None

    def app_protocol(self, path: str) -> str:
        """Return the subprotocol that the WebSocketApplication at *path* speaks, or ""."""
        app = self._app_by_path(path, True)
        name: str = app.protocol_name() if hasattr(app, "protocol_name") else ""
        return name

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Have the application at the path serve the request; answer 404 where there is none."""
        ws = environ.get("wsgi.websocket")
        app = self._app_by_path(environ["PATH_INFO"], ws is not None)
        if app is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not found\n"]
        if ws is None:
            return app(environ, start_response)
        app(ws).handle()
        return []
