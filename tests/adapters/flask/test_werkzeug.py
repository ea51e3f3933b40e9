from __future__ import annotations

import os
import ssl
from typing import Any

import pytest
from flask import Flask
from zope.interface.verify import verifyObject

from geventws.adapters.flask import upgrade
from geventws.adapters.flask.werkzeug import WerkzeugRequest
from geventws.core.errors import ConnectionClosed
from geventws.interfaces import IUpgradable
from tests.adapters.flask.app import application, visit, werkzeugs
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head

PATIENCE = 15.0


def test_frames_that_come_with_the_handshake_are_received() -> None:
    with werkzeugs(application()) as port, RawPeer.to(("127.0.0.1", port)) as peer:
        peer.send(head("GET /echo HTTP/1.1") + frame(TEXT, b"one") + frame(TEXT, b"two"))
        assert peer.read_head().status == 101
        assert [peer.read_frame(), peer.read_frame()] == [(TEXT, b"one"), (TEXT, b"two")]
        peer.send(close_frame(1000))
        assert peer.read_close() == (1000, "")
        assert peer.read_to_end() == b""  # and no response after it


def test_view_that_leaves_its_connection_open_ends_it() -> None:
    app = Flask("an application")

    @app.route("/", websocket=True)
    def leave() -> str:
        upgrade()
        return "not sent"

    with werkzeugs(app) as port, visit(port, "/") as ws:
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive(PATIENCE)
        assert (raised.value.code, raised.value.reason) == (1011, "the view left it open")


@pytest.mark.parametrize(("path", "debug"), [("/echo", False), ("/fail", False), ("/fail", True)])
def test_threads_leave_no_file_descriptors(path: str, debug: bool) -> None:
    def visit_once(port: int) -> None:
        with visit(port, path) as ws:
            ws.send("x")
            if path == "/echo":
                assert ws.receive(PATIENCE) == "x"
            else:
                with pytest.raises(ConnectionClosed, match="1011"):
                    ws.receive(PATIENCE)

    app = application()
    app.debug = debug
    with werkzeugs(app) as port:
        visit_once(port)
    before = len(os.listdir("/proc/self/fd"))
    with werkzeugs(app) as port:
        for _ in range(10):
            visit_once(port)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_tls_is_refused() -> None:
    environ: Any = {"werkzeug.socket": ssl.SSLSocket.__new__(ssl.SSLSocket), "wsgi.input": None}
    with pytest.raises(TypeError, match="TLS"):
        WerkzeugRequest(environ)


def test_werkzeugs_request_is_upgradable() -> None:
    environ = {"werkzeug.socket": None, "wsgi.input": None}
    assert verifyObject(IUpgradable, WerkzeugRequest(environ))
