"""Managers over a broker: the suite of all engines, and what happens while somebody waits."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import gevent
import pytest
from gevent import GreenletExit
from gevent.event import Event

from geventws.core.codes import Side
from geventws.core.errors import ConcurrencyError
from geventws.manager import Manager
from tests.gates import Gate, fail
from tests.gates import broker as broker
from tests.gates import manager as manager
from tests.peers import Net
from tests.sharings import Client, SharingContract, member
from tests.sharings import net as net
from tests.test_broker import node as node

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class TestSharing(SharingContract):
    """The suite, on one MemoryBroker."""


# What it refuses


def test_manager_refuses_what_is_no_broker_and_what_a_broker_does_not_bear(broker: Gate) -> None:
    with pytest.raises(TypeError, match=r"^broker: an IBroker, not str$"):
        Manager(broker="redis://localhost")
    with pytest.raises(ValueError, match=r"^slow_peers: "):
        Manager(broker=broker, slow_peers="block")


@pytest.mark.parametrize("info", [object(), {"x": b"bytes"}, float("nan")])
def test_join_refuses_what_no_process_could_be_told(net: Net, manager: Manager, info: Any) -> None:
    ws = net.meet().ws
    for each in (manager, Manager()):
        with pytest.raises((TypeError, ValueError)):
            each.join_room(ws, "tea", info)
        assert each.members("tea") == []


# Joining


def test_room_is_subscribed_while_it_has_members(net: Net, manager: Manager, broker: Gate) -> None:
    (ann, _), (bob, _) = member(net, manager, "tea"), member(net, manager, "tea")
    assert broker.calls == [("subscribe", ""), ("subscribe", "tea")]
    manager.leave_room(ann, "tea")
    bob.drop()
    assert broker.calls[2:] == [("unsubscribe", "tea")]
    ann.drop()
    assert broker.calls[3:] == [("unsubscribe", "")]
    assert len(manager) == 0


def test_first_members_wait_for_one_subscription(net: Net, manager: Manager, broker: Gate) -> None:
    connections = [member(net, manager)[0] for _ in range(3)]
    go_on = Event()
    broker.hold["subscribe"] = go_on.wait
    joining = [gevent.spawn(manager.join_room, ws, "tea") for ws in connections]
    gevent.idle()
    assert manager.members("tea") == []
    go_on.set()
    gevent.joinall(joining, raise_error=True)
    assert manager.members("tea") == connections
    assert broker.calls.count(("subscribe", "tea")) == 1


def test_first_member_that_gives_up_leaves_the_subscription_to_the_next(
    net: Net, manager: Manager, broker: Gate
) -> None:
    (ann, _), (bob, _) = member(net, manager), member(net, manager)
    go_on = Event()
    broker.hold["subscribe"] = go_on.wait
    joining = [gevent.spawn(manager.join_room, ws, "tea") for ws in (ann, bob)]
    gevent.idle()
    joining[0].kill()
    gevent.idle()
    go_on.set()
    joining[1].get()
    assert manager.members("tea") == [bob]
    assert broker.calls[1:] == [("subscribe", "tea")] * 2


def test_failed_subscription_leaves_nobody_half_joined(
    net: Net, manager: Manager, broker: Gate
) -> None:
    (ann, _), (bob, _) = member(net, manager), member(net, manager)
    go_on = Event()

    def fail_then() -> None:
        go_on.wait()
        fail()

    broker.hold["subscribe"] = fail_then
    joining = [gevent.spawn(manager.join_room, ws, "tea") for ws in (ann, bob)]
    gevent.idle()
    go_on.set()
    for each in joining:
        with pytest.raises(ConnectionError, match="unreachable"):
            each.get()
    assert broker.calls.count(("subscribe", "tea")) == 1
    assert (manager.members("tea"), manager.rooms(ann), len(manager)) == ([], set(), 2)
    assert manager.presence("tea") == {}
    broker.hold.clear()
    manager.join_room(ann, "tea")
    assert manager.members("tea") == [ann]


def test_connection_is_not_taken_in_where_the_broker_is_out_of_reach(
    net: Net, manager: Manager, broker: Gate
) -> None:
    ws, peer = net.meet()
    broker.hold["subscribe"] = fail
    for call in (manager.add, lambda ws: manager.join_room(ws, "tea")):
        with pytest.raises(ConnectionError):
            call(ws)
    assert len(manager) == 0
    broker.hold.clear()
    manager.add(ws)
    manager.broadcast("here")
    assert peer.receive(1) == ["here"]


@pytest.mark.parametrize(
    ("method", "resumes"), [("subscribe", False), ("subscribe", True), ("history", True)]
)
def test_connection_that_ends_while_it_joins_is_no_member(
    net: Net, manager: Manager, broker: Gate, method: str, resumes: bool
) -> None:
    ws = Client(net).ws if resumes else net.meet().ws
    manager.add(ws)
    go_on = Event()
    broker.hold[method] = go_on.wait
    joining = gevent.spawn(manager.join_room, ws, "tea")
    gevent.idle()
    ws.drop()
    assert len(manager) == 0
    go_on.set()
    joining.get()
    assert (manager.members("tea"), manager.presence("tea")) == ([], {})
    assert broker.calls[-1] == ("unsubscribe", "tea")


def test_connection_that_is_added_twice_while_the_broker_is_asked_is_added_once(
    net: Net, manager: Manager, broker: Gate
) -> None:
    ws, go_on = net.meet().ws, Event()
    broker.hold["subscribe"] = go_on.wait
    adding = [gevent.spawn(manager.add, ws) for _ in range(2)]
    gevent.idle()
    go_on.set()
    gevent.joinall(adding, raise_error=True)
    assert manager.counts.opened == len(manager) == 1


def test_room_whose_last_member_leaves_while_another_joins_stays_subscribed(
    net: Net, manager: Manager, broker: Gate
) -> None:
    ann, _ = member(net, manager, "tea")
    client = Client(net)
    manager.add(client.ws)
    go_on = Event()
    broker.hold["history"] = go_on.wait
    joining = gevent.spawn(manager.join_room, client.ws, "tea")
    gevent.idle()
    manager.leave_room(ann, "tea")
    go_on.set()
    joining.get()
    manager.broadcast("here", room="tea")
    assert client.take(1) == ["here"]
    assert broker.calls.count(("subscribe", "tea")) == 1


def test_connection_may_end_where_nobody_can_wait(net: Net, manager: Manager, broker: Gate) -> None:
    ws, _ = member(net, manager, "tea")
    gevent.get_hub().loop.run_callback(manager.remove, ws)
    gevent.idle()
    assert len(manager) == 0
    assert broker.calls[2:] == [("unsubscribe", "tea"), ("unsubscribe", "")]


def test_connection_does_not_join_one_room_twice_at_once(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client = Client(net)
    go_on = Event()
    broker.hold["history"] = go_on.wait
    joining = gevent.spawn(manager.join_room, client.ws, "tea")
    gevent.idle()
    with pytest.raises(ConcurrencyError):
        manager.join_room(client.ws, "tea")
    go_on.set()
    joining.get()
    assert manager.members("tea") == [client.ws]


def test_one_room_that_waits_for_its_history_holds_up_no_other(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client, (_, peer) = Client(net), member(net, manager, "tea", "milk")
    go_on = Event()
    broker.hold["history"] = go_on.wait
    joining = gevent.spawn(manager.join_room, client.ws, "tea")
    gevent.idle()
    manager.broadcast("1", room="tea")
    manager.broadcast("2", room="milk")
    assert peer.receive(2) == ["1", "2"]
    assert not joining.ready()
    go_on.set()
    joining.get()


def test_manager_that_is_over_is_kept_by_no_broker(net: Net) -> None:
    broker = Gate()
    manager = Manager(broker=broker)
    ws, _ = member(net, manager, "tea")
    manager.broadcast("hello", room="tea")
    manager.remove(ws)
    known = weakref.ref(manager)
    del manager
    gc.collect()
    assert known() is None


def test_connection_that_is_over_is_kept_by_no_room(net: Net, manager: Manager) -> None:
    member(net, manager, "tea")
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.step()
    manager.join_room(client.come(), "tea")
    sharing: Any = manager._sharing
    rooms = [sharing._shared[name] for name in ("", "tea")]
    for ws in manager:
        assert all((ws in room.resuming) == (ws.request is not None) for room in rooms)
        if ws.request is not None:
            ws.drop()
    assert [[*room.resuming, *room.ahead, *room.late] for room in rooms] == [[], []]


# Broadcasts


def test_broadcast_without_a_broker_in_reach_raises_and_harms_nothing(
    net: Net, manager: Manager, broker: Gate
) -> None:
    ws, peer = member(net, manager, "tea")
    broker.close()
    for room in (None, "tea"):
        with pytest.raises(ConnectionError):
            manager.broadcast("x", room=room)
    assert (list(manager), manager.members("tea")) == ([ws], [ws])
    ws.send("still here")
    assert peer.receive(1) == ["still here"]


def test_broadcaster_who_is_killed_leaves_nobody_without_it(net: Net, manager: Manager) -> None:
    met = [net.meet(side=Side.CLIENT) for _ in range(20)]
    for each in met:
        manager.join_room(each.ws, "tea")
    huge = "x" * 3_000_000  # masking 20 of these takes many turns
    greenlets = [gevent.spawn(manager.broadcast, text, room="tea") for text in (huge, "2", "3")]
    gevent.sleep(0)
    gevent.killall(greenlets[:2], block=False)
    gevent.joinall(greenlets)
    assert all(isinstance(each.value, GreenletExit) for each in greenlets[:2])
    assert all(each.peer.receive(3) == [huge, "2", "3"] for each in met)


def test_slow_peer_is_closed_and_holds_up_nobody(net: Net, manager: Manager) -> None:
    slow, (_, peer) = net.meet(), member(net, manager, "tea")
    manager.join_room(slow.ws, "tea")
    manager.broadcast("x" * 300_000, room="tea")
    assert peer.receive(1) == ["x" * 300_000]
    for number in range(70):
        manager.broadcast(str(number), room="tea")
    assert peer.receive(70) == [str(number) for number in range(70)]
    slow.peer.receive_all()
    assert slow.peer.protocol.close_code == 1008
    assert (manager.counts.buffered, manager.counts.not_sent) == (64, 6)


def test_drain_bears_what_is_published_meanwhile(net: Net, manager: Manager) -> None:
    peer = member(net, manager, "tea")[1]
    manager.broadcast("before", room="tea")
    draining = gevent.spawn(manager.drain, 20, 0)
    assert peer.receive_all() == ["before"]
    position = manager.broadcast("meanwhile", room="tea").position
    assert position is not None
    assert position.offset == 2
    peer.answer()
    peer.socket.close()
    assert draining.get() is True
    assert manager.presence("tea") == {}


# Without a broker


def test_manager_of_one_process_tells_who_is_in_a_room(net: Net) -> None:
    manager = Manager()
    (ann, _), (bob, _) = member(net, manager), member(net, manager)
    manager.join_room(ann, "tea", {"name": ("Ann",)})
    manager.join_room(bob, "tea")
    ids = [manager.id_of(ws) for ws in (ann, bob)]
    assert manager.presence("tea") == {ids[0]: {"name": ["Ann"]}, ids[1]: None}
    assert Manager().id_of(ann) not in ids
    bob.drop()
    assert manager.presence("tea") == {ids[0]: {"name": ["Ann"]}}
    assert manager.presence("no such room") == {}
