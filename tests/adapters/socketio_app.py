"""A Socket.IO server over our transport, and its clients, for the length of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import gevent
import socketio
from flask import Flask
from flask_socketio import SocketIO
from gevent import pywsgi
from gevent.event import AsyncResult

from geventws.adapters.engineio import install
from geventws.client import connect
from geventws.pywsgi import WSGIServer
from geventws.websocket import WebSocket
from tests.serving import LOCAL

T = TypeVar("T")
SERVERS = [WSGIServer, pywsgi.WSGIServer]


class Application:
    """A Flask application with Socket.IO, that sends back what it is asked to."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("an application")
        self.socketio = SocketIO(self.app, async_mode="gevent", **options)
        self.gone: AsyncResult[Any] = AsyncResult()  # why the last client left
        self.socketio.on_event("echo", lambda data: data)
        self.socketio.on_event("say", lambda data: self.socketio.emit("said", data))
        self.socketio.on_event("disconnect", self.gone.set)


@contextmanager
def serving(app: Any, engine: Any, kind: Any = WSGIServer) -> Iterator[int]:
    """Serve *app*, whose engineio.Server is *engine*, and give the port."""
    server = kind(LOCAL, app, log=None)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop(timeout=1)
        engine.shutdown()


@contextmanager
def installed(kind: Any = WSGIServer, **options: Any) -> Iterator[tuple[Application, int]]:
    """Give an application that uses our connections, and the port that it is served at."""
    application = Application(**options)
    install(application.socketio)
    with serving(application.app, application.socketio.server.eio, kind) as port:
        yield application, port


def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Have a thread do *work*, which would block the hub."""
    done: T = gevent.get_hub().threadpool.apply(work, args)
    return done


def client_of(port: int, *transports: str) -> Any:
    """Return a client that is connected, to be used in the same thread."""
    client = socketio.Client(reconnection=False)
    client.connect(f"http://127.0.0.1:{port}", transports=list(transports) or None)
    return client


def opened(port: int, **options: Any) -> WebSocket:
    """Return a connection that has said what a Socket.IO client says first."""
    ws: WebSocket = connect(
        f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket", **options
    )
    assert str(ws.receive(10)).startswith("0{")
    ws.send("40")
    assert str(ws.receive(10)).startswith("40{")
    return ws
