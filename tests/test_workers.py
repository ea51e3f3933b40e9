from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.core.codes import CLOSE, PING, PONG, TEXT, Side
from geventws.websocket import EchoWebSocket
from geventws.workers import workers
from tests.core.helpers import closing
from tests.pairs import RawPeer, end_of, unix
from tests.witness import Witness, driven, hang_up, turn

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def witness() -> Iterator[tuple[Witness, RawPeer]]:
    """Return a driven Witness and its peer, which is hung up after the test."""
    connection, peer = driven(Witness)
    yield connection, peer
    connection.deed = None
    peer.socket.close()
    connection.drop()
    turn()


# Replies


class Noting(EchoWebSocket):
    """Takes note of how many bytes all have said after each of its replies."""

    def received_message(self, message: str | bytes) -> None:
        super().received_message(message)
        everybody, said = self.state
        said.append(sum(each._transport.written for each in everybody))


def test_replies_of_several_connections_leave_together() -> None:
    pairs = [driven(Noting) for _ in range(3)]
    said: list[int] = []
    for connection, _ in pairs:
        connection.state = [each for each, _ in pairs], said
    turn()
    for _, peer in pairs:
        peer.send(TEXT, b"!")
    turn()
    assert said == [0, 0, 3]
    for _, peer in pairs:
        frame = peer.next()
        assert frame is not None
        assert frame.payload == b"!"
        hang_up(peer)


# Callbacks


