"""CherryPy: the tool and the plugin."""

from __future__ import annotations

import cherrypy

from geventws.adapters.cherrypy import WebSocketPlugin, WebSocketTool
from geventws.adapters.threaded import EchoWebSocket
from tests.conformance.doors import MAX_SIZE


class _Root:
    @cherrypy.expose  # type: ignore[untyped-decorator]
    def index(self) -> None:
        """Leave all to the connection."""


def serve(port: int) -> None:
    """Echo."""
    cherrypy.config.update({"server.socket_port": port, "environment": "production"})
    WebSocketPlugin(cherrypy.engine).subscribe()
    cherrypy.tools.websocket = WebSocketTool()
    websocket = {"on": True, "handler_cls": EchoWebSocket, "max_size": MAX_SIZE}
    config = {f"tools.websocket.{name}": value for name, value in websocket.items()}
    cherrypy.tree.mount(_Root(), "/", {"/": config})
    cherrypy.engine.start()
    print("listening", flush=True)
    cherrypy.engine.block()
