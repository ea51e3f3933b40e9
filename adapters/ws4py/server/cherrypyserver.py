"""CherryPy's tool and plugin as ws4py has them.

WebSocketTool -> request.ws_handler -> "handle-websocket" -> WebSocketPlugin -> its manager
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cherrypy

from geventws.adapters.cherrypy import WebSocketPlugin as _WebSocketPlugin
from geventws.adapters.cherrypy import upgrade
from geventws.adapters.ws4py import WS_VERSION
from geventws.adapters.ws4py.driver import Driver
from geventws.adapters.ws4py.manager import WebSocketManager
from geventws.adapters.ws4py.server.wsgiutils import options_of_class
from geventws.adapters.ws4py.websocket import WebSocket

__all__ = ["WebSocketPlugin", "WebSocketTool"]


class WebSocketTool(cherrypy.Tool):  # type: ignore[misc]
    """Upgrades requests to websockets, where tools.websocket.on is true in the config of a path.

    Everything is refused that asks for no WebSocket, by 426 and the like. The page handler finds
    the websocket in cherrypy.request.ws_handler; what it sends there follows the 101.
    """

    def __init__(self) -> None:
        super().__init__("before_request_body", self.upgrade)

    def upgrade(
        self,
        protocols: Sequence[str] | None = None,
        extensions: Iterable[str] | None = None,
        version: Iterable[int] = WS_VERSION,
        handler_cls: Any = WebSocket,
        heartbeat_freq: float | None = None,
        **arguments: Any,
    ) -> None:
        """Agree on a websocket with the client of this request; it opens when the request ends.

        Args:
            protocols: ours, the most wanted first; the first one that was offered is chosen.
            extensions: those to accept: None is permessage-deflate, an empty list is none.
            version: may be any; a client has to ask for 13.
            handler_cls: a subclass of WebSocket.
            heartbeat_freq: seconds between pings, None for none.
            **arguments: origins, select_subprotocol and headers, see Upgrader.

        Raises:
            cherrypy.HTTPError: the request opens no WebSocket, or its origin is not allowed.
            TypeError, ValueError: an argument is wrong, or no WebSocketPlugin is subscribed.
        """
        options = {**options_of_class(handler_cls), **arguments}
        request = cherrypy.serving.request
        origin = request.wsgi_environ.get("HTTP_ORIGIN", "")
        if origin.startswith(("ws://", "wss://")):  # of an old ws4py; no browser says that
            request.wsgi_environ["HTTP_ORIGIN"] = f"http{origin.removeprefix('ws')}"
        upgrade(Driver, protocols, extensions, **options)
        driver = request.ws_handler
        websocket = handler_cls(
            request.wsgi_environ["geventws.cherrypy"].conn.socket,
            [] if driver.subprotocol is None else [driver.subprotocol],
            list(driver.extensions),
            request.wsgi_environ.copy(),
            heartbeat_freq=heartbeat_freq,
        )
        websocket.attach(driver)
        request.ws_handler = websocket


class WebSocketPlugin(_WebSocketPlugin):
    """Runs the websockets that WebSocketTool opened, while the engine does.

    Other code may give it websockets, and broadcast, over the bus:

        cherrypy.engine.publish("handle-websocket", ws, peer_address)
        cherrypy.engine.publish("websocket-broadcast", message)

    Attributes:
        manager: the WebSocketManager; None while the engine is stopped.
    """

    manager: Any

    def start(self) -> None:
        """Prepare the servers of the bus, and begin to take websockets."""
        super().start()
        self.manager = WebSocketManager.around(self.manager)
        self.bus.unsubscribe("handle-websocket", self.handle)
        self.bus.subscribe("handle-websocket", self._handle)

    start.priority = _WebSocketPlugin.start.priority  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Take no more websockets, close all with 1001, and wait until they are over."""
        self.bus.unsubscribe("handle-websocket", self._handle)
        super().stop()

    def handle(self, ws_handler: Any, peer_addr: Any = None) -> None:
        """Run *ws_handler* from now on. To be overridden."""
        if self.manager is None:
            ws_handler.close_connection()
        else:
            self.manager.add(ws_handler)

    def broadcast(self, message: Any, binary: bool | None = False) -> None:
        """Send *message* to every websocket; waits for none of them."""
        if self.manager is not None:
            self.manager.broadcast(message, bool(binary))

    def _handle(self, driver: Any, peer_addr: Any = None) -> None:
        self.handle(getattr(driver, "owner", driver), peer_addr)
