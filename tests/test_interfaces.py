"""Every implementation of a seam is held against its contract."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from threading import Event as ThreadEvent
from typing import Any

import gevent.socket
import pytest
from zope.interface import Interface, providedBy
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyClass, verifyObject

from geventws import interfaces
from geventws.adapters.threaded import ThreadedWebSocket
from geventws.care import Caretaker, caretaker
from geventws.interfaces import ICaretaker, IEvent, IManager, ITransport, IWebSocket
from geventws.manager import Manager
from geventws.memory import MemoryTransport, transports
from geventws.sockets import SocketTransport
from geventws.testing import pair
from geventws.transport import Transport
from geventws.websocket import EchoWebSocket, WebSocket

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def socket_ends(kind: Callable[[Any], Any]) -> tuple[Any, Any]:
    near, far = gevent.socket.socketpair()
    return kind(near), kind(far)


TRANSPORTS: dict[type, Callable[[], tuple[Any, Any]]] = {
    MemoryTransport: transports,
    Transport: lambda: socket_ends(Transport),
    SocketTransport: lambda: socket_ends(SocketTransport),
}
each_transport = pytest.mark.parametrize("kind", TRANSPORTS, ids=lambda kind: kind.__name__)


@each_transport
def test_transport_keeps_its_contract(kind: type) -> None:
    near, far = TRANSPORTS[kind]()
    verifyClass(ITransport, kind, tentative=True)
    verifyObject(ITransport, near)
    near.close()
    far.close()


@each_transport
def test_event_of_a_transport_is_set_once_and_for_all(kind: type) -> None:
    near, far = TRANSPORTS[kind]()
    with getattr(near, "monitor", nullcontext()):  # which the transport of threads asks for
        event = near.event()
        verifyObject(IEvent, event, tentative=True)
        assert (event.is_set(), event.wait(timeout=0)) == (False, False)
        event.set()
        assert (event.is_set(), event.wait(timeout=0), event.wait()) == (True, True, True)
    near.close()
    far.close()


def test_event_of_the_standard_library_would_do() -> None:
    verifyObject(IEvent, ThreadEvent(), tentative=True)


@pytest.mark.parametrize("kind", [WebSocket, EchoWebSocket, ThreadedWebSocket])
def test_websocket_keeps_its_contract(kind: type[WebSocket]) -> None:
    verifyClass(IWebSocket, kind)


def test_connection_keeps_its_contract() -> None:
    client, server = pair()
    for end in (client, server):
        assert verifyObject(IWebSocket, end)
        end.drop()


def test_caretaker_keeps_its_contract() -> None:
    verifyClass(ICaretaker, Caretaker)
    assert verifyObject(ICaretaker, caretaker())


def test_manager_keeps_its_contract() -> None:
    assert verifyObject(IManager, Manager())


def test_interfaces_document_whatever_they_ask_for() -> None:
    found = [each for each in vars(interfaces).values() if isinstance(each, InterfaceClass)]
    contracts = [each for each in found if each is not Interface]
    assert len(contracts) >= 5
    asked = [contract[name] for contract in contracts for name in contract.names()]
    assert [each for each in [*contracts, *asked] if not each.__doc__] == []


def test_nothing_else_is_claimed_of_a_websocket() -> None:
    client, server = pair()
    assert list(providedBy(client)) == [IWebSocket]
    client.drop()
    server.drop()
