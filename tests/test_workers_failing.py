from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.care import SLOT
from geventws.core.codes import CLOSE, PONG, TEXT
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.workers import KEPT, Workers, workers
from tests.core.helpers import closing
from tests.pairs import RawPeer
from tests.witness import Witness, driven, hang_up, turn

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def greenlets() -> int:
    """Return how many greenlets live."""
    # by type(), for isinstance() asks a weak proxy, which raises where its object is gone
    every = [each for each in gc.get_objects() if issubclass(type(each), gevent.Greenlet)]
    return sum(not each.dead for each in every)


@pytest.fixture
def witness() -> Iterator[tuple[Witness, RawPeer]]:
    """Return a driven Witness and its peer, which is hung up after the test."""
    connection, peer = driven(Witness)
    yield connection, peer
    connection.deed = None
    peer.socket.close()
    connection.drop()
    turn()


# Callbacks that fail


@pytest.mark.parametrize("callback", ["opened", "message", "pong"])
def test_callback_that_fails_ends_the_connection_with_1011(
    witness: tuple[Witness, RawPeer], callback: str
) -> None:
    server, peer = witness
    server.deed = lambda *call: 1 // (call[0] != callback)
    peer.send(TEXT, b"message")
    peer.send(PONG)
    frame = peer.next()
    assert frame is not None
    assert frame.payload[:2] == (1011).to_bytes(2, "big")
    turn()
    assert [call for call in server.calls if call[0] in ("error", "closed")] == [
        ("error", ZeroDivisionError),
        ("closed", 1011),
    ]


def test_callback_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(WebSocket):
        def received_message(self, message: str | bytes) -> None:
            raise ZeroDivisionError

    _, peer = driven(Failing)
    with caplog.at_level(logging.ERROR, "geventws"):
        peer.send(TEXT, b"fail")
        assert peer.next() is not None
    hang_up(peer)
    assert len(caplog.records) == 1
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("error", [gevent.Timeout(0.1), gevent.GreenletExit()], ids=str)
def test_callback_broken_off_by_gevent_ends_the_connection_and_is_told(
    witness: tuple[Witness, RawPeer], error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    server, peer = witness

    def broken_off(*call: Any) -> None:
        if call[0] == "message":
            raise error

    server.deed = broken_off
    peer.send(TEXT, b"message")
    frame = peer.next()
    assert frame is not None
    assert frame.payload[:2] == (1011).to_bytes(2, "big")
    turn()
    assert server.calls == [("opened",), ("message", "message"), ("closed", 1011)]


def test_killed_worker_ends_its_connection_and_no_other(
    witness: tuple[Witness, RawPeer],
) -> None:
    server, peer = witness
    forever = Event()
    server.deed = lambda *call: forever.wait() if call[0] == "message" else None
    peer.send(TEXT, b"blocks")
    _, other_peer = driven(EchoWebSocket)
    turn()
    worker = server.greenlets[-1]
    assert isinstance(worker, gevent.Greenlet)
    worker.kill()
    frame = peer.next()
    assert frame is not None
    assert frame.payload[:2] == (1011).to_bytes(2, "big")
    turn()
    assert server.calls[2:] == [("closed", 1011)]
    other_peer.send(TEXT, b"round trip")
    assert other_peer.next() is not None
    hang_up(other_peer)


def test_idle_worker_that_is_killed_is_not_used_again(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    turn()
    worker = server.greenlets[-1]
    assert isinstance(worker, gevent.Greenlet)
    assert not worker.dead
    worker.kill()
    peer.send(TEXT, b"message")
    turn()
    assert server.calls == [("opened",), ("message", "message")]
    assert server.greenlets[-1] is not worker


# Greenlets


def test_workers_are_those_of_the_hub() -> None:
    assert workers() is workers()
    assert isinstance(workers(), Workers)


def test_one_greenlet_serves_one_event_after_another(witness: tuple[Witness, RawPeer]) -> None:
    server, peer = witness
    for n in range(50):
        peer.send(TEXT, b"%d" % n)
        turn()
    assert len(set(server.greenlets)) == 1


def test_parked_connections_hold_no_greenlets() -> None:
    before = greenlets()
    ends = [driven(EchoWebSocket) for _ in range(200)]
    for _, peer in ends:
        peer.send(TEXT, b"round trip")
    for _, peer in ends:
        assert peer.next() is not None
    turn()
    assert greenlets() - before <= KEPT + 1  # the caretaker
    for _, peer in ends:
        peer.socket.close()
    turn()
    assert greenlets() - before <= 1


def test_burst_keeps_a_bounded_number_of_workers() -> None:
    gate = Event()
    ends = [driven(Witness) for _ in range(2 * KEPT)]
    before = greenlets()
    for server, peer in ends:
        server.deed = lambda *call: gate.wait() if call[0] == "message" else None
        peer.send(TEXT, b"blocks")
    turn()
    assert greenlets() - before >= KEPT
    gate.set()
    turn()
    assert greenlets() <= before + KEPT
    for _, peer in ends:
        peer.socket.close()
    turn()


def test_connection_is_soon_dropped_when_both_ends_close_together() -> None:
    server, peer = driven(Witness)
    gevent.sleep(2 * SLOT)  # after its first look the caretaker comes when it is told
    peer.send(CLOSE, closing(1001))
    server.begin_close(1001)  # before the hub has seen the peer's
    turn()
    assert server.calls[-1] == ("closed", 1001)
    peer.socket.close()  # after which nothing may be left, long before close_timeout is up
