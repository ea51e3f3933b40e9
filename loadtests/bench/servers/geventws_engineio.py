"""Ours: under Engine.IO, whose greeting comes before the first echo."""

from __future__ import annotations

import engineio

import geventws
from geventws.adapters.engineio import install
from loadtests.bench.servers import HOST, MAX_SIZE, listening
from loadtests.bench.servers.geventws_pywsgi import MANY


def serve(port: int) -> None:
    """Echo."""
    engine = engineio.Server(
        async_mode="gevent", max_http_buffer_size=MAX_SIZE, ping_interval=3600, async_handlers=False
    )
    install(engine)
    engine.on("message", engine.send)
    server = geventws.WSGIServer((HOST, port), engineio.WSGIApp(engine), log=None, limits=MANY)
    server.start()
    listening()
    server.serve_forever()
