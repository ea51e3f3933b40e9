"""What managers over a broker must do, whatever its engine, and clients that resume.

A test file of an engine has the fixture *node* (see brokers), and subclasses the suite under a name
that pytest collects::

    class TestSharing(SharingContract): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from geventws.broker import Position
from geventws.core.handshake import Request
from geventws.manager import Manager
from geventws.resuming import RESUME, Resumption
from geventws.websocket import WebSocket
from tests.brokers import NewNode, wait_until
from tests.peers import Net, Peer


@pytest.fixture
def net() -> Iterator[Net]:
    with Net() as made:
        yield made


class Client:
    """A client that resumes: one connection at a time, and what it knows from one to the next.

    Attributes:
        ws: the server's end of the connection.
        payloads: what its application got.
    """

    def __init__(self, net: Net) -> None:
        self._net = net
        self.resumption = Resumption()
        self.payloads: list[str | bytes] = []
        self.ws: WebSocket
        self._peer: Peer
        self.come()

    def come(self) -> WebSocket:
        """Open a connection, offering what is known; return the server's end."""
        offer = ", ".join(self.resumption.offer())
        head = f"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: {offer}"
        self.ws, self._peer = self._net.meet(send_buffer=None)
        self.ws.subprotocol = RESUME
        self.ws.request = Request(head.encode())
        return self.ws

    def take(self, count: int) -> list[str | bytes]:
        """Read messages until *count* more payloads are here, or the end; return those."""
        already = len(self.payloads)
        with gevent.Timeout(20):
            while len(self.payloads) < already + count:
                self.step()
        return self.payloads[already:]

    def step(self) -> str | bytes:
        """Read one message and return it as it came."""
        (message,) = self._peer.receive(1)
        received = self.resumption.take(message)
        if received.message is not None:
            self.payloads.append(received.message)
        return message

    @property
    def position(self) -> Position | None:
        return self.resumption.positions.get("tea")


def member(net: Net, manager: Manager, *rooms: str) -> tuple[WebSocket, Peer]:
    """Return a connection that has joined *rooms*."""
    met = net.meet(send_buffer=None)
    manager.add(met.ws)
    for room in rooms:
        manager.join_room(met.ws, room)
    return met.ws, met.peer


