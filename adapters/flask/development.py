"""Our server for Flask's development, and a test client that can connect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Unpack

from flask import Flask
from flask.cli import load_dotenv as load_dotenv_files
from flask.cli import show_server_banner
from flask.helpers import get_debug_flag, get_load_dotenv
from flask.testing import FlaskClient
from werkzeug._reloader import run_with_reloader
from werkzeug.debug import DebuggedApplication

from geventws.core.handshake import HANDSHAKE
from geventws.core.headers import user_headers
from geventws.pywsgi import WSGIServer
from geventws.testing.opening import OpeningArguments
from geventws.testing.wsgi import connect
from geventws.websocket import WebSocket


def run(
    app: Flask,
    host: str | None = None,
    port: int | None = None,
    debug: bool | None = None,
    load_dotenv: bool = True,
    *,
    use_reloader: bool | None = None,
    use_debugger: bool | None = None,
    threaded: bool = True,
    **options: Any,
) -> None:
    """Serve *app* for development until it is interrupted, as app.run() does, by WSGIServer.

    Within the flask command it does nothing, as Flask's own.

    Args:
        app: what is served.
        host, port: where; without them what SERVER_NAME says, or else 127.0.0.1 and 5000.
        debug: whether errors are shown in the browser and edits restart the program; None is what
            the application says.
        load_dotenv: whether to read .env and .flaskenv.
        use_reloader, use_debugger: one of the two; None is what *debug* says.
        threaded: of no effect, for every request has a greenlet.
        **options: those of WSGIServer.

    Raises:
        TypeError, ValueError: an option is wrong.
        OSError: it cannot listen there.
    """
    if os.environ.get("FLASK_RUN_FROM_CLI") == "true":
        return
    if get_load_dotenv(load_dotenv):
        load_dotenv_files()
        app.debug = get_debug_flag() if "FLASK_DEBUG" in os.environ else app.debug
    app.debug = app.debug if debug is None else debug
    application: Any = app
    if app.debug if use_debugger is None else use_debugger:
        application = DebuggedApplication(app, evalex=True)
    name, _, number = (app.config["SERVER_NAME"] or "").partition(":")
    address = (host or name or "127.0.0.1", int(number or 5000) if port is None else port)
    serve = partial(_serve_forever, app, application, address, options)
    if app.debug if use_reloader is None else use_reloader:
        run_with_reloader(serve)
    else:
        serve()


def _serve_forever(app: Flask, application: Any, address: Any, options: Any) -> None:
    server = WSGIServer(address, application, **options)  # of the hub of the reloader's thread
    server.start()
    show_server_banner(app.debug, app.name)
    scheme = "https" if server.ssl_enabled else "http"
    print(f" * Running on {scheme}://{address[0]}:{server.address[1]}", flush=True)
    server.serve_forever()


class SocketsClient(FlaskClient):
    """Flask's test client, which can connect to the WebSockets of the application too."""

    @contextmanager
    def websocket(
        self, path: str = "/", **options: Unpack[OpeningArguments]
    ) -> Iterator[WebSocket]:
        """Connect to *path* and give the connection, with this client's session, for a block.

        No port is opened: see geventws.testing.connect().

        Args:
            path: the path, and the query if there is one.
            **options: see geventws.testing.connect().

        Raises:
            Rejected: the application answered otherwise.
            HandshakeError, TimeoutError: it does not open.
            Exception: what the application raised in place of an answer.
        """
        cookie = self.get_cookie(self.application.config["SESSION_COOKIE_NAME"])
        if cookie is not None:
            given = user_headers(options.get("headers", ()), HANDSHAKE).items()
            options["headers"] = [*given, ("Cookie", f"{cookie.key}={cookie.value}")]
        with connect(self.application, path, **options) as ws:
            yield ws
