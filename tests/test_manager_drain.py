"""What a drain lets come to its end before it closes a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.core.codes import CONTINUATION
from geventws.core.errors import ConnectionClosed
from geventws.manager import Manager
from geventws.server import serve
from geventws.websocket import WebSocket
from tests.peers import Net
from tests.rawpeer import BINARY, CLOSE, TEXT, RawPeer, close_frame, frame
from tests.serving import LOCAL, draining, running, wait_for


@pytest.fixture
def net() -> Iterator[Net]:
    with Net() as made:
        yield made


@contextmanager
def served(handler: Any) -> Iterator[tuple[Manager, RawPeer]]:
    """Have *handler* serve one connection; give its manager and its peer."""
    with running(serve(handler, LOCAL)) as server, RawPeer.to(server.address) as peer:
        peer.upgrade()
        yield server.manager, peer


def finish(peer: RawPeer) -> None:
    """Close as the server asks for."""
    assert peer.read_close()[0] == 1001
    peer.send(close_frame(1001))
    assert peer.read_to_end() == b""
    peer.close()


class Slow:
    """Handlers that answer when they are told to."""

    def __init__(self) -> None:
        self.busy, self.go_on = Event(), Event()

    def answer(self, ws: WebSocket, message: str | bytes) -> None:
        self.busy.set()
        self.go_on.wait()
        ws.send(message)

    def handler(self, ws: WebSocket) -> None:
        for message in ws:
            self.answer(ws, message)

    def by_pieces(self, ws: WebSocket) -> None:
        while True:
            self.answer(ws, "".join(str(piece) for piece in ws.receive_pieces()))

    def callbacks(self) -> type[WebSocket]:
        slow = self

        class Answering(WebSocket):
            def received_message(self, message: str | bytes) -> None:
                slow.answer(self, message)

        return Answering


@pytest.mark.parametrize("style", ["handler", "by_pieces", "callbacks"])
def test_drain_lets_a_message_be_answered_that_is_being_handled(style: str) -> None:
    slow = Slow()
    handler = slow.callbacks() if style == "callbacks" else getattr(slow, style)
    with served(handler) as (manager, peer):
        peer.send(frame(TEXT, b"question"))
        wait_for(slow.busy)
        with draining(manager):
            gevent.sleep(0.1)  # for longer than it takes to look again
            slow.go_on.set()
            assert peer.read_frame() == (TEXT, b"question")
            finish(peer)


@pytest.mark.parametrize("style", ["handler", "callbacks"])
def test_drain_closes_before_a_peer_that_always_asks_again_is_heard_again(style: str) -> None:
    slow = Slow()
    with served(slow.callbacks() if style == "callbacks" else slow.handler) as (manager, peer):
        peer.send(frame(TEXT, b"question"))
        wait_for(slow.busy)
        with draining(manager):
            gevent.sleep(0.1)  # for longer than it takes to look again
            slow.go_on.set()
            assert peer.read_frame() == (TEXT, b"question")
            peer.send(frame(TEXT, b"another"))
            finish(peer)


def test_drain_lets_what_is_read_ahead_be_answered() -> None:
    slow = Slow()
    with served(slow.handler) as (manager, peer):
        peer.send(b"".join(frame(TEXT, b"%d" % number) for number in range(10)))
        wait_for(slow.busy)
        with draining(manager):
            gevent.sleep(0.1)
            slow.go_on.set()
            assert [peer.read_frame() for _ in range(10)] == [(TEXT, b"%d" % n) for n in range(10)]
            finish(peer)


@pytest.mark.parametrize("waits", [True, False], ids=["waiting", "busy"])
def test_drain_lets_a_message_end_that_is_received_by_pieces(waits: bool) -> None:
    begun, go_on = Event(), Event()

    def handler(ws: WebSocket) -> None:
        pieces = []
        for piece in ws.receive_pieces():
            pieces.append(str(piece))
            begun.set()
            if not waits:
                go_on.wait()
        ws.send("".join(pieces))
        ws.receive()

    with served(handler) as (manager, peer):
        peer.send(frame(TEXT, b"one ", fin=False))
        wait_for(begun)
        with draining(manager):
            gevent.sleep(0.1)
            go_on.set()
            gevent.sleep(0.1)
            peer.send(frame(CONTINUATION, b"two"))
            assert peer.read_frame() == (TEXT, b"one two")
            finish(peer)


def test_drain_lets_a_message_be_finished_that_is_sent_in_fragments(net: Net) -> None:
    begun, go_on = Event(), Event()

    def fragments() -> Iterator[str]:
        yield "one "
        begun.set()
        go_on.wait()
        yield "two"

    ws, peer = net.meet()
    manager = Manager()
    manager.add(ws)
    sending = gevent.spawn(ws.send, fragments())
    wait_for(begun)
    with draining(manager):
        gevent.sleep(0.1)
        go_on.set()
        assert peer.receive_all() == ["one two"]
        assert peer.protocol.close_code == 1001
        peer.socket.close()
    sending.get()


@pytest.mark.parametrize("taken", [False, True], ids=["never", "once"])
def test_drain_closes_who_receives_nothing(taken: bool) -> None:
    received = Event()

    def feed(ws: WebSocket) -> None:
        if taken:
            ws.receive()
        received.set()
        with suppress(ConnectionClosed):
            while True:
                ws.send("news")
                gevent.sleep(0.01)

    with served(feed) as (manager, peer):
        if taken:
            peer.send(frame(TEXT, b"subscribe"))
        wait_for(received)
        with draining(manager, 1 if taken else 1000):
            while peer.read_frame()[0] != CLOSE:
                pass
            peer.close()


def test_drain_closes_who_is_still_busy_after_half_its_time() -> None:
    slow = Slow()
    with served(slow.handler) as (manager, peer):
        peer.send(frame(TEXT, b"question"))
        wait_for(slow.busy)
        with draining(manager, 0.5):
            assert peer.read_close()[0] == 1001
            slow.go_on.set()
            peer.close()


def test_drain_leaves_nothing_of_a_flood_unanswered_that_the_handler_does_not_know_of() -> None:
    received: list[str | bytes] = []
    unanswered: list[str | bytes] = []
    batch = b"".join(frame(BINARY, b"x" * 100) for _ in range(100))

    def echo(ws: WebSocket) -> None:
        for message in ws:
            received.append(message)
            try:
                ws.send(message)
            except ConnectionClosed:
                unanswered.append(message)

    def flood(peer: RawPeer) -> None:
        with suppress(OSError):  # for the other greenlet closes it
            while True:
                peer.send(batch)

    with served(echo) as (manager, peer):
        flooding = gevent.spawn(flood, peer)
        answers = 0
        with draining(manager, 2):
            while peer.read_frame()[0] == BINARY:
                answers += 1
            peer.socket.close()
        flooding.get(timeout=20)
    assert answers == len(received) - len(unanswered) > 0


def test_drain_lets_a_broadcast_reach_everybody_that_has_begun(net: Net) -> None:
    manager = Manager()
    met = [net.meet() for _ in range(60)]
    for each in met:
        manager.add(each.ws)
    broadcast = gevent.spawn(manager.broadcast, "x" * 1_000_000)
    with draining(manager, jitter=0):
        result = broadcast.get()
        assert len(result.sent) == 60
        for each in met:
            assert len(each.peer.receive_all()) == 1
            assert each.peer.protocol.close_code == 1001
            each.peer.socket.close()


def test_drain_tells_its_code_and_reason(net: Net) -> None:
    ws, peer = net.meet()
    manager = Manager()
    manager.add(ws)
    with draining(manager, code=1012, reason="new version"):
        peer.receive_all()
        assert (peer.protocol.close_code, peer.protocol.close_reason) == (1012, "new version")
        peer.socket.close()


@pytest.mark.parametrize("how", [{"code": 1006}, {"reason": "x" * 124}], ids=["code", "reason"])
def test_drain_refuses_what_may_not_be_sent(net: Net, how: dict[str, Any]) -> None:
    ws, peer = net.meet()
    manager = Manager()
    manager.add(ws)
    with pytest.raises(ValueError, match=r"code|reason"):
        manager.drain(**how)
    manager.broadcast("still open")
    assert peer.receive(1) == ["still open"]


def test_who_comes_while_several_drain_is_closed_as_the_latest_says(net: Net) -> None:
    manager = Manager()
    met = [net.meet() for _ in range(3)]
    with manager.closing(1012, "restart"):
        with manager.closing(1001):
            manager.add(met[0].ws)
        manager.add(met[1].ws)
    manager.add(met[2].ws)
    for each in met[:2]:
        each.peer.receive_all()
    assert [each.peer.protocol.close_code for each in met[:2]] == [1001, 1012]
    manager.broadcast("open")
    assert met[2].peer.receive(1) == ["open"]
