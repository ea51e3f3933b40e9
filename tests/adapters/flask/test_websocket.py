from __future__ import annotations

from typing import Any

import gevent
import pytest
from flask import Flask, g
from gevent.event import Event

from geventws.adapters.flask import FlaskWebSocket, Sockets
from geventws.core.errors import ConnectionClosed
from tests.adapters.flask.app import application, gevents, ours, visit, werkzeugs

PATIENCE = 15.0
each_server = pytest.mark.parametrize("serving", [ours, gevents, werkzeugs])


@each_server
def test_idle_connection_holds_no_database(serving: Any) -> None:
    app = application()
    with serving(app) as port, visit(port, "/database") as ws:
        for opened in ("2", "3", "4"):  # the first one was the opening's
            ws.send("use it")
            assert ws.receive(PATIENCE) == opened
            assert ws.ping(PATIENCE) > 0  # which is answered by who waits for a message
            assert app.config["HELD"] == set()


def test_other_greenlets_and_inner_contexts_keep_their_own() -> None:
    app = Flask("an application")
    done = Event()

    @Sockets(app).route("/")
    def view(ws: FlaskWebSocket) -> None:
        g.outer = "here"
        with app.app_context():
            g.inner = "here"
            ws.send(ws.receive())
            assert g.inner == "here"
        ws.send(gevent.spawn(ws.receive).get())
        assert g.outer == "here"
        ws.receive()
        assert "outer" not in g
        done.set()

    with ours(app) as port, visit(port, "/") as ws:
        for message in ("1", "2"):
            ws.send(message)
            assert ws.receive(PATIENCE) == message
        ws.send("3")
        assert done.wait(PATIENCE)


def test_failing_teardown_ends_the_connection_and_not_the_server() -> None:
    app = application()

    @app.teardown_request
    def fail(_: object) -> None:
        raise RuntimeError("by itself")

    with ours(app) as port:
        for _ in range(2):
            with visit(port, "/echo") as ws, pytest.raises(ConnectionClosed) as raised:
                ws.receive(PATIENCE)
            assert raised.value.code == 1011
