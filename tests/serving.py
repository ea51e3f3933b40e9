"""Our servers, for the length of a test; nothing of them may be left after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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
Visit = AbstractContextManager[RawPeer]
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
def visiting(server: Acceptor, tls: Any = None) -> Iterator[RawPeer]:
    """Have *server* run, and connect to it."""
    with running(server), RawPeer.to(server.address, tls) as peer:
        yield peer


def serving(handler: Any = echo, address: Any = LOCAL, **arguments: Any) -> Visit:
    """Have a native server run, and connect to it."""
    return visiting(serve(handler, address, **arguments))


def wsgi_serving(application: Any, listener: Any = LOCAL, **arguments: Any) -> Visit:
    """Have a WSGI server run, and connect to it."""
    arguments.setdefault("log", None)
    return visiting(WSGIServer(listener, application, **arguments))


def wait_for(event: Event) -> None:
    """Wait for *event*; a test in which it never comes has failed."""
    assert event.wait(PATIENCE)


def in_time(call: Any, *args: Any) -> Any:
    """Return what *call* does, unless it takes too long."""
    with gevent.Timeout(PATIENCE):
        return call(*args)


@contextmanager
def draining(drained: Any, timeout: float = 20, **how: Any) -> Iterator[None]:
    """Have *drained*, a server or a manager, drain, which must end soon after the block does."""
    greenlet = gevent.spawn(drained.drain, timeout, **how)
    gevent.sleep(0)
    try:
        yield
        in_time(greenlet.get)
    finally:
        greenlet.kill()
