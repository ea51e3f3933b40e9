"""Ours: what gevent_websocket.py is, with the import changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gevent.pywsgi import WSGIServer

from geventws.adapters.gevent_websocket.handler import WebSocketHandler
from loadtests.bench.servers import HOST, MAX_SIZE, listening


class _Handler(WebSocketHandler):
    arguments: ClassVar[Mapping[str, Any]] = {"max_size": MAX_SIZE}


def _echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    ws = environ["wsgi.websocket"]
    while (message := ws.receive()) is not None:
        ws.send(message, isinstance(message, bytearray | bytes))
    return []


def serve(port: int) -> None:
    """Echo."""
    server = WSGIServer((HOST, port), _echo, log=None, handler_class=_Handler, backlog=4096)
    server.start()
    listening()
    server.serve_forever()
