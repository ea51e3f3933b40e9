"""A CherryPy application in ws4py's names, as a program: its engine is one for each process.

Prints its port, and at its end what its plugin was given and how the echo's connections ended.
"""

from __future__ import annotations

from typing import Any

import cherrypy

from geventws.adapters.ws4py.messaging import TextMessage
from geventws.adapters.ws4py.server.cherrypyserver import WebSocketPlugin, WebSocketTool
from geventws.adapters.ws4py.websocket import EchoWebSocket, WebSocket

ended: list[Any] = []
handled: list[str] = []


class Echo(EchoWebSocket):
    """Sends messages back, and takes note of its end."""

    def closed(self, code: int, reason: str | None = None) -> None:
        """Note it."""
        ended.append(code)


class Chat(WebSocket):
    """Sends every message to all, as an object."""

    def received_message(self, message: Any) -> None:
        """Send *message* to all, over the bus."""
        cherrypy.engine.publish("websocket-broadcast", TextMessage(str(message)))


class Plugin(WebSocketPlugin):
    """Takes note of what it is given."""

    def handle(self, ws_handler: Any, peer_addr: Any = None) -> None:
        """Note it."""
        handled.append(type(ws_handler).__name__)
        super().handle(ws_handler, peer_addr)


class Pages:
    """A page, and below it the websockets."""

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def index(self) -> str:
        """Return a page."""
        return "some HTML with a websocket javascript connection"

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def ws(self) -> None:
        """Greet the websocket that is to be."""
        handler = cherrypy.request.ws_handler
        handler.send(f"{type(handler).__name__} {handler.protocols} {handler.environ['PATH_INFO']}")

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def chat(self) -> None:
        """Let it come about."""


CONFIG = {
    "/ws": {
        "tools.websocket.on": True,
        "tools.websocket.handler_cls": Echo,
        "tools.websocket.protocols": ["chat"],
        "tools.websocket.version": (8, 13),
        "tools.websocket.heartbeat_freq": 0.05,
    },
    "/chat": {"tools.websocket.on": True, "tools.websocket.handler_cls": Chat},
}


def main() -> None:
    """Serve until SIGTERM."""
    cherrypy.config.update(
        {"server.socket_port": 0, "engine.autoreload.on": False, "log.screen": False}
    )
    Plugin(cherrypy.engine).subscribe()
    cherrypy.tools.websocket = WebSocketTool()
    cherrypy.tree.mount(Pages(), "/", CONFIG)
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print(cherrypy.server.bound_addr[1], flush=True)
    cherrypy.engine.block()
    print(sorted(set(handled)), ended, flush=True)


if __name__ == "__main__":
    main()
