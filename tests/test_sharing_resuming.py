"""Clients that come back to a manager over a broker, while its history lets them wait."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from geventws.core.codes import Side
from geventws.manager import Manager
from geventws.shared import HELD
from tests.gates import Gate, leave_nothing
from tests.gates import broker as broker
from tests.gates import manager as manager
from tests.peers import Net
from tests.sharings import Client, member
from tests.sharings import net as net

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def test_what_is_published_while_history_is_asked_for_comes_once(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client, go_on = Client(net), Event()
    _, peer = member(net, manager, "tea")  # somebody else, to see what is delivered
    manager.join_room(client.ws, "tea")
    client.step()
    client.ws.drop()
    manager.broadcast("1", room="tea")
    broker.hold["answer"] = go_on.wait
    joining = gevent.spawn(manager.join_room, client.come(), "tea")
    gevent.idle()
    manager.broadcast("of its own", room="tea", exclude=client.ws)
    manager.broadcast("2", room="tea")
    go_on.set()
    joining.get()
    manager.broadcast("3", room="tea")
    assert client.take(3) == ["1", "2", "3"]
    assert peer.receive(4) == ["1", "of its own", "2", "3"]
    assert client.resumption.unrecovered == set()


def test_what_history_has_before_it_is_delivered_is_sent_once(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client, (_, peer) = Client(net), member(net, manager, "tea")
    manager.join_room(client.ws, "tea")
    client.step()
    client.ws.drop()
    broker.late = []
    manager.broadcast("1", room="tea")
    manager.broadcast("2", room="tea")
    manager.join_room(client.come(), "tea")
    broker.deliver_now()
    manager.broadcast("3", room="tea")
    raw = [str(client.step()) for _ in range(4)]
    assert [text.partition("\n")[2] for text in raw] == ["", "1", "2", "3"]
    assert peer.receive(3) == ["1", "2", "3"]


def test_client_is_told_when_too_much_is_published_while_history_is_asked_for(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client, go_on = Client(net), Event()
    _, peer = member(net, manager, "tea")
    manager.join_room(client.ws, "tea")
    client.step()
    client.ws.drop()
    broker.hold["answer"] = go_on.wait
    joining = gevent.spawn(manager.join_room, client.come(), "tea")
    gevent.idle()
    for number in range(HELD + 1):
        manager.broadcast(str(number), room="tea")
        assert peer.receive(1) == [str(number)]
    go_on.set()
    joining.get()
    client.step()  # recovered, as it seemed
    client.step()
    assert client.resumption.unrecovered == {"tea"}
    manager.broadcast("live", room="tea")
    assert client.take(1) == ["live"]


@pytest.mark.parametrize(("history", "came"), [(3, ["2" * 999, "3", "live"]), (1, ["live"])])
def test_client_that_takes_too_little_of_what_it_missed_gets_what_is_remembered(
    net: Net, history: int, came: list[str]
) -> None:
    broker = Gate(history=history)
    manager = Manager(broker=broker, buffer_size=1000)
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.step()
    client.ws.drop()
    large = "x" * 10_000_000  # more than a socket takes
    manager.broadcast(large, room="tea")
    joining = gevent.spawn(manager.join_room, client.come(), "tea")
    gevent.idle()
    manager.broadcast("2" * 999, room="tea")
    manager.broadcast("3", room="tea")
    manager.broadcast("4", room="tea", exclude=client.ws)
    assert client.take(1) == [large]
    joining.get(timeout=20)
    manager.broadcast("live", room="tea")
    assert client.take(len(came)) == came
    assert client.resumption.unrecovered == ({"tea"} if history == 1 else set())
    leave_nothing(manager, broker)


def test_joining_that_was_interrupted_begins_again_with_the_same_position(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.step()
    client.ws.drop()
    manager.broadcast("1", room="tea")
    broker.hold["history"] = Event().wait
    joining = gevent.spawn(manager.join_room, client.come(), "tea")
    gevent.idle()
    joining.kill()
    assert manager.members("tea") == []
    broker.hold.clear()
    manager.join_room(client.ws, "tea")
    assert client.take(1) == ["1"]
    assert client.resumption.unrecovered == set()


def test_joining_again_tells_another_info_and_replays_nothing(net: Net, manager: Manager) -> None:
    client = Client(net)
    manager.join_room(client.ws, "tea", "here")
    manager.join_room(client.ws, "tea", "away")
    manager.broadcast("1", room="tea")
    assert client.take(1) == ["1"]
    assert manager.presence("tea") == {manager.id_of(client.ws): "away"}
    manager.leave_room(client.ws, "tea")
    assert manager.presence("tea") == {}


def test_client_that_ends_counts_as_nothing_that_was_not_sent(net: Net, manager: Manager) -> None:
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.ws.drop()
    assert manager.counts.not_sent == 0


def test_client_that_is_removed_is_told_that_it_left(net: Net, manager: Manager) -> None:
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.step()
    manager.remove(client.ws)
    client.step()
    assert client.resumption.positions == {}


def test_what_is_delivered_while_its_history_is_sent_is_sent_once(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client, go_on = Client(net), Event()
    member(net, manager, "tea")
    manager.join_room(client.ws, "tea")
    client.step()
    client.ws.drop()
    broker.late = []
    manager.broadcast("1", room="tea")
    broker.hold["answer"] = go_on.wait
    joining = gevent.spawn(manager.join_room, client.come(), "tea")
    gevent.idle()
    broker.deliver_now()
    go_on.set()
    joining.get()
    manager.broadcast("2", room="tea")
    raw = [str(client.step()) for _ in range(3)]
    assert [text.partition("\n")[2] for text in raw] == ["", "1", "2"]


def test_client_whose_position_never_was_is_told_where_the_room_stands(
    net: Net, manager: Manager, broker: Gate
) -> None:
    client = Client(net)
    member(net, manager, "tea")
    manager.join_room(client.ws, "tea")
    client.step()
    broker.late = []
    now = manager.broadcast("1", room="tea").position
    assert now is not None
    client.resumption.positions["tea"] = now._replace(offset=100)
    manager.join_room(client.come(), "tea")
    client.step()
    assert client.position == now
    assert broker.asked[-1] is None  # a broker takes such a position for its own loss of memory


def test_client_that_ends_while_it_is_sent_what_it_missed_is_no_member(
    net: Net, manager: Manager
) -> None:
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.step()
    client.ws.drop()
    manager.broadcast("x" * 10_000_000, room="tea")  # more than a socket takes
    joining = gevent.spawn(manager.join_room, client.come(), "tea")
    gevent.idle()
    client.ws.drop()
    joining.get()
    assert manager.members("tea") == []


def test_client_resumes_once_on_one_connection(net: Net, manager: Manager) -> None:
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.step()
    manager.join_room(client.come(), "tea")
    manager.leave_room(client.ws, "tea")
    manager.broadcast("missed", room="tea")
    manager.join_room(client.ws, "tea")
    manager.broadcast("here", room="tea")
    assert client.take(1) == ["here"]


def test_client_resumes_once_though_the_manager_let_it_go(net: Net, manager: Manager) -> None:
    client = Client(net)
    manager.join_room(client.ws, "tea")
    client.step()
    manager.broadcast("1", room="tea")
    manager.join_room(client.come(), "tea")
    manager.remove(client.ws)
    manager.join_room(client.ws, "tea")
    manager.broadcast("2", room="tea")
    assert client.take(2) == ["1", "2"]
    assert client.resumption.unrecovered == set()


def test_client_gets_nothing_of_a_room_after_it_was_told_that_it_left(
    net: Net, manager: Manager
) -> None:
    client = Client(net)
    many = [net.meet(side=Side.CLIENT) for _ in range(20)]
    for each in many:
        manager.join_room(each.ws, "tea")
    manager.join_room(client.ws, "tea")
    huge = "x" * 3_000_000  # masking 20 of these takes many turns
    telling = gevent.spawn(manager.broadcast, huge, room="tea")
    excluding = gevent.spawn(manager.broadcast, "2", room="tea", exclude=client.ws)
    gevent.sleep(0)
    manager.leave_room(client.ws, "tea")
    gevent.joinall([telling, excluding], raise_error=True)
    manager.broadcast("3", room="tea")
    manager.join_room(client.ws, "tea")
    manager.broadcast("4", room="tea")
    assert client.take(1) == ["4"]
    assert client.resumption.unrecovered == set()
    assert all(each.peer.receive(4) == [huge, "2", "3", "4"] for each in many)


def test_client_from_the_future_is_told_so_though_it_is_slow(net: Net, broker: Gate) -> None:
    manager = Manager(broker=broker, slow_peers="latest")
    now = manager.broadcast("1", room="tea").position
    assert now is not None
    client = Client(net)
    client.resumption.positions["tea"] = now._replace(offset=100)
    manager.add(client.come())
    manager.broadcast("x" * 10_000_000)  # more than a socket takes
    joining = gevent.spawn(manager.join_room, client.ws, "tea")
    gevent.idle()
    for text in ("2", "3"):
        manager.broadcast(text, room="tea")
    client.take(1)
    joining.get(timeout=20)
    manager.broadcast("4", room="tea")
    assert client.take(1) == ["4"]
    assert client.resumption.unrecovered == {"tea"}
    leave_nothing(manager, broker)
