"""How TCP ends where a thread is told of the end and never calls close()."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from time import monotonic
from typing import Any, Final

import pytest

from geventws.adapters.threaded import ThreadedWebSocket, connect
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Accepted
from geventws.options import Options
from geventws.sockets import SocketTransport
from geventws.websocket import establish
from tests.adapters.threaded.managers import Noting, managed
from tests.rawpeer import CLOSE, PING, TEXT, RawPeer, frame
from tests.threads import PATIENCE, close, joined_threads, serving, uri

LONG: Final = 60.0  # seconds of close_timeout
SOON: Final = 20.0  # seconds; far less than that
DONE: Final = b"\x03\xe8"  # 1000

each_wait = pytest.mark.parametrize(
    "wait",
    [
        lambda ws: ws.receive(),
        lambda ws: ws.receive(LONG * 2),
        lambda ws: ws.receive(SOON),
        lambda ws: next(ws.receive_pieces()),
        lambda ws: ws.ping(),
        lambda ws: ws.ping(SOON),
    ],
    ids=["receive", "long", "short", "pieces", "ping", "short ping"],
)


@contextmanager
def ended_by_server() -> Iterator[tuple[ThreadedWebSocket, SimpleQueue[float]]]:
    """Give a client whose server closes at once, and the seconds that took the server."""
    seconds: SimpleQueue[float] = SimpleQueue()

    def end(ws: ThreadedWebSocket) -> None:
        start = monotonic()
        ws.close()
        seconds.put(monotonic() - start)

    with serving(end, close_timeout=LONG) as server:
        yield connect(uri(server), close_timeout=LONG), seconds


@contextmanager
def met_raw(
    make: Any = ThreadedWebSocket, side: Side = Side.CLIENT
) -> Iterator[tuple[Any, RawPeer]]:
    """Give a connection, and a bare peer that ends nothing by itself."""
    near, far = socket.socketpair()
    options = Options(close_timeout=LONG, ping_interval=None)
    ws = establish(make, SocketTransport(near), options, side, Accepted(None, None, b""))
    with RawPeer(far) as peer:
        yield ws, peer
    close(ws._transport)


def read_masked(peer: RawPeer) -> tuple[int, bytes]:
    """Return the opcode of the next frame, which is a client's and short, and its payload."""
    first, second = peer.read(2)
    mask = peer.read(4)
    payload = peer.read(second & 0x7F)
    return first & 0x0F, bytes(each ^ mask[at % 4] for at, each in enumerate(payload))


def is_given_back(ws: ThreadedWebSocket) -> bool:
    """Return whether the descriptor is closed."""
    return bool(ws._transport._socket.fileno() < 0)


def test_client_that_only_iterates_lets_its_server_end() -> None:
    with ended_by_server() as (ws, seconds):
        assert list(ws) == []
        assert is_given_back(ws)
        assert seconds.get(timeout=SOON) < SOON


@each_wait
def test_client_that_is_told_of_the_end_has_ended(wait: Callable[[Any], object]) -> None:
    with ended_by_server() as (ws, seconds):
        with pytest.raises(ConnectionClosed) as raised:
            wait(ws)
        assert raised.value.code == 1000
        assert is_given_back(ws)
        assert seconds.get(timeout=SOON) < SOON
        with pytest.raises(ConnectionClosed):
            wait(ws)
        ws.close()


def test_client_waits_for_the_servers_end_no_longer_than_its_timeout() -> None:
    with met_raw() as (ws, peer):
        peer.send(frame(CLOSE, DONE, masked=False))
        start = monotonic()
        with pytest.raises(ConnectionClosed):
            ws.receive(0.05)
        assert monotonic() - start < SOON
        assert is_given_back(ws)
        assert read_masked(peer) == (CLOSE, DONE)
        assert peer.read_to_end() == b""


def test_failed_client_is_not_dropped_before_its_peer_has_read_why() -> None:
    with met_raw() as (ws, peer):
        peer.send(frame(3, masked=False))
        with pytest.raises(ConnectionClosed):
            ws.receive(0.05)
        assert not is_given_back(ws)
        opcode, payload = read_masked(peer)
        assert (opcode, payload[:2]) == (CLOSE, b"\x03\xea")
        assert peer.read_to_end() == b""
        peer.close()
        with pytest.raises(ConnectionClosed):
            ws.receive(PATIENCE)
        assert is_given_back(ws)


def test_server_that_is_told_of_the_end_does_not_wait_for_its_client() -> None:
    with met_raw(side=Side.SERVER) as (ws, peer):
        peer.send(frame(CLOSE, DONE))
        start = monotonic()
        with pytest.raises(ConnectionClosed):
            ws.receive()
        assert monotonic() - start < SOON
        assert not is_given_back(ws)


class Pinging(Noting):
    """Pings in a callback, and notes what that raises."""

    def received_message(self, message: str | bytes) -> None:
        try:
            self.ping()
        except ConnectionClosed as closed:
            self.note(closed.code)


def test_callback_that_is_told_of_the_end_does_not_wait_for_the_server() -> None:
    with joined_threads() as threads, met_raw(Pinging) as (ws, peer):
        running = threads.start(ws.run)
        peer.send(frame(TEXT, b"x", masked=False), frame(CLOSE, DONE, masked=False))
        assert [ws.next() for _ in "123"] == ["opened", 1000, (1000, "")]
        assert not is_given_back(ws)
        peer.close()
        running.result(PATIENCE)
        assert is_given_back(ws)


def test_thread_that_is_told_of_the_end_leaves_it_to_a_manager() -> None:
    with managed() as manager, met_raw(Noting) as (ws, peer), joined_threads() as threads:
        manager.add(ws)
        assert ws.next() == "opened"
        pinging = threads.start(ws.ping)
        assert read_masked(peer)[0] == PING
        peer.send(frame(CLOSE, DONE, masked=False))
        with pytest.raises(ConnectionClosed):
            pinging.result(SOON)
        assert ws.next() == (1000, "")
