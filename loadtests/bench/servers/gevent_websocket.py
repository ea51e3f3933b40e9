"""gevent-websocket: what users of gevent have today."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIServer
from geventwebsocket.exceptions import WebSocketError
from geventwebsocket.handler import WebSocketHandler

from loadtests.bench.servers import HOST, listening

everybody: set[Any] = set()


def _echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    ws = environ["wsgi.websocket"]
    while (message := ws.receive()) is not None:
        ws.send(message, isinstance(message, bytearray | bytes))
    return []


def _share(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    ws = environ["wsgi.websocket"]
    everybody.add(ws)
    while (message := ws.receive()) is not None:
        for each in list(everybody):
            try:
                each.send(message, True)
            except WebSocketError:
                everybody.discard(each)
    return []


def _run(application: Callable[..., Iterable[bytes]], port: int) -> None:
    server = WSGIServer(
        (HOST, port), application, log=None, handler_class=WebSocketHandler, backlog=4096
    )
    server.start()
    listening()
    server.serve_forever()


def serve(port: int) -> None:
    """Echo."""
    _run(_echo, port)


def broadcast(port: int) -> None:
    """Send every message to all."""
    _run(_share, port)
