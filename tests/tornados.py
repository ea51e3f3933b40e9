"""What the tests of the Tornado door share: an application that is served, raw peers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from geventws.adapters.tornado import WebSocketHandler, close_all
from geventws.core.codes import Side
from tests.loops import REQUEST, Peer


class Echo(WebSocketHandler):
    """Sends every message back."""

    async def on_message(self, message: str | bytes) -> None:
        """Send it back."""
        await self.ws.send(message)


@asynccontextmanager
async def served(
    *handlers: Any, secure: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[int]:
    """Have an application with *handlers* run, and give its port; Echo is at /echo."""
    application = Application([("/echo", Echo), *handlers], **settings)
    server = HTTPServer(application, ssl_options=secure)
    (sock,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    try:
        yield sock.getsockname()[1]
    finally:
        server.stop()
        await close_all(application, 5)
        await server.close_all_connections()
        await asyncio.sleep(0)


async def asked(port: int, path: bytes = b"/echo", more: bytes = b"", **options: Any) -> Peer:
    """Return a raw peer that has sent an opening handshake, and *more* behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    writer.write(REQUEST.replace(b" / ", b" %b " % path) + more)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return Peer(reader, writer, Side.SERVER)
