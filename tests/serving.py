"""Our servers, for the length of a test; nothing of them may be left after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import gevent
from gevent.event import Event

from geventws.acceptor import Acceptor
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.websocket import WebSocket
from tests.leaks import census, settle
from tests.rawpeer import PATIENCE, RawPeer

A = TypeVar("A", bound=Acceptor)
LOCAL = ("127.0.0.1", 0)


def echo(ws: WebSocket) -> None:
    """Send every message back."""
    for message in ws:
        ws.send(message)


@contextmanager
def running(server: A) -> Iterator[A]:
    """Have *server* run, then stop it and check that it left nothing behind."""
    before = census()
    server.start()
    try:
        yield server
    finally:
        server.stop(timeout=1)
    assert server.connections == 0
    settle(before)


@contextmanager
def serving(handler: Any = echo, address: Any = LOCAL, **arguments: Any) -> Iterator[RawPeer]:
    """Have a native server run, and connect to it."""
    with running(serve(handler, address, **arguments)) as server, RawPeer.to(server.address) as peer:
        yield peer


@contextmanager
def wsgi_serving(application: Any, listener: Any = LOCAL, **arguments: Any) -> Iterator[RawPeer]:
    """Have a WSGI server run, and connect to it."""
    arguments.setdefault("log", None)
    with running(WSGIServer(listener, application, **arguments)) as server:
        with RawPeer.to(server.address) as peer:
            yield peer


def wait_for(event: Event) -> None:
    """Wait for *event*; a test in which it never comes has failed."""
    assert event.wait(PATIENCE)


def in_time(call: Any, *args: Any) -> Any:
    """Return what *call* does, unless it takes too long."""
    with gevent.Timeout(PATIENCE):
        return call(*args)
