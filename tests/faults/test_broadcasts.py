"""Broadcasts to a crowd of which some do not read: every policy, and what the others notice."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gevent
import pytest
from gevent import socket

from geventws.backlog import BLOCK, DROP_OLDEST, LATEST, POLICIES
from geventws.backlog import CLOSE as CLOSE_POLICY
from geventws.manager import Manager
from geventws.pressure import held_by
from geventws.server import serve
from geventws.websocket import WebSocket
from tests.crowds import crowd, each, until
from tests.rawpeer import BINARY, CLOSE, RawPeer
from tests.serving import LOCAL, running

READERS = 60
SLOW = 10
COUNT = 60  # broadcasts
SIZE = 16 * 1024  # of each
KEPT = 8 * SIZE  # for one slow peer
SOON = 0.5  # seconds, as a deadline
PATIENCE = 30.0  # seconds; nobody is dropped for being slow before that


class Scene(NamedTuple):
    """A manager, its connections, and their peers: those who read and those who do not."""

    manager: Manager
    slow: list[WebSocket]
    readers: list[RawPeer]
    silent: list[RawPeer]


@contextmanager
def scene(policy: str, timeout: float = PATIENCE) -> Iterator[Scene]:
    """Give a crowd that is broadcast to under *policy*, with *timeout* to send and to close."""
    manager = Manager(slow_peers=policy, buffer_size=KEPT)

    def listen(ws: WebSocket) -> None:
        manager.add(ws)
        for _ in ws:
            pass

    server = serve(listen, LOCAL, send_timeout=timeout, close_timeout=timeout)
    with running(server), crowd(server.address, READERS) as readers:
        each(readers, lambda peer: peer.upgrade())
        until(lambda: len(manager) == READERS)
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        with crowd(server.address, SLOW) as silent:
            each(silent, lambda peer: peer.upgrade())
            until(lambda: len(manager) == READERS + SLOW)
            yield Scene(manager, list(manager)[READERS:], readers, silent)


def number_of(payload: bytes) -> int:
    """Return which broadcast *payload* is."""
    assert len(payload) == SIZE
    return int(struct.unpack_from("!I", payload)[0])


def read_all(peer: RawPeer) -> list[int]:
    """Return the numbers of the broadcasts that *peer* gets, up to the last one."""
    numbers: list[int] = []
    while not numbers or numbers[-1] != COUNT - 1:
        opcode, payload = peer.read_frame()
        assert opcode == BINARY
        numbers.append(number_of(payload))
    return numbers


def broadcast_all(scene: Scene) -> None:
    """Broadcast everything, while those read who do, and look at what they get."""
    reading = [gevent.spawn(read_all, peer) for peer in scene.readers]
    try:
        for number in range(COUNT):
            scene.manager.broadcast(struct.pack("!I", number) + bytes(SIZE - 4))
            gevent.sleep(0)
            # what the transport has begun, and what waits behind it
            assert all(held_by(ws) <= KEPT + 2 * SIZE for ws in scene.slow)
        gevent.joinall(reading, timeout=30)
        everything = list(range(COUNT))
        assert [each.get(block=False) for each in reading] == [everything] * READERS
    finally:
        gevent.killall(reading)


@pytest.mark.parametrize("policy", POLICIES)
def test_readers_get_everything_in_order_whoever_does_not_read(policy: str) -> None:
    ends = policy in (BLOCK, CLOSE_POLICY)  # the first does with send_timeout
    with scene(policy, SOON if ends else PATIENCE) as found:
        broadcast_all(found)
        if ends:
            until(lambda: len(found.manager) == READERS)
        else:
            assert len(found.manager) == READERS + SLOW


@pytest.mark.parametrize("policy", [DROP_OLDEST, LATEST])
def test_slow_peers_that_read_on_get_the_newest_in_order(policy: str) -> None:
    with scene(policy) as found:
        broadcast_all(found)
        for numbers in each(found.silent, read_all):
            assert numbers == sorted(set(numbers))
            assert len(numbers) < COUNT
            if policy == DROP_OLDEST:
                assert numbers[-8:] == list(range(COUNT - 8, COUNT))


def test_slow_peers_that_read_on_hear_1008_where_they_are_closed() -> None:
    with scene(CLOSE_POLICY) as found:
        broadcast_all(found)
        for peer in found.silent:
            while (frame := peer.read_frame())[0] != CLOSE:
                number_of(frame[1])
            assert frame[1] == struct.pack("!H", 1008) + b"too slow for what is broadcast"
