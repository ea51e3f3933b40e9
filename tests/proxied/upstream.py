"""What the proxies of the tests stand in front of: our servers, which tell what they have heard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent.queue import SimpleQueue

import geventws
from geventws.pywsgi import WSGIServer
from tests.serving import LOCAL, running

LARGE = 2**23
TRUSTED = ["127.0.0.1"]


class Upstream:
    """A WSGI server whose view tells who it takes the client for, and then echoes."""

    def __init__(self, address: Any = LOCAL, **arguments: Any) -> None:
        trusted = {"trusted_proxies": TRUSTED, **arguments}
        self.options = {"ping_interval": trusted.pop("ping_interval", None)}
        self.ended: SimpleQueue[int] = SimpleQueue()  # close codes, as this side hears them
        self.server = WSGIServer(address, self._view, log=None, **trusted)

    @property
    def port(self) -> int:
        assert self.server.server_port is not None
        return self.server.server_port

    def _view(self, environ: Any, start_response: Any) -> list[bytes]:
        options: Any = {"max_size": LARGE, "compression": None, **self.options}
        with geventws.upgrade(environ, start_response, **options) as ws:
            ws.send(json.dumps([environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]]))
            try:
                while True:
                    ws.send(ws.receive())
            except geventws.ConnectionClosed as closed:
                self.ended.put(closed.code)
        return []


@contextmanager
def upstream(address: Any = LOCAL, **arguments: Any) -> Iterator[Upstream]:
    """Have an Upstream run, with *arguments* for its server, or for its view: ping_interval."""
    behind = Upstream(address, **arguments)
    with running(behind.server):
        yield behind


def told(ws: Any) -> Any:
    """Return the address and the scheme that the server takes the client of *ws* to have."""
    return json.loads(ws.receive(10))
