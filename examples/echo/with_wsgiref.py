"""Echo on wsgiref, the standard library's WSGI server.

python examples/echo/with_wsgiref.py 9000          and a client of another file here
"""

from __future__ import annotations

import sys
from contextlib import suppress
from wsgiref.simple_server import make_server

from geventws.adapters.threaded import EchoWebSocket
from geventws.adapters.wsgiref import (
    WebSocketWSGIApplication,
    WebSocketWSGIRequestHandler,
    WSGIServer,
)


def main(port: int = 9000) -> None:
    """Send every message back, until Ctrl-C; one thread waits for all connections."""
    server = make_server(
        "127.0.0.1",
        port,
        WebSocketWSGIApplication(handler_cls=EchoWebSocket),
        server_class=WSGIServer,
        handler_class=WebSocketWSGIRequestHandler,
    )
    server.initialize_websockets_manager()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
