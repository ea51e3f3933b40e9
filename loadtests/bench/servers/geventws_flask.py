"""Ours: a view of Flask."""

from __future__ import annotations

from flask import Flask

import geventws
from geventws.adapters.flask import Sockets
from loadtests.bench.servers import HOST, MAX_SIZE, listening
from loadtests.bench.servers.geventws_pywsgi import MANY

app = Flask(__name__)
sockets = Sockets(app, max_size=MAX_SIZE)


@sockets.route("/")
def _echo(ws: geventws.WebSocket) -> None:
    for message in ws:
        ws.send(message)


def serve(port: int) -> None:
    """Echo."""
    server = geventws.WSGIServer((HOST, port), app, log=None, limits=MANY)
    server.start()
    listening()
    server.serve_forever()
