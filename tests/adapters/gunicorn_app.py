"""A Flask application with WebSockets, as gunicorn is given it.

gunicorn tests.adapters.gunicorn_app:app
"""

from __future__ import annotations

import os

from flask import Flask, request

import geventws
from geventws.adapters.gunicorn import GeventWebSocketWorker

app = Flask(__name__)
LARGE = 16 * 1024 * 1024  # bytes


@app.route("/")
def index() -> str:
    """Say which worker this is."""
    return str(os.getpid())


@app.route("/echo", websocket=True)
def echo() -> str:
    """Send every message back, however it is deployed."""
    with geventws.upgrade(request.environ, max_size=LARGE) as ws:
        for message in ws:
            ws.send(message)
    return ""


@app.route("/lazy", websocket=True)
def lazy() -> str:
    """Wait for a message on the connection that the server has for everybody."""
    request.environ["wsgi.websocket"].receive()
    return ""


@app.route("/pid", websocket=True)
def pid() -> str:
    """Say which worker this is."""
    with geventws.upgrade(request.environ) as ws:
        ws.send(str(os.getpid()))
    return ""


@app.route("/forget", websocket=True)
def forget() -> str:
    """Leave the connection open."""
    geventws.upgrade(request.environ).send("left")
    return ""


@app.route("/fail", websocket=True)
def fail() -> str:
    """Fail with a connection that is open."""
    geventws.upgrade(request.environ).send("open")
    raise ValueError("the view fails")


class Small(GeventWebSocketWorker):
    """A worker that takes short messages alone."""

    arguments = {"max_size": 10}  # noqa: RUF012
