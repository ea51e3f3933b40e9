"""Broadcasts of the poller manager: to fast and slow peers, in order, and before what follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from geventws.adapters.threaded import Result, ThreadedWebSocket, WebSocketManager, connect
from geventws.core.errors import ConnectionClosed
from tests.adapters.threaded.managers import Noting, managed
from tests.threads import PATIENCE, joined_threads, serving, uri

LARGE = "x" * 8_000_000  # more than the two sockets' buffers take
UNPACKED: Any = {"compression": None, "max_size": None}


class Member(ThreadedWebSocket):
    """A connection of the server's manager."""


@contextmanager
def group(count: int, **options: Any) -> Iterator[tuple[WebSocketManager, list[Any]]]:
    """Give a server's manager and the clients that are connected to it."""
    with managed(**options) as manager, serving(Member, manager=manager, **UNPACKED) as server:
        clients: list[Any] = []
        for number in range(count):
            clients.append(connect(uri(server), **UNPACKED))
            assert clients[-1].ping(PATIENCE) > 0
            assert len(manager) == number + 1
        try:
            yield manager, clients
        finally:
            for client in clients:
                client.drop()


def result(**groups: Any) -> Result[Any]:
    return Result(*(groups.get(name, []) for name in Result._fields[:4]))


@pytest.mark.parametrize("message", ["text", b"binary", bytearray(b"bytes"), memoryview(b"view")])
def test_broadcast_reaches_everyone(message: Any) -> None:
    with group(5) as (manager, clients):
        assert manager.broadcast(message) == result(sent=list(manager))
        plain = message if isinstance(message, str) else bytes(message)
        assert [client.receive(PATIENCE) for client in clients] == [plain] * 5


def test_broadcast_reaches_a_room_but_for_who_is_excluded() -> None:
    with group(4) as (manager, clients):
        first, second, third, fourth = manager
        for ws in (first, second, third):
            manager.join_room(ws, "tea")
        assert manager.broadcast("a", room="tea", exclude=second) == result(sent=[first, third])
        assert manager.broadcast("b", exclude=[first, third]) == result(sent=[second, fourth])
        assert manager.broadcast("c", room="none") == result()
        assert [client.receive(PATIENCE) for client in clients] == ["a", "b", "a", "b"]


def test_broadcast_of_clients_is_masked_for_each() -> None:
    with managed() as manager, serving() as server:
        connections = [connect(uri(server), handler=Noting) for _ in range(3)]
        for ws in connections:
            manager.add(ws)
        assert manager.broadcast("hello") == result(sent=connections)
        for ws in connections:
            assert [ws.next(), ws.next()] == ["opened", "hello"]


def test_broadcast_refuses_what_is_no_message() -> None:
    with managed() as manager:
        wrong: Any = 5
        with pytest.raises(TypeError, match="message"):
            manager.broadcast(wrong)
        with pytest.raises(UnicodeEncodeError):
            manager.broadcast("\ud800")
        with pytest.raises(TypeError, match="ws: a ThreadedWebSocket, not int"):
            manager.broadcast("x", exclude=[wrong])


def test_broadcast_passes_over_who_is_closing() -> None:
    with group(2) as (manager, clients):
        first, second = manager
        first.begin_close()
        assert manager.broadcast("x") == result(sent=[second], closed=[first])
        assert clients[1].receive(PATIENCE) == "x"


def test_slow_peer_delays_nobody_and_hears_all_in_the_end() -> None:
    with group(3, buffer_size=2 * len(LARGE)) as (manager, clients):
        first, second, third = manager
        assert manager.broadcast(LARGE).sent == [first, second, third]
        with joined_threads() as threads:
            receiving = [threads.start(client.receive, PATIENCE) for client in clients[1:]]
            assert all(received.result(PATIENCE) == LARGE for received in receiving)
        outcome = manager.broadcast("then")
        assert first in outcome.buffered
        assert [client.receive(PATIENCE) for client in clients[1:]] == ["then"] * 2
        assert [clients[0].receive(PATIENCE), clients[0].receive(PATIENCE)] == [LARGE, "then"]


def test_slow_peer_is_closed_with_1008() -> None:
    with group(1, buffer_size=10) as (manager, clients):
        (ws,) = manager
        assert manager.broadcast(LARGE) == result(sent=[ws])
        assert manager.broadcast("x" * 10) == result(buffered=[ws])
        assert manager.broadcast("y") == result(closed=[ws])
        assert heard_by(clients[0]) == [LARGE]
        assert clients[0].close_code == 1008


