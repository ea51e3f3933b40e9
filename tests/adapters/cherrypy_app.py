"""A CherryPy application with WebSockets, as a program: its engine is one for each process.

    python -m tests.adapters.cherrypy_app chain.pem key.pem

Prints its two ports, the second one with TLS, and at its end the threads that are left.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cherrypy

from geventws.adapters.cherrypy import WebSocketPlugin, WebSocketTool
from geventws.adapters.threaded import EchoWebSocket, ThreadedWebSocket
from geventws.core.handshake import Response

THREADS = 3
PATIENCE = 10.0  # seconds

begun, go_on = threading.Event(), threading.Event()
kept: list[Any] = []  # the slow page's connection


class Shout(ThreadedWebSocket):
    """Sends every message back in capitals."""

    def received_message(self, message: str | bytes) -> None:
        """Send *message* back."""
        self.send(message.upper())


class Chat(ThreadedWebSocket):
    """Sends every message to all; text "binary" as bytes."""

    def received_message(self, message: str | bytes) -> None:
        """Send *message* to all, over the bus."""
        cherrypy.engine.publish("websocket-broadcast", message, message == "binary")


class Known(ThreadedWebSocket):
    """Says what it knows of itself."""

    def received_message(self, message: str | bytes) -> None:
        """Answer *message*."""
        assert self.request is not None
        self.send(f"{self.request.path} {self.subprotocol} {self.state} {self.request.cookies}")


class Pages:
    """The pages and, on top of them, the WebSockets."""

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def index(self) -> str:
        """Say how many threads there are, and WebSockets."""
        workers = [each for each in threading.enumerate() if "CP Server" in each.name]
        return f"{len(workers)} {len(plugin.manager or ())}"

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def default(self, *path: str) -> str:
        """Return what is not sent after a 101."""
        return "a page"

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def known(self) -> None:
        """Prepare the connection."""
        cherrypy.request.ws_handler.state = "prepared"
        cherrypy.response.cookie["seen"] = "yes"
        cherrypy.request.ws_handler.send("welcome")
        cherrypy.request.ws_handler.send(iter(["in ", "fragments"]))

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def refused(self) -> None:
        """Refuse, after all."""
        cherrypy.request.ws_handler.send("never to be seen")
        raise cherrypy.HTTPError(404)

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def hooked(self) -> None:
        """Have a hook fail when the 101 is agreed on."""
        cherrypy.request.hooks.attach("before_finalize", fail, priority=99)

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def generated(self) -> Iterator[bytes]:
        """Fail while the body is fetched, which is no text and therefore fetched late."""
        cherrypy.response.headers["Content-Type"] = "application/octet-stream"
        return (fail() for _ in range(1))

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def unfinished(self) -> None:
        """Begin a message that cannot be finished."""
        with suppress(RuntimeError):
            cherrypy.request.ws_handler.send(part or fail() for part in ("begun", None))

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def dropped(self) -> None:
        """Drop the connection that is to be."""
        cherrypy.request.ws_handler.drop()

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def slow(self) -> None:
        """Take as long as the client waits."""
        kept.append(cherrypy.request.ws_handler)
        begun.set()
        go_on.wait(PATIENCE)

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def begun(self) -> str:
        """Say whether the slow page has begun."""
        return str(begun.wait(PATIENCE))

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def go(self) -> str:
        """Let the slow page end, and say whether its connection has."""
        over = threading.Event()
        kept[0].follow(lambda _: over.set())
        go_on.set()
        return str(over.wait(PATIENCE))

    @cherrypy.expose  # type: ignore[untyped-decorator]
    def receives(self) -> None:
        """Wait for what cannot come."""
        cherrypy.request.ws_handler.receive()


def fail() -> Any:
    """Fail."""
    raise RuntimeError("so it goes")


def _socket(handler_cls: Any, **more: Any) -> dict[str, Any]:
    config = {"on": True, "handler_cls": handler_cls, **more}
    return {f"tools.websocket.{name}": value for name, value in config.items()}


CONFIG: dict[str, dict[str, Any]] = {
    "/echo": _socket(EchoWebSocket, max_size=None),
    "/shout": _socket(Shout, extensions=[]),
    "/chat": _socket(Chat),
    "/known": _socket(Known, protocols=["b", "a"]),
    "/refused": _socket(Chat),
    "/hooked": _socket(Chat),
    "/generated": _socket(Chat),
    "/unfinished": _socket(Chat, close_timeout=600.0),
    "/dropped": _socket(Chat),
    "/receives": _socket(Chat),
    "/slow": _socket(Chat),
    "/wrong": _socket(object),
    "/moved": _socket(
        Chat, process_request=lambda request: Response(302, {"Location": "/"}, "there\n")
    ),
    "/impatient": _socket(EchoWebSocket, close_timeout=0.1),
    "/secret": {
        **_socket(EchoWebSocket),
        "tools.auth_basic.on": True,
        "tools.auth_basic.realm": "here",
        "tools.auth_basic.checkpassword": lambda realm, user, password: password == "open",
    },
}

plugin: Any = WebSocketPlugin(cherrypy.engine)
plugin.drain_timeout = 600.0  # longer than any test waits for the end


def main(chain: str, key: str) -> None:
    """Serve until SIGTERM."""
    cherrypy.config.update(
        {
            "server.socket_port": 0,
            "server.thread_pool": THREADS,
            "engine.autoreload.on": False,
            "log.screen": False,
        }
    )
    secure = cherrypy._cpserver.Server()
    secure.socket_host, secure.socket_port, secure.thread_pool = "127.0.0.1", 0, THREADS
    secure.ssl_certificate, secure.ssl_private_key = chain, key
    secure.subscribe()
    plugin.subscribe()
    cherrypy.tools.websocket = WebSocketTool()
    cherrypy.tree.mount(Pages(), "/", CONFIG)
    cherrypy.engine.signals.subscribe()
    cherrypy.engine.start()
    print(cherrypy.server.bound_addr[1], secure.bound_addr[1], flush=True)
    cherrypy.engine.block()
    print(*(each.name for each in threading.enumerate()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
