"""The contracts of geventws.interfaces hold behind every door, for objects as they are at work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import gevent.socket
import pytest
from zope.interface.verify import verifyObject

from geventws.adapters import threaded
from geventws.adapters.cherrypy import HeldTransport
from geventws.adapters.threaded.care import Calendar
from geventws.adapters.ws4py.driver import Driver
from geventws.adapters.ws4py.hub import GreenTransport
from geventws.adapters.ws4py.transports import ObjectTransport
from geventws.core.codes import Side
from geventws.core.handshake import Accepted
from geventws.interfaces import ICaretaker, IEvent, IManager, ITransport, IUpgradable, IWebSocket
from geventws.options import Options
from geventws.sockets import SocketTransport
from geventws.transport import Transport
from geventws.upgradable import registry
from geventws.websocket import establish
from tests import loops
from tests.adapters.threaded.managers import managed
from tests.adapters.ws4py import scene
from tests.threads import unix

Made = AbstractContextManager[Any]


@contextmanager
def transport(kind: Any, pair: Any = unix) -> Iterator[Any]:
    """Give what *kind* makes of a socket, and have its monitor."""
    near, far = pair()
    made = kind(near)
    with near, far, getattr(made, "monitor", nullcontext()):  # greenlets need none
        yield made
        made.close()


@contextmanager
def event() -> Iterator[Any]:
    """Give an event of threads."""
    with transport(SocketTransport) as made:
        yield made.event()


@contextmanager
def websocket(kind: Any) -> Iterator[Any]:
    """Give a connection of threads."""
    with transport(SocketTransport) as made:
        yield establish(kind, made, Options(), Side.SERVER, Accepted(None, None, b""), b"")


@contextmanager
def driver() -> Iterator[Driver]:
    """Give what is under a websocket of ws4py's."""
    with scene.met() as (ws, _):
        yield ws.driver


@contextmanager
def looped() -> Iterator[Any]:
    """Give a connection of an event loop, which Tornado's door has too."""
    with asyncio.Runner() as runner:
        meeting = loops.met()
        yield runner.run(meeting.__aenter__()).ws
        runner.run(meeting.__aexit__(None, None, None))


@contextmanager
def upgradable() -> Iterator[Any]:
    """Give what the request of a WSGI server with a buffered reader is adapted to."""
    with gevent.socket.socket() as sock, sock.makefile("rb") as reader:
        yield registry.queryAdapter(reader, IUpgradable)


@contextmanager
def caretaker() -> Iterator[Any]:
    """Give who looks after a connection of greenlets."""
    with transport(Transport, gevent.socket.socketpair) as made:
        yield registry.queryAdapter(made, ICaretaker)


CONTRACTS: dict[str, tuple[Any, Callable[[], Made]]] = {
    "ThreadedWebSocket": (IWebSocket, partial(websocket, threaded.ThreadedWebSocket)),
    "EchoWebSocket": (IWebSocket, partial(websocket, threaded.EchoWebSocket)),
    "AsyncWebSocket": (IWebSocket, looped),
    "Driver": (IWebSocket, driver),
    "WebSocketManager": (IManager, managed),
    "Calendar": (ICaretaker, lambda: nullcontext(Calendar([].append))),
    "Caretaker": (ICaretaker, caretaker),
    "SocketTransport": (ITransport, partial(transport, SocketTransport)),
    "HeldTransport": (ITransport, partial(transport, HeldTransport)),
    "ObjectTransport": (ITransport, partial(transport, ObjectTransport)),
    "GreenTransport": (ITransport, partial(transport, GreenTransport, gevent.socket.socketpair)),
    "Transport": (ITransport, partial(transport, Transport, gevent.socket.socketpair)),
    "Event": (IEvent, event),
    "BufferedRequest": (IUpgradable, upgradable),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_object_keeps_its_contract(name: str) -> None:
    contract, make = CONTRACTS[name]
    with make() as made:
        assert type(made).__name__.lstrip("_") == name
        # AsyncWebSocket does not say that it provides one: its methods are awaited
        assert verifyObject(contract, made, tentative=name == "AsyncWebSocket")
