"""Events for whoever subscribes, over real connections."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import gevent.events
import pytest
from zope.interface.verify import verifyObject

import geventws
from geventws.events import (
    DrainBegan,
    HandshakeRefused,
    IConnectionEvent,
    IWebSocketEvent,
    WebSocketEnded,
    WebSocketOpened,
    announce,
    notify,
)
from geventws.manager import Manager
from geventws.testing import pair
from tests.rawpeer import PATIENCE
from tests.serving import echo, running

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def heard() -> Iterator[list[object]]:
    """What subscribers are told during the test."""
    told: list[object] = []
    gevent.events.subscribers.append(told.append)
    yield told
    gevent.events.subscribers.remove(told.append)


def test_announce_tells_of_each_connection_of_a_server(heard: list[object]) -> None:
    with running(geventws.serve(echo, ("127.0.0.1", 0))) as server:
        announce(server.manager)
        with geventws.connect(f"ws://127.0.0.1:{server.server_port}/") as ws:
            ws.send("hello")
            assert ws.receive(timeout=PATIENCE) == "hello"
            opened = heard[-1]
            assert isinstance(opened, WebSocketOpened)
            assert len(heard) == 1
            ws.close(4000, "enough")
        assert server.manager.join(timeout=PATIENCE)
        assert heard[1:] == [WebSocketEnded(opened.connection, 4000, "enough")]


def test_announce_tells_of_one_connection(heard: list[object]) -> None:
    client, server = pair()
    announce(client)
    assert heard == [WebSocketOpened(client)]
    client.drop(1001, "away")
    server.drop()
    assert heard[1:] == [WebSocketEnded(client, 1006, "away")]


def test_announce_tells_of_a_connection_that_is_over_already(heard: list[object]) -> None:
    client, server = pair()
    client.drop()
    server.drop()
    announce(client)
    assert [type(each) for each in heard] == [WebSocketOpened, WebSocketEnded]


def test_subscriber_that_fails_harms_nobody(
    heard: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: object) -> None:
        raise ValueError("no")

    gevent.events.subscribers.insert(0, fail)
    try:
        notify(HandshakeRefused("somewhere", 403))
    finally:
        gevent.events.subscribers.remove(fail)
    assert heard == [HandshakeRefused("somewhere", 403)]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "a subscriber failed" in caplog.text


def test_events_keep_their_contracts() -> None:
    client, server = pair()
    for event in (WebSocketOpened(client), WebSocketEnded(client, 1000, "")):
        verifyObject(IConnectionEvent, event)
    for other in (HandshakeRefused("somewhere", 403), DrainBegan(Manager(), 1.0)):
        verifyObject(IWebSocketEvent, other)
    client.drop()
    server.drop()


def test_announce_takes_connections_and_managers_only() -> None:
    with pytest.raises(TypeError, match="subject: a WebSocket or a Manager, not str"):
        announce("ws://127.0.0.1/")  # type: ignore[arg-type]


def test_drain_of_a_manager_is_told(heard: list[object]) -> None:
    manager = Manager()
    manager.drain(3)
    assert heard == [DrainBegan(manager, 3)]
