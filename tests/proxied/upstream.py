"""What the proxies of the tests stand in front of: our servers, which tell what they have heard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from gevent.queue import SimpleQueue

import geventws
from geventws.pywsgi import WSGIServer
from tests.serving import LOCAL, running

LARGE = 2**23
TRUSTED = ["127.0.0.1"]
HEARD = ("REMOTE_ADDR", "wsgi.url_scheme", "REMOTE_PORT", "HTTP_UPGRADE")  # what a Told tells


class Told(NamedTuple):
    """What the server takes for the client's, or has heard of it."""

    address: str
    scheme: str
    port: str  # the proxy's, where that is not trusted
    upgrade: str | None


class Upstream:
    """A WSGI server whose view tells what it has heard; on a WebSocket it echoes after that."""

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
        heard = json.dumps([environ.get(name) for name in HEARD])
        if environ["PATH_INFO"] == "/page":
            start_response("200 OK", [("Content-Length", str(len(heard)))])
            return [heard.encode()]
        options: Any = {"max_size": LARGE, "compression": None, **self.options}
        with geventws.upgrade(environ, start_response, **options) as ws:
            ws.send(heard)
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


def told(ws: Any) -> Told:
    """Return what the server tells on *ws*."""
    return Told(*json.loads(ws.receive(10)))
