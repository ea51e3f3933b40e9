"""A Flask application with WebSockets, and who serves and visits it for the length of a test."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from flask import Blueprint, Flask, abort, current_app, g, request, session
from gevent import pywsgi
from werkzeug.serving import make_server

from geventws.adapters.flask import FlaskWebSocket, Sockets, upgrade
from geventws.client import connect
from geventws.pywsgi import WSGIServer
from geventws.websocket import WebSocket
from tests.serving import LOCAL, running

LARGE = 8 * 1024 * 1024
sockets = Sockets(close_timeout=9)
rooms = Blueprint("rooms", __name__)


@sockets.route("/echo", max_size=LARGE + 1)
def echo(ws: FlaskWebSocket) -> None:
    """Send every message back."""
    for message in ws:
        ws.send(message)


@sockets.route("/room/<int:number>", bp=rooms)
def room(ws: FlaskWebSocket, number: int) -> None:
    """Say where the request led."""
    ws.send(f"{number} {request.blueprint} {request.args['q']} {current_app.name}")


@sockets.route("/who")
def who(ws: FlaskWebSocket) -> None:
    """Say who the session says it is, at every message."""
    for _ in ws:
        ws.send(session.get("user", "nobody"))


@sockets.route("/database")
def database(ws: FlaskWebSocket) -> None:
    """Use the database at every message, and say how often g was new to it."""
    use_database()
    for _ in ws:
        use_database()
        ws.send(str(current_app.config["OPENED"]))


@sockets.route("/abort")
def aborting(ws: FlaskWebSocket) -> None:
    """Find out too late."""
    ws.receive()
    abort(401)


@sockets.route("/fail")
def failing(ws: FlaskWebSocket) -> None:
    """Fail."""
    ws.receive()
    raise RuntimeError("by itself")


def late() -> str:
    """Decide before the connection opens."""
    if request.args.get("token") != "secret":
        abort(401)
    session["seen"] = "yes"
    with upgrade(subprotocols=["late"]) as ws:
        ws.send("come in")
    return "not sent"


def use_database() -> None:
    """Open the database of this context, unless that was done."""
    if "database" not in g:
        g.database = sqlite3.connect(":memory:")
        current_app.config["OPENED"] += 1
        current_app.config["HELD"].add(g.database)


def application() -> Flask:
    """Return a new application."""
    app = Flask("an application")
    app.config.update(SECRET_KEY="secret", OPENED=0, HELD=set())

    @app.teardown_appcontext
    def close_database(_: object) -> None:
        if "database" in g:
            g.database.close()
            app.config["HELD"].discard(g.pop("database"))

    app.add_url_rule("/page", view_func=lambda: "a page")
    app.add_url_rule("/late", view_func=late, websocket=True)
    app.register_blueprint(rooms, url_prefix="/rooms")
    sockets.init_app(app)
    return app


@contextmanager
def ours(app: Any) -> Iterator[int]:
    """Serve *app* by our server, and give its port."""
    with running(WSGIServer(LOCAL, app, log=None, error_log=None)) as server:
        yield int(server.address[1])


@contextmanager
def gevents(app: Any) -> Iterator[int]:
    """Serve *app* by gevent's own server."""
    server = pywsgi.WSGIServer(LOCAL, app, log=None, error_log=None)
    server.start()
    try:
        yield int(server.server_port or 0)
    finally:
        server.stop()


@contextmanager
def werkzeugs(app: Any) -> Iterator[int]:
    """Serve *app* by Werkzeug's development server, in threads."""
    server: Any = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = False  # so that server_close() waits for them
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def visit(port: int, path: str, **options: Any) -> WebSocket:
    """Return a connection to *path*."""
    ws: WebSocket = connect(f"ws://127.0.0.1:{port}{path}", **options)
    return ws
