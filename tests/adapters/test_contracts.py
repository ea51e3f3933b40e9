"""The contracts of geventws.interfaces hold behind every door."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyClass

from geventws.adapters import asyncio as asyncio_door
from geventws.adapters import cherrypy as cherrypy_door
from geventws.adapters import threaded
from geventws.adapters.threaded.care import Calendar
from geventws.adapters.ws4py.driver import Driver
from geventws.adapters.ws4py.hub import GreenTransport
from geventws.adapters.ws4py.transports import ObjectTransport
from geventws.interfaces import ICaretaker, IManager, ITransport, IWebSocket

CONTRACTS: list[tuple[Any, type]] = [
    (IWebSocket, threaded.ThreadedWebSocket),
    (IWebSocket, threaded.EchoWebSocket),
    (IWebSocket, asyncio_door.AsyncWebSocket),  # of Tornado too
    (IWebSocket, Driver),
    (IManager, threaded.WebSocketManager),
    (ICaretaker, Calendar),
    (ITransport, cherrypy_door.HeldTransport),
    (ITransport, ObjectTransport),
    (ITransport, GreenTransport),
]


@pytest.mark.parametrize(
    ("contract", "kind"), CONTRACTS, ids=[kind.__name__ for _, kind in CONTRACTS]
)
def test_door_keeps_the_contract(contract: Any, kind: type) -> None:
    # what is set by __init__ alone is held to it by each class's own tests, with verifyObject
    assert verifyClass(contract, kind, tentative=kind is asyncio_door.AsyncWebSocket)
