"""The group of connections: who is in it, and how it ends."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from zope.interface.verify import verifyObject

from geventws.clock import monotonic
from geventws.core.errors import ConnectionClosed
from geventws.interfaces import IManager
from geventws.manager import Manager
from geventws.options import Options
from geventws.testing.virtual import virtual_time
from geventws.websocket import EchoWebSocket, WebSocket
from tests.peers import Net, group


@pytest.fixture
def net() -> Iterator[Net]:
    with virtual_time(), Net() as made:
        yield made


def received(ws: WebSocket) -> list[str | bytes]:
    return list(ws)


# Members


def test_manager_is_what_its_interface_says() -> None:
    assert verifyObject(IManager, Manager())


def test_manager_knows_its_connections_in_the_order_they_came(net: Net) -> None:
    first, second, third = (net.meet().ws for _ in range(3))
    manager = group([first, second, first])
    assert list(manager) == [first, second]
    assert len(manager) == 2
    assert first in manager
    assert third not in manager
    manager.remove(first)
    manager.remove(first)
    assert list(manager) == [second]


def test_manager_may_change_while_it_is_iterated_over(net: Net) -> None:
    connections = [net.meet().ws for _ in range(3)]
    manager = group(connections)
    seen = []
    for ws in manager:
        seen.append(ws)
        manager.remove(ws)
        manager.add(net.meet().ws)
    assert seen == connections


def test_room_has_whom_joined_and_did_not_leave(net: Net) -> None:
    first, second, third = connections = [net.meet().ws for _ in range(3)]
    manager = group(connections)
    for ws in connections:
        manager.join_room(ws, "a")
    manager.join_room(second, "b")
    manager.leave_room(first, "a")
    manager.leave_room(first, "a")
    manager.leave_room(first, "no such room")
    assert manager.members("a") == [second, third]
    assert manager.members("b") == [second]
    assert manager.members("no such room") == []
    assert manager.rooms(second) == {"a", "b"}
    assert manager.rooms(first) == set()


def test_manager_takes_in_who_joins_a_room(net: Net) -> None:
    manager, ws = Manager(), net.meet().ws
    manager.join_room(ws, "a")
    assert ws in manager


def test_connection_leaves_every_room_when_it_is_removed(net: Net) -> None:
    first, second = net.meet().ws, net.meet().ws
    manager = Manager()
    for ws in (first, second):
        manager.join_room(ws, "a")
        manager.join_room(ws, "b")
    manager.remove(first)
    assert (manager.members("a"), manager.members("b")) == ([second], [second])
    assert manager.rooms(first) == set()


def test_connection_leaves_by_itself_when_it_is_over(net: Net) -> None:
    server, client = net.pair()
    managers = [Manager(), Manager()]
    for manager in managers:
        manager.join_room(server, "a")
    closing = gevent.spawn(client.close)
    with pytest.raises(ConnectionClosed):
        server.receive()
    for manager in managers:
        assert manager.join(5)
        assert len(manager) == 0
        assert manager.members("a") == []
    closing.get()


def test_connection_that_is_over_is_not_taken_in(net: Net) -> None:
    ws = net.meet().ws
    ws.drop()
    manager = Manager()
    manager.add(ws)
    manager.join_room(ws, "a")
    assert len(manager) == 0
    assert manager.members("a") == []
    assert manager.join(0)


def test_connection_that_was_removed_and_added_again_leaves_by_itself(net: Net) -> None:
    ws = net.meet().ws
    manager = group([ws])
    manager.remove(ws)
    manager.add(ws)
    ws.drop()
    assert len(manager) == 0


def test_manager_keeps_no_connection_that_is_over() -> None:
    manager = Manager()
    with Net() as net:
        ws, peer = net.meet(care=False)
        manager.join_room(ws, "a")
        manager.broadcast("hello")
        known = weakref.ref(ws)
        ws.drop()
    del net, ws, peer
    gc.collect()
    assert known() is None


def test_manager_that_is_over_is_kept_by_no_connection(net: Net) -> None:
    ws = net.meet().ws
    manager = group([ws])
    manager.join_room(ws, "a")
    manager.remove(ws)
    known = weakref.ref(manager)
    del manager
    gc.collect()
    assert known() is None


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"slow_peers": "wait"}, ValueError),
        ({"buffer_size": 0}, ValueError),
        ({"buffer_size": 1.5}, TypeError),
        ({"buffer_size": True}, TypeError),
    ],
)
def test_manager_refuses_wrong_options(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        Manager(**options)


# The end


def test_join_waits_until_every_connection_is_over(net: Net) -> None:
    connections = [net.meet().ws for _ in range(3)]
    manager = group(connections)
    assert not manager.join(0)
    assert not manager.join(timeout=0.01)
    waiting = gevent.spawn(manager.join)
    for ws in connections:
        gevent.idle()
        assert not waiting.ready()
        ws.drop()
    assert waiting.get() is True
    assert manager.join() is True


def test_join_returns_at_once_when_nobody_is_there() -> None:
    assert Manager().join()


def test_close_all_closes_callback_waiting_and_sleeping_applications_alike(net: Net) -> None:
    pairs = [net.pair(cls=EchoWebSocket), net.pair(), net.pair()]
    manager = group(server for server, _ in pairs)
    reader = gevent.spawn(received, pairs[1][1])
    manager.close_all(1001, "bye")
    assert manager.join(5)
    assert [client.close_code for _, client in pairs] == [1001] * 3
    assert [client.close_reason for _, client in pairs] == ["bye"] * 3
    assert reader.get() == []


def test_close_all_ends_a_receive_that_is_under_way(net: Net) -> None:
    server, _ = net.pair()
    manager = group([server])
    reader = gevent.spawn(received, server)
    gevent.idle()
    manager.close_all()
    assert manager.join(5)
    assert reader.get() == []
    assert server.close_code == 1001


def test_close_all_waits_for_silent_peers_no_longer_than_close_timeout(net: Net) -> None:
    options = Options(close_timeout=2.0)
    met = [net.meet(options=options) for _ in range(20)]
    manager = group(each.ws for each in met)
    start = monotonic()
    manager.close_all(1012)
    assert monotonic() == start
    assert manager.join(20)
    assert 2 <= monotonic() - start < 3  # one after another they would take 40
    assert met[0].ws.close_code == 1006
    met[0].peer.receive_all()
    assert met[0].peer.protocol.close_code == 1012


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1000, "x" * 124)])
def test_close_all_refuses_what_may_not_be_sent(net: Net, code: int, reason: str) -> None:
    ws, peer = net.meet()
    manager = group([ws])
    with pytest.raises(ValueError, match=r"code|reason"):
        manager.close_all(code, reason)
    manager.broadcast("still open")
    assert peer.receive(1) == ["still open"]


def test_drain_closes_with_1001_and_returns_as_soon_as_nobody_is_left(net: Net) -> None:
    pairs = [net.pair(cls=EchoWebSocket) for _ in range(20)]
    manager = group(server for server, _ in pairs)
    start = monotonic()
    assert manager.drain(timeout=60, jitter=0) is True
    assert monotonic() - start < 1
    assert len(manager) == 0
    assert {client.close_code for _, client in pairs} == {1001}


def closed_at(client: WebSocket, start: float) -> float:
    for _ in client:
        pass
    return monotonic() - start


@pytest.mark.parametrize(
    ("options", "spread"),
    [({"timeout": 60, "jitter": 0.5}, 0.5), ({"timeout": 4}, 0.4), ({"timeout": 60}, 1.0)],
    ids=["given", "a-tenth-of-timeout", "one-second"],
)
def test_drain_spreads_its_closes(net: Net, options: dict[str, Any], spread: float) -> None:
    pairs = [net.pair() for _ in range(40)]
    manager = group(server for server, _ in pairs)
    start = monotonic()
    readers = [gevent.spawn(closed_at, client, start) for _, client in pairs]
    assert manager.drain(**options)
    times = [reader.get() for reader in readers]
    assert spread * 0.9 < max(times) <= spread
    early = [each for each in times if each < spread / 2]
    assert 5 <= len(early) <= 30


def test_drain_ends_early_when_everybody_leaves_meanwhile(net: Net) -> None:
    first, second = net.meet(), net.meet()
    manager = group([first.ws, second.ws])
    draining = gevent.spawn(manager.drain, timeout=60, jitter=50)
    first.peer.receive_all()
    start = monotonic()
    first.ws.drop()
    second.ws.drop()
    assert draining.get() is True
    assert monotonic() - start < 1


def test_drain_drops_who_is_left_when_its_time_is_up(net: Net) -> None:
    met = [net.meet() for _ in range(5)]
    manager = group(each.ws for each in met)
    start = monotonic()
    assert manager.drain(timeout=0.2) is False
    assert 0.2 <= monotonic() - start < 5
    assert len(manager) == 0
    assert {each.ws.close_code for each in met} == {1006}
    met[4].peer.receive_all()
    assert met[4].peer.protocol.close_code == 1001


def test_drain_tells_everybody_when_jitter_is_longer_than_it_may_take(net: Net) -> None:
    met = [net.meet() for _ in range(5)]
    manager = group(each.ws for each in met)
    assert manager.drain(timeout=0.2, jitter=60) is False
    for each in met:
        each.peer.receive_all()
    assert {each.peer.protocol.close_code for each in met} == {1001}


def test_drain_closes_who_comes_meanwhile(net: Net) -> None:
    first, late = net.meet(), net.meet()
    manager = group([first.ws])
    draining = gevent.spawn(manager.drain, timeout=60)
    first.peer.receive_all()
    manager.add(late.ws)
    late.peer.receive_all()
    assert late.peer.protocol.close_code == 1001
    for met in (first, late):
        met.peer.answer()
        met.peer.socket.close()
    assert draining.get() is True


def test_manager_takes_connections_in_again_after_drain(net: Net) -> None:
    manager = Manager()
    assert manager.drain()
    ws, peer = net.meet()
    manager.add(ws)
    manager.broadcast("hello")
    assert peer.receive(1) == ["hello"]


def test_manager_refuses_what_is_no_connection() -> None:
    manager = Manager()
    for call in (manager.add, manager.remove, manager.rooms):
        with pytest.raises(TypeError, match=r"^ws: a WebSocket, not int$"):
            call(5)  # type: ignore[arg-type]
