"""ws4py under gevent's WSGI server; gevent.monkey has to have patched the rest."""

from __future__ import annotations

from ws4py.server.geventserver import WSGIServer
from ws4py.server.wsgiutils import WebSocketWSGIApplication
from ws4py.websocket import EchoWebSocket

from loadtests.bench.servers import HOST, listening


def serve(port: int) -> None:
    """Echo."""
    application = WebSocketWSGIApplication(handler_cls=EchoWebSocket)
    server = WSGIServer((HOST, port), application, log=None, backlog=4096)
    server.start()
    listening()
    server.serve_forever()
