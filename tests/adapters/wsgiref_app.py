"""Our wsgiref server for the length of a test, and views for it."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import make_server

import pytest

from geventws.adapters.threaded import EchoWebSocket
from geventws.adapters.wsgiref import (
    WebSocketWSGIApplication,
    WebSocketWSGIRequestHandler,
    WSGIServer,
    upgrade,
)
from tests.threads import PATIENCE, echo, joined_threads


@contextmanager
def serving(application: Any, tls: Any = None) -> Iterator[WSGIServer]:
    """Have a server run, and see that no thread of it is left."""
    before = set(threading.enumerate())
    server = make_server("127.0.0.1", 0, application, WSGIServer, WebSocketWSGIRequestHandler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    with joined_threads() as threads:
        threads.start(server.serve_forever, 0.01)
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()
    join(set(threading.enumerate()) - before)


def join(threads: set[threading.Thread]) -> None:
    """Wait for the end of *threads*."""
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread does not end"


def request_threads() -> set[threading.Thread]:
    """Return the threads that requests have now."""
    return {each for each in threading.enumerate() if "process_request" in each.name}


def uri(server: WSGIServer, path: str = "/") -> str:
    """Return the address to connect to."""
    return f"ws://127.0.0.1:{server.server_port}{path}"


def get(server: WSGIServer, path: str = "/") -> bytes:
    """Return the page at *path*."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}") as reply:
        page: bytes = reply.read()
        return page


def echo_view(environ: Any, start_response: Any) -> list[bytes]:
    """Send every message back."""
    with upgrade(environ, start_response) as ws:
        for message in ws:
            ws.send(message)
    return []


def echo_generator(environ: Any, start_response: Any) -> Iterator[bytes]:
    """Do it while the body is fetched."""
    with upgrade(environ, start_response) as ws:
        for message in ws:
            ws.send(message)
    yield b""


def echo_by_callbacks(environ: Any, start_response: Any) -> list[bytes]:
    """Have callbacks do it, in the view's thread."""
    upgrade(environ, start_response, handler=EchoWebSocket).run()
    return []


def throw(error: BaseException) -> bytes:
    """Raise *error*."""
    raise error


def page_and_echo(environ: Any, start_response: Any) -> list[bytes]:
    """Do it as a framework, that returns a response whatever the view did."""
    if environ["PATH_INFO"] == "/ws":
        echo_view(environ, start_response)
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"a ")
    return [b"page"]


each_way = pytest.mark.parametrize(
    "application",
    [
        WebSocketWSGIApplication(handler_cls=EchoWebSocket),
        WebSocketWSGIApplication(handler=echo),
        echo_view,
        echo_generator,
        echo_by_callbacks,
    ],
    ids=["class", "function", "view", "generator", "run"],
)
