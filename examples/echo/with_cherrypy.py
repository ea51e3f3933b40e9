"""Echo on CherryPy, at /ws.

python examples/echo/with_cherrypy.py 9000          and a client of another file here
"""

from __future__ import annotations

import sys

import cherrypy

from geventws.adapters.cherrypy import WebSocketPlugin, WebSocketTool
from geventws.adapters.threaded import EchoWebSocket


class Root:
    """The application."""

    @cherrypy.expose
    def ws(self) -> None:
        """Do nothing: the tool answers, and the plugin has the connection after that."""


def main(port: int = 9000) -> None:
    """Serve until Ctrl-C."""
    cherrypy.config.update({"server.socket_port": port, "environment": "production"})
    WebSocketPlugin(cherrypy.engine).subscribe()
    cherrypy.tools.websocket = WebSocketTool()
    config = {"/ws": {"tools.websocket.on": True, "tools.websocket.handler_cls": EchoWebSocket}}
    cherrypy.tree.mount(Root(), "/", config)
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print(f"listening on http://127.0.0.1:{cherrypy.server.bound_addr[1]}", flush=True)
    cherrypy.engine.block()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
