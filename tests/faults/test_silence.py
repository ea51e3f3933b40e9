"""Peers that do not read, do not answer and do not leave, by the hundred, and those that flood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import gevent
import pytest
from gevent import socket

from geventws.core.errors import ConnectionClosed
from geventws.server import WebSocketServer, serve
from geventws.websocket import EchoWebSocket, WebSocket
from tests.crowds import Elsewhere, crowd, each, until
from tests.rawpeer import BINARY, PING, PONG, TEXT, RawPeer, frame
from tests.serving import LOCAL, echo, running

MANY = 200
SOON = 0.3  # seconds, as a deadline
ASKED = frame(BINARY, bytes(100 * 1024))

each_style = pytest.mark.parametrize("handler", [echo, EchoWebSocket])


def bye(ws: WebSocket) -> None:
    """Close at once."""


class Bye(WebSocket):
    """Closes at once."""

    def opened(self) -> None:
        """Close."""
        self.close()


@contextmanager
def connected(
    handler: Any, count: int = MANY, **options: Any
) -> Iterator[tuple[WebSocketServer, list[RawPeer]]]:
    """Give a server of *handler*, and *count* peers that have opened a WebSocket to it."""
    with ExitStack() as stack:
        server = stack.enter_context(running(serve(handler, LOCAL, **options)))
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # of those that will be accepted
            server.socket.setsockopt(socket.SOL_SOCKET, buffer, 16384)
        peers = stack.enter_context(crowd(server.address, count))
        each(peers, lambda peer: peer.upgrade())
        yield server, peers


def ask_on(peer: RawPeer) -> None:
    """Ask for answers that nobody reads, as long as somebody takes that."""
    with suppress(OSError):
        while True:
            peer.send(ASKED)


def served(peer: RawPeer) -> None:
    """Assert that *peer* is served."""
    peer.send(frame(TEXT, b"hi"))
    assert peer.read_frame() == (TEXT, b"hi")


@pytest.mark.parametrize("handler", [bye, Bye])
def test_peers_that_do_not_answer_a_close_are_dropped_in_time(handler: Any) -> None:
    with connected(handler, close_timeout=SOON) as (server, peers):
        assert Counter(peer.read_close()[0] for peer in peers) == {1000: MANY}
        until(lambda: not server.connections)
        assert each(peers, lambda peer: peer.read_to_end()) == [b""] * MANY


@each_style
def test_peers_that_answer_no_ping_are_closed_with_1011(handler: Any) -> None:
    with connected(handler, ping_interval=SOON, ping_timeout=SOON) as (server, peers):

        def wait(peer: RawPeer) -> tuple[int, str]:
            assert peer.read_frame()[0] == PING
            return peer.read_close()

        assert Counter(each(peers, wait)) == {(1011, "no pong in time"): MANY}
        until(lambda: not server.connections)


@each_style
def test_peers_that_say_no_more_get_what_is_on_its_way_and_are_gone(handler: Any) -> None:
    with connected(handler) as (server, peers):
        for peer in peers:
            peer.send(frame(TEXT, b"hi"))
            peer.socket.shutdown(socket.SHUT_WR)
        assert each(peers, lambda peer: peer.read_frame()) == [(TEXT, b"hi")] * MANY
        each(peers, lambda peer: peer.read_to_end())
        until(lambda: not server.connections)


def test_peers_that_leave_without_a_word_are_1006() -> None:
    codes: Counter[int] = Counter()

    def receive(ws: WebSocket) -> None:
        try:
            ws.receive()
        except ConnectionClosed as closed:
            codes[closed.code] += 1

    with connected(receive) as (server, peers):
        for peer in peers:
            peer.close()
        until(lambda: not server.connections)
        assert codes == {1006: MANY}


@each_style
def test_peers_that_never_read_are_dropped_in_time_and_delay_nobody(handler: Any) -> None:
    with connected(handler, 101, send_timeout=SOON) as (server, peers):
        quiet, *greedy = peers
        for peer in greedy:
            peer.socket.settimeout(30)
        asking = [gevent.spawn(ask_on, peer) for peer in greedy]
        try:
            served(quiet)
            gevent.joinall(asking, timeout=30, raise_error=True)
        finally:
            gevent.killall(asking)
        until(lambda: server.connections == 1)
        served(quiet)
        quiet.end()


def test_peers_that_never_read_cost_little_memory() -> None:
    def ask(peer: RawPeer) -> None:
        peer.upgrade()
        peer.socket.settimeout(SOON)
        ask_on(peer)

    with (
        Elsewhere() as server,
        server.growing_less_than(80),
        crowd(server.address, 60) as peers,
    ):
        each(peers, ask)


def test_pings_of_peers_that_read_no_pong_cost_no_memory() -> None:
    pings = frame(PING, bytes(125)) * 100

    def flood(peer: RawPeer) -> None:
        peer.upgrade()
        peer.socket.settimeout(SOON)
        with suppress(OSError):
            for _ in range(100):
                peer.send(pings)

    with (
        Elsewhere() as server,
        server.growing_less_than(24),
        crowd(server.address, 50) as peers,
    ):
        each(peers, flood)


@each_style
def test_flooders_starve_nobody(handler: Any) -> None:
    floods = {TEXT: frame(TEXT, b"x") * 100, PING: frame(PING, b"x") * 100}

    def flood(peer: RawPeer, data: bytes) -> None:
        def pour() -> None:
            while True:
                peer.send(data)

        pouring = gevent.spawn(pour)
        try:
            while peer.socket.recv(65536):
                pass
        finally:
            pouring.kill()

    with connected(handler, 13) as (_, peers):
        quiet, *loud = peers
        flooding = [
            gevent.spawn(flood, peer, floods[[TEXT, PING][number % 2]])
            for number, peer in enumerate(loud)
        ]
        try:
            for _ in range(20):
                served(quiet)
            assert not any(greenlet.ready() for greenlet in flooding)
            quiet.send(frame(PING, b"there?"))
            assert quiet.read_frame() == (PONG, b"there?")
        finally:
            gevent.killall(flooding)
        quiet.end()