def test_callbacks_are_called_in_order(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    turn()
    assert server.calls == [("opened",)]
    peer.send(TEXT, b"one")
    peer.send(PONG, b"unasked")
    peer.send(TEXT, b"two")
    peer.send(CLOSE, closing(1001))
    turn()
    assert server.calls[1:] == [
        ("message", "one"),
        ("pong", b"unasked"),
        ("message", "two"),
        ("closed", 1001),
    ]


def test_drive_returns_at_once(witness: tuple[Witness, RawPeer]) -> None:
    assert witness[0].calls == []


def test_bytes_that_came_with_the_handshake_are_delivered() -> None:
    theirs, ours = unix()
    server, peer = end_of(Witness, ours, Side.SERVER), RawPeer(theirs, Side.SERVER)
    server.begin(peer.frame(TEXT, b"early"))
    workers().drive(server, server._transport)
    turn()
    assert server.calls == [("opened",), ("message", "early")]
    hang_up(peer)
    assert server.calls[2:] == [("closed", 1006)]


def test_echo_sends_everything_back() -> None:
    _, peer = driven(EchoWebSocket)
    for n in range(100):
        peer.send(TEXT, b"%d" % n)
        frame = peer.next()
        assert frame is not None
        assert frame.payload == b"%d" % n
    hang_up(peer)


def test_flood_of_messages_is_delivered_whole(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    messages = [f"message {n}" for n in range(5000)]
    peer.socket.sendall(b"".join(peer.frame(TEXT, each.encode()) for each in messages))
    with gevent.Timeout(5):
        while len(server.calls) < 5001:
            gevent.sleep(0)
    assert [call[1] for call in server.calls[1:]] == messages


def test_callback_may_block_without_delaying_others() -> None:
    gate = Event()
    slow, slow_peer = driven(Witness)
    slow.deed = lambda *call: gate.wait() if call[0] == "message" else None
    quick, quick_peer = driven(EchoWebSocket)
    slow_peer.send(TEXT, b"blocks")
    slow_peer.send(TEXT, b"waits")
    for _ in range(10):
        quick_peer.send(TEXT, b"round trip")
        assert quick_peer.next() is not None
    assert slow.calls == [("opened",), ("message", "blocks")]
    gate.set()
    turn()
    assert slow.calls[2:] == [("message", "waits")]
    hang_up(slow_peer)
    hang_up(quick_peer)
    assert quick.close_code == 1006


def test_pings_are_answered_while_a_callback_blocks(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    gate = Event()
    server.deed = lambda *call: gate.wait() if call[0] == "message" else None
    peer.send(TEXT, b"blocks")
    turn()
    peer.send(PING, b"?")
    with gevent.Timeout(2):
        frame = peer.next()
    assert frame is not None
    assert (frame.opcode, frame.payload) == (PONG, b"?")
    gate.set()


def test_message_read_while_a_callback_blocked_is_delivered_after_it(
    witness: tuple[Witness, RawPeer],
) -> None:
    server, peer = witness
    gate = Event()
    server.deed = lambda *call: gate.wait() if call == ("message", "blocks") else None
    peer.send(TEXT, b"blocks")
    turn()
    peer.send(TEXT, b"next")
    gevent.sleep(0.6)  # the caretaker reads it ahead
    assert server.stats.queued == 1
    gate.set()
    turn()
    assert server.calls == [("opened",), ("message", "blocks"), ("message", "next")]


def test_callback_may_ping_and_receive(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    heard: list[object] = []

    def converse(*call: Any) -> None:
        if call == ("message", "ping me"):
            heard.append(server.ping(timeout=5) > 0)
            heard.append(server.receive(timeout=5))

    server.deed = converse
    peer.send(TEXT, b"ping me")
    ping = peer.next()
    assert ping is not None
    peer.send(TEXT, b"between")
    peer.send(PONG, ping.payload)
    turn()
    assert heard == [True, "between"]
    peer.send(TEXT, b"after")
    turn()
    assert server.calls[-1] == ("message", "after")


def test_ping_from_elsewhere_gets_its_pong_and_keeps_messages(
    witness: tuple[Witness, RawPeer],
) -> None:
    server, peer = witness
    turn()
    pinging = gevent.spawn(server.ping, 5)
    ping = peer.next()
    assert ping is not None
    peer.send(TEXT, b"before")
    turn()
    assert server.calls[1:] == [("message", "before")]
    peer.send(PONG, ping.payload)
    peer.send(TEXT, b"after")
    assert pinging.get(timeout=5) > 0
    turn()
    assert ("message", "after") in server.calls


def test_message_is_delivered_that_a_ping_from_elsewhere_has_read(
    witness: tuple[Witness, RawPeer],
) -> None:
    server, peer = witness
    gate = Event()
    server.deed = lambda *call: gate.wait() if call == ("message", "blocks") else None
    peer.send(TEXT, b"blocks")
    turn()
    pinging = gevent.spawn(server.ping, 5)  # it reads, since the worker does not
    ping = peer.next()
    assert ping is not None
    gate.set()
    turn()
    peer.send(TEXT, b"next")
    turn()
    assert server.calls[-1] == ("message", "next")
    assert not pinging.ready()
    peer.send(PONG, ping.payload)
    assert pinging.get(timeout=5) > 0


def test_ping_from_elsewhere_gets_its_pong_while_a_callback_blocks(
    witness: tuple[Witness, RawPeer],
) -> None:
    server, peer = witness
    gevent.sleep(0.3)  # the caretaker has looked and will not do so again
    pinging = gevent.spawn(server.ping, 5)
    ping = peer.next()
    assert ping is not None
    gate = Event()
    server.deed = lambda *call: gate.wait() if call == ("message", "blocks") else None
    peer.socket.sendall(peer.frame(TEXT, b"blocks") + peer.frame(PONG, ping.payload))
    assert pinging.get(timeout=2) > 0
    assert not gate.is_set()
    gate.set()


def test_driver_leaves_bytes_to_who_waits_for_them() -> None:
    theirs, ours = unix()
    server, peer = end_of(Witness, ours, Side.SERVER), RawPeer(theirs, Side.SERVER)
    pinging = gevent.spawn(server.ping)
    ping = peer.next()
    assert ping is not None
    peer.send(PONG, ping.payload)
    assert server.read_and_deliver()
    assert pinging.get(timeout=5) > 0
    server.drop()
    peer.socket.close()


def test_close_from_elsewhere_is_told(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    turn()
    closer = gevent.spawn(server.close, 4000)
    peer.answer_close()
    hang_up(peer)
    closer.get(timeout=5)
    assert server.calls == [("opened",), ("closed", 4000)]


def test_close_in_a_callback_is_told(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    server.deed = lambda *call: server.close(4000) if call[0] == "message" else None
    peer.send(TEXT, b"close")
    peer.answer_close()
    hang_up(peer)
    assert server.calls == [("opened",), ("message", "close"), ("closed", 4000)]


def test_drop_is_told(witness: tuple[Witness, RawPeer]) -> None:
    server, _ = witness
    turn()
    server.drop()
    turn()
    assert server.calls == [("opened",), ("closed", 1006)]
