"""gevent's WSGI server, taught to upgrade: the blocking style, in a view."""

from __future__ import annotations

from typing import Any

import geventws
from tests.conformance.doors import MAX_SIZE


def _view(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    with geventws.upgrade(environ, start_response, max_size=MAX_SIZE) as ws:
        for message in ws:
            ws.send(message)
    return []


def serve(port: int) -> None:
    """Echo."""
    server = geventws.WSGIServer(("127.0.0.1", port), _view, log=None)
    server.start()
    print("listening", flush=True)
    server.serve_forever()
