"""gevent in ws4py's names: its server, and its client."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

from geventws.adapters.ws4py.client.geventclient import WebSocketClient
from geventws.adapters.ws4py.exc import StreamClosed
from geventws.adapters.ws4py.server.geventserver import WSGIServer
from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication
from geventws.adapters.ws4py.websocket import EchoWebSocket
from geventws.options import Options
from tests.conformance.doors import MAX_SIZE

LARGE = Options(max_size=MAX_SIZE, ping_interval=None)


class _Echo(EchoWebSocket):
    options: ClassVar[Options] = LARGE


class _Client(WebSocketClient):
    options: ClassVar[Options] = LARGE


def serve(port: int) -> None:
    """Echo."""
    application = WebSocketWSGIApplication(handler_cls=_Echo)
    server = WSGIServer(("127.0.0.1", port), application, log=None)
    server.start()
    print("listening", flush=True)
    server.serve_forever()


def visit(url: str, echo: bool) -> list[str | bytes]:
    """Return what the server says, having sent it back where *echo* is true."""
    heard: list[str | bytes] = []
    client: Any = _Client(url)
    client.connect()
    while (message := client.receive()) is not None:
        heard.append(message.data if message.is_binary else str(message))
        if echo:
            with suppress(StreamClosed):
                client.send(message)
    client._th.join()
    return heard