class SharingContract:
    """The suite."""

    @pytest.fixture
    def managers(self, node: NewNode) -> tuple[Manager, Manager]:
        return Manager(broker=node()), Manager(broker=node())

    # Broadcasts

    @pytest.mark.parametrize("message", ["text", b"bytes", bytearray(b"1"), memoryview(b"2")])
    def test_broadcast_reaches_the_room_in_every_process(
        self, managers: tuple[Manager, Manager], net: Net, message: Any
    ) -> None:
        first, second = managers
        peers = [member(net, first, "tea")[1], member(net, second, "tea")[1]]
        other = member(net, second, "milk")[1]
        result = first.broadcast(message, room="tea")
        assert result[:4] == ([], [], [], [])
        assert result.position is not None
        assert result.position.offset == 1
        expected = message if isinstance(message, str) else bytes(message)
        assert [peer.receive(1) for peer in peers] == [[expected]] * 2
        second.broadcast("all")
        assert [peer.receive(1) for peer in [*peers, other]] == [["all"]] * 3

    def test_broadcasts_of_all_processes_come_in_one_order(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        peers = [member(net, manager, "tea")[1] for manager in managers for _ in range(3)]

        def talk(manager: Manager, name: str) -> None:
            for number in range(20):
                manager.broadcast(f"{name}{number}", room="tea")

        talkers = [(managers[number % 2], "abcd"[number]) for number in range(4)]
        gevent.joinall([gevent.spawn(talk, *each) for each in talkers], raise_error=True)
        came = [peer.receive(80) for peer in peers]
        assert all(each == came[0] for each in came)
        for name in "abcd":
            mine = [each for each in came[0] if str(each).startswith(name)]
            assert mine == [f"{name}{number}" for number in range(20)]

    def test_broadcast_spares_whom_it_is_told_to_and_nobody_elsewhere(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        (ann, ann_peer), (_, bob_peer) = member(net, first, "tea"), member(net, first, "tea")
        _, carol_peer = member(net, second, "tea")
        first.broadcast("1", room="tea", exclude=ann)
        first.broadcast("2", exclude=[ann])
        first.broadcast("3", room="tea")
        assert sorted(map(str, bob_peer.receive(3))) == ["1", "2", "3"]
        assert sorted(map(str, carol_peer.receive(3))) == ["1", "2", "3"]
        assert ann_peer.receive(1) == ["3"]

    def test_who_left_a_room_gets_nothing_more_of_it(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        ws, peer = member(net, first, "tea")
        first.leave_room(ws, "tea")
        first.leave_room(ws, "tea")
        second.broadcast("missed", room="tea")
        first.join_room(ws, "tea")
        second.broadcast("here", room="tea")
        assert peer.receive(1) == ["here"]
        assert first.members("tea") == [ws]

    @pytest.mark.parametrize(
        ("room", "error"), [("", ValueError), ("x" * 201, ValueError), (5, TypeError)]
    )
    def test_room_is_refused_that_no_broker_takes(
        self, managers: tuple[Manager, Manager], net: Net, room: Any, error: type[Exception]
    ) -> None:
        manager, ws = managers[0], net.meet().ws
        for call in (
            lambda: manager.join_room(ws, room),
            lambda: manager.broadcast("x", room=room),
            lambda: manager.presence(room),
        ):
            with pytest.raises(error, match=r"^room: "):
                call()
        with pytest.raises(TypeError, match="message"):
            manager.broadcast(5)  # type: ignore[arg-type]
        with pytest.raises(UnicodeEncodeError):
            manager.broadcast("\ud800")

    # Presence

    def test_presence_tells_who_is_in_a_room_in_every_process(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        (ann, _), (bob, _) = member(net, first), member(net, second)
        first.join_room(ann, "tea", {"name": "Ann"})
        second.join_room(bob, "tea")
        ids = first.id_of(ann), second.id_of(bob)
        expected = {ids[0]: {"name": "Ann"}, ids[1]: None}
        wait_until(lambda: first.presence("tea") == second.presence("tea") == expected)
        first.join_room(ann, "tea", "away")
        wait_until(lambda: second.presence("tea") == {ids[0]: "away", ids[1]: None})
        first.leave_room(ann, "tea")
        wait_until(lambda: second.presence("tea") == {ids[1]: None})
        bob.drop()
        wait_until(lambda: first.presence("tea") == {})
        assert len(set(ids)) == 2

    # Resumption

    def test_client_that_was_cut_off_gets_what_it_missed_from_another_process(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        client = Client(net)
        first.join_room(client.ws, "tea")
        second.broadcast("1", room="tea")
        assert client.take(1) == ["1"]
        client.ws.drop()
        for message in ("2", b"3", "4"):
            first.broadcast(message, room="tea")
        second.join_room(client.come(), "tea")
        first.broadcast("5", room="tea")
        assert client.take(4) == ["2", b"3", "4", "5"]
        assert client.resumption.unrecovered == set()
        now = second.broadcast("6", room="tea").position
        assert now is not None
        assert client.position == now._replace(offset=5)

    def test_client_that_joined_and_heard_nothing_gets_what_came_since(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        client = Client(net)
        first.join_room(client.ws, "tea")
        client.step()
        client.ws.drop()
        second.broadcast("1", room="tea")
        second.join_room(client.come(), "tea")
        assert client.take(1) == ["1"]
        assert client.resumption.unrecovered == set()

    def test_client_gets_nothing_twice_that_it_has(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, _ = managers
        client = Client(net)
        first.join_room(client.ws, "tea")
        first.broadcast("1", room="tea")
        client.take(1)
        first.join_room(client.come(), "tea")
        first.broadcast("2", room="tea")
        assert client.take(1) == ["2"]
        assert client.payloads == ["1", "2"]

    @pytest.mark.parametrize("wrong", ["epoch", "future"])
    def test_client_is_told_when_its_position_never_was(
        self, managers: tuple[Manager, Manager], net: Net, wrong: str
    ) -> None:
        first, second = managers
        now = first.broadcast("1", room="tea").position
        assert now is not None
        client, other = Client(net), Client(net)
        said = now._replace(epoch="elsewher") if wrong == "epoch" else now._replace(offset=2**50)
        client.resumption.positions["tea"] = said
        second.join_room(client.come(), "tea")
        client.step()
        assert client.resumption.unrecovered == {"tea"}
        assert client.position == now
        other.resumption.positions["tea"] = now  # who was right is still
        first.broadcast("2", room="tea")
        second.join_room(other.come(), "tea")
        assert other.take(1) == client.take(1) == ["2"]
        assert other.resumption.unrecovered == set()

    def test_client_is_told_when_what_it_missed_is_forgotten(self, node: NewNode, net: Net) -> None:
        manager = Manager(broker=node(history=3))
        client = Client(net)
        manager.join_room(client.ws, "tea")
        client.step()
        client.ws.drop()
        for number in range(4):
            manager.broadcast(str(number), room="tea")
        manager.join_room(client.come(), "tea")
        manager.broadcast("live", room="tea")
        assert client.take(1) == ["live"]
        assert client.resumption.unrecovered == {"tea"}

    def test_client_is_told_when_the_room_remembers_nothing(self, node: NewNode, net: Net) -> None:
        manager = Manager(broker=node(history=0))
        client = Client(net)
        client.resumption.positions["tea"] = Position(1, "elsewher")
        manager.join_room(client.come(), "tea")
        manager.broadcast("live", room="tea")
        assert client.take(1) == ["live"]
        assert client.resumption.unrecovered == {"tea"}
        assert client.position is None

    def test_client_does_not_get_later_what_was_not_meant_for_it(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        client = Client(net)
        first.join_room(client.ws, "tea")
        first.broadcast("of its own", room="tea", exclude=client.ws)
        client.step()
        client.step()
        client.ws.drop()
        second.join_room(client.come(), "tea")
        second.broadcast("of others", room="tea")
        assert client.take(1) == ["of others"]
        assert client.resumption.unrecovered == set()

    def test_client_that_leaves_a_room_is_told_and_does_not_resume_it(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        client = Client(net)
        first.join_room(client.ws, "tea")
        first.leave_room(client.ws, "tea")
        second.broadcast("missed", room="tea")
        first.join_room(client.ws, "tea")
        second.broadcast("here", room="tea")
        assert client.take(1) == ["here"]
        assert client.resumption.unrecovered == set()

    def test_client_takes_what_is_broadcast_to_all_as_it_was_said(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        first, second = managers
        client = Client(net)
        first.add(client.ws)
        spoof = '\x1e{"room":"tea","left":true}'
        for message in ("all", spoof, b"bytes"):
            second.broadcast(message)
        assert client.take(3) == ["all", spoof, b"bytes"]

    def test_client_that_is_cut_off_again_and_again_gets_everything_once(
        self, managers: tuple[Manager, Manager], net: Net
    ) -> None:
        client = Client(net)
        managers[0].join_room(client.ws, "tea")
        client.step()

        def talk(manager: Manager, name: str) -> None:
            for number in range(40):
                manager.broadcast(f"{name}{number}", room="tea")
                gevent.sleep(0.001)

        talking = [gevent.spawn(talk, managers[number], "ab"[number]) for number in range(2)]
        for number in range(20):
            client.take(2)
            client.ws.drop()
            managers[number % 2].join_room(client.come(), "tea")
        client.take(40)
        gevent.joinall(talking, raise_error=True)
        assert client.resumption.unrecovered == set()
        expected = [f"{name}{number}" for name in "ab" for number in range(40)]
        assert sorted(map(str, client.payloads)) == sorted(expected)
        for name in "ab":
            mine = [each for each in client.payloads if str(each).startswith(name)]
            assert mine == [f"{name}{number}" for number in range(40)]
