"""wsgiref's server as ws4py has it: websockets run in a manager.

WSGIServer -> the application -> environ["ws4py.websocket"] -> link_websocket_to_server
"""

from __future__ import annotations

from typing import Any, ClassVar

from geventws.adapters import wsgiref
from geventws.adapters.ws4py.driver import Driver
from geventws.adapters.ws4py.manager import WebSocketManager
from geventws.adapters.ws4py.server.wsgiutils import SOCKET, SWITCH, WEBSOCKET, Switch
from geventws.adapters.ws4py.server.wsgiutils import (
    WebSocketWSGIApplication as WebSocketWSGIApplication,
)
from geventws.core.handshake import Accepted, Request, Response
from geventws.upgrader import Upgrader

__all__ = ["WSGIServer", "WebSocketWSGIHandler", "WebSocketWSGIRequestHandler"]


class _Switch(Switch):
    """How this server lets go of a connection: nothing that was read of it is lost."""

    def __init__(self, handler: WebSocketWSGIHandler) -> None:
        self.head = handler.head
        self._handler = handler

    def open(self, upgrader: Upgrader, request: Request, accepted: Accepted) -> Driver:
        """Send the 101 and return the connection that begins with it."""
        return self._handler.open(Driver, upgrader, request, accepted)

    def refuse(self, response: Response, start_response: Any) -> list[bytes]:
        """Answer with *response*: wsgiref lets no application name Upgrade or Connection."""
        self._handler.answer(response)
        return []


class WebSocketWSGIHandler(wsgiref.WebSocketWSGIHandler):
    """Runs the application for one request, and links the websocket that it leaves."""

    environ: Any

    def setup_environ(self) -> None:
        """Make the environ, with the socket in it."""
        super().setup_environ()
        self.environ[SOCKET] = self.request_handler.connection
        self.environ[SWITCH] = _Switch(self)

    def finish_response(self) -> None:
        """Send the response, or link the websocket to the server."""
        self.environ.pop(SOCKET, None)
        self.environ.pop(SWITCH, None)
        websocket = self.environ.pop(WEBSOCKET, None)
        super().finish_response()
        if websocket is not None:
            self.server.link_websocket_to_server(websocket)


class WebSocketWSGIRequestHandler(wsgiref.WebSocketWSGIRequestHandler):
    """Reads one request and has it answered, or upgraded.

    Attributes:
        WebSocketWSGIHandler: the class that runs the application.
    """

    WebSocketWSGIHandler: ClassVar[Any] = WebSocketWSGIHandler

    @property
    def wsgi_handler(self) -> Any:
        """The class that runs the application."""
        return self.WebSocketWSGIHandler


class WSGIServer(wsgiref.WSGIServer):
    """wsgiref's WSGIServer with a thread for each request, for ws4py's applications.

    Attributes:
        manager: the WebSocketManager of its websockets; None before the first one.
    """

    manager: Any

    def initialize_websockets_manager(self) -> None:
        """Start the manager, unless that was done; the first websocket does so too."""
        super().initialize_websockets_manager()
        if not isinstance(self.manager, WebSocketManager):
            self.manager = WebSocketManager.around(self.manager)

    def link_websocket_to_server(self, ws: Any) -> None:
        """Have the manager run *ws* from now on, opened() first."""
        super().link_websocket_to_server(getattr(ws, "driver", ws))
