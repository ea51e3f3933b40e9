"""A chat on CherryPy: open two tabs at http://127.0.0.1:9000/ and talk.

python examples/cherrypy_chat.py 9000
"""

from __future__ import annotations

import sys
from pathlib import Path

import cherrypy

from geventws.adapters.cherrypy import WebSocketPlugin, WebSocketTool
from geventws.adapters.threaded import ThreadedWebSocket


class Chat(ThreadedWebSocket):
    """One person; connections need no thread while nobody speaks."""

    def received_message(self, message: str | bytes) -> None:
        """Have everybody hear it, by way of the plugin."""
        cherrypy.engine.publish("websocket-broadcast", message)


class Root:
    """The application: a page, and what it connects to."""

    @cherrypy.expose
    def index(self) -> bytes:
        """Return the page."""
        return Path(__file__).with_suffix(".html").read_bytes()

    @cherrypy.expose
    def ws(self) -> None:
        """Let everybody in; whoever it is, is in cherrypy.request.ws_handler."""


def main(port: int = 9000) -> None:
    """Serve until Ctrl-C."""
    cherrypy.config.update({"server.socket_port": port, "environment": "production"})
    WebSocketPlugin(cherrypy.engine).subscribe()
    cherrypy.tools.websocket = WebSocketTool()
    config = {"/ws": {"tools.websocket.on": True, "tools.websocket.handler_cls": Chat}}
    cherrypy.tree.mount(Root(), "/", config)
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print(f"listening on http://127.0.0.1:{cherrypy.server.bound_addr[1]}", flush=True)
    cherrypy.engine.block()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
