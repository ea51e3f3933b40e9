"""What the demo serves: the page and its files at `/`, the chat at `/chat`, the echo at `/echo`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from geventws.assets import page_file, page_headers
from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Request, Response
from geventws.demo.chat import Chat
from geventws.websocket import WebSocket

HEADERS = page_headers("no-cache")
_page = partial(page_file, "geventws.demo", headers=HEADERS)
PAGES = {
    "/": _page("index.html", "text/html"),
    "/chat.css": _page("chat.css", "text/css"),
    "/chat.js": _page("chat.js", "text/javascript"),
    "/connection.js": _page("connection.js", "text/javascript"),
    "/elements.js": _page("elements.js", "text/javascript"),
    "/log.js": _page("log.js", "text/javascript"),
    "/echo.js": _page("echo.js", "text/javascript"),
    "/resume.js": _page("resume.js", "text/javascript"),
}
NOT_FOUND = Response(404, HEADERS, "not found\n")
NOT_ALLOWED = Response(405, (("Allow", "GET"), *HEADERS), "method not allowed\n")


def echo(ws: WebSocket) -> None:
    """Send every message back as it came, until the connection is closed."""
    with suppress(ConnectionClosed):
        for message in ws:
            ws.send(message)


SOCKETS: dict[str, Callable[[WebSocket], None]] = {"/chat": Chat(), "/echo": echo}


def pages(request: Request) -> Response | None:
    """Answer a plain request; None lets the chat's and the echo's go on to the upgrade."""
    if request.path in SOCKETS:
        return None
    if request.method != "GET":
        return NOT_ALLOWED
    return PAGES.get(request.path, NOT_FOUND)


def demo_handler(ws: WebSocket) -> None:
    """Serve one connection of the demo; give serve() `process_request=pages` along with it."""
    _serve(SOCKETS, ws)


def demo_over(broker: Any) -> Callable[[WebSocket], None]:
    """Return what is like demo_handler, but for a chat with all who use *broker*, an IBroker."""
    return partial(_serve, {**SOCKETS, "/chat": Chat(broker)})


def _serve(sockets: dict[str, Callable[[WebSocket], None]], ws: WebSocket) -> None:
    assert ws.request is not None  # a server's connections all have one
    sockets[ws.request.path](ws)
