from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from gevent.event import Event

from geventws.adapters.flask import Sock
from geventws.core.errors import ConnectionClosed
from tests.adapters.flask.app import ours, visit

PATIENCE = 15.0


PUBLISHED = """
from flask import Flask
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)


@sock.route('/echo')
def echo(sock):
    while True:
        data = sock.receive()
        sock.send(data)
"""


def test_program_of_flask_sock_runs_with_the_import_changed() -> None:
    names: dict[str, Any] = {"__name__": "a program"}
    exec(PUBLISHED.replace("flask_sock", "geventws.adapters.flask"), names)
    with ours(names["app"]) as port, visit(port, "/echo") as ws:
        for message in ("hello", b"hello"):
            ws.send(message)
            assert ws.receive(PATIENCE) == message


def test_signature_of_flask_sock_works() -> None:
    app = Flask("an application")
    options = {"ping_interval": 25, "max_message_size": 5, "subprotocols": "a", "thread_class": 0}
    app.config["SOCK_SERVER_OPTIONS"] = options
    sock = Sock()
    over = Event()

    @sock.route("/<name>")
    def view(ws: Any, name: str) -> None:
        assert ws.receive(timeout=0) is None
        assert ws.connected
        ws.send(42)
        ws.send(b"42")
        ws.send(name)
        ws.close(4000, message="bye")
        assert not ws.connected
        over.set()

    sock.init_app(app)
    with ours(app) as port, visit(port, "/ada", subprotocols=["a"]) as ws:
        assert [ws.receive(PATIENCE) for _ in range(3)] == ["42", b"42", "ada"]
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive(PATIENCE)
        assert (raised.value.code, raised.value.reason, ws.subprotocol) == (4000, "bye", "a")
        assert over.wait(PATIENCE)
    with ours(app) as port, visit(port, "/ada") as ws:
        ws.send("too long")
        assert ws.receive(PATIENCE) == "42"


def test_routes_of_before_and_after_init_app_are_served() -> None:
    sock = Sock()
    sock.route("/before")(lambda ws: ws.send("before"))
    assert (sock.app, sock.bp is None) == (None, False)
    for app in (Flask("the first"), Flask("the second")):
        sock.init_app(app)
        assert sock.app is app
        sock.route("/after")(lambda ws: ws.send("after"))
        with ours(app) as port:
            for path in ("before", "after"):
                with visit(port, f"/{path}") as ws:
                    assert ws.receive(PATIENCE) == path