def heard_by(ws: Any) -> list[Any]:
    """Return what comes up to the end, whatever end that is."""
    heard = []
    with suppress(ConnectionClosed):
        while True:
            heard.append(ws.receive(PATIENCE))
    return heard


def test_slow_peer_misses_the_oldest() -> None:
    with group(1, slow_peers="drop_oldest", buffer_size=10) as (manager, clients):
        (ws,) = manager
        assert manager.broadcast(LARGE) == result(sent=[ws])
        assert manager.broadcast("old") == result(buffered=[ws])
        assert manager.broadcast("x" * 10) == result(dropped=[ws])
        assert [clients[0].receive(PATIENCE) for _ in range(2)] == [LARGE, "x" * 10]


def test_slow_peer_hears_the_latest_alone() -> None:
    with group(1, slow_peers="latest") as (manager, clients):
        (ws,) = manager
        assert manager.broadcast(LARGE) == result(sent=[ws])
        for number in range(5):
            manager.broadcast(str(number))
        assert [clients[0].receive(PATIENCE) for _ in range(2)] == [LARGE, "4"]


def test_slow_peer_is_waited_for_where_the_policy_says_so() -> None:
    with group(2, slow_peers="block", buffer_size=10) as (manager, clients):
        first, second = manager
        assert manager.broadcast(LARGE) == result(sent=[first, second])
        with joined_threads() as threads:
            broadcasting = threads.start(manager.broadcast, "y" * 11)
            receiving = [threads.start(receive_two, client) for client in clients[1:]]
            assert receiving[0].result(PATIENCE) == [LARGE, "y" * 11]
            assert not broadcasting.done()
            assert receive_two(clients[0]) == [LARGE, "y" * 11]
            outcome = broadcasting.result(PATIENCE)
        assert first in outcome.buffered


def receive_two(ws: Any) -> list[Any]:
    return [ws.receive(PATIENCE), ws.receive(PATIENCE)]


def test_slow_peer_that_goes_is_waited_for_no_more() -> None:
    with group(1, slow_peers="block", buffer_size=10) as (manager, clients):
        (ws,) = manager
        assert manager.broadcast(LARGE) == result(sent=[ws])
        with joined_threads() as threads:
            broadcasting = threads.start(manager.broadcast, "y" * 11)
            await_waiting(ws, 1)
            clients[0].drop()
            outcome = broadcasting.result(PATIENCE)
        assert outcome.buffered + outcome.closed == [ws]  # the loss may not be noticed yet
        assert manager.join(PATIENCE)


def await_waiting(ws: Any, count: int) -> None:
    """Return when so many broadcasts wait."""
    with ws._transport.monitor:
        while len(ws._backlog or ()) < count:
            ws._transport.breathe()


def test_slow_peer_that_takes_nothing_at_all_is_dropped() -> None:
    with (
        managed() as manager,
        serving(Member, manager=manager, send_timeout=0.2, **UNPACKED) as server,
        connect(uri(server), **UNPACKED) as client,
    ):
        assert client.ping(PATIENCE) > 0
        manager.broadcast(LARGE)
        manager.broadcast("never")
        assert manager.join(PATIENCE)
        client.drop()


def test_broadcasts_of_several_threads_reach_everyone_in_one_order() -> None:
    with group(4, buffer_size=10_000_000, slow_peers="block") as (manager, clients):
        with joined_threads() as threads:
            for part in "abcd":
                threads.start(broadcast_all, manager, [f"{part}{n}" for n in range(50)])
            heard = [[client.receive(PATIENCE) for _ in range(200)] for client in clients]
        assert heard[1:] == heard[:-1]
        for part in "abcd":
            mine = [message for message in heard[0] if message[0] == part]
            assert mine == [f"{part}{n}" for n in range(50)]


def broadcast_all(manager: WebSocketManager, messages: list[str]) -> None:
    for message in messages:
        manager.broadcast(message)


def test_close_frame_follows_what_was_broadcast_before() -> None:
    with group(2) as (manager, clients):
        manager.broadcast("last")
        manager.close_all(1012, "back soon")
        for client in clients:
            assert client.receive(PATIENCE) == "last"
            assert heard_by(client) == []
            assert (client.close_code, client.close_reason) == (1012, "back soon")
            client.close()
        assert manager.join(PATIENCE)
