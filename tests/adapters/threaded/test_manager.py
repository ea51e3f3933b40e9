"""The poller manager as applications see it: members, rooms, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event, get_ident
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from geventws.adapters.threaded import (
    EchoWebSocket,
    EPollPoller,
    KQueuePoller,
    PollPoller,
    SelectPoller,
    ThreadedWebSocket,
    WebSocketManager,
    connect,
    serve,
)
from geventws.core.errors import ConnectionClosed
from geventws.interfaces import IManager
from tests.adapters.threaded.kqueue import stand_in
from tests.adapters.threaded.managers import Noting, managed
from tests.threads import LOCAL, PATIENCE, contexts, joined_threads, no_more_threads, serving, uri


@pytest.fixture
def manager() -> Iterator[WebSocketManager]:
    with managed() as made:
        yield made


@pytest.fixture
def url() -> Iterator[str]:
    with serving() as server:
        yield uri(server)


def test_manager_is_what_its_interface_says(manager: WebSocketManager) -> None:
    assert verifyObject(IManager, manager)


@pytest.mark.parametrize("kind", [SelectPoller, PollPoller, EPollPoller, KQueuePoller])
def test_manager_runs_both_sides_with_every_poller(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind is KQueuePoller:
        stand_in(monkeypatch)
    with (
        managed(kind()) as ours,
        managed(kind()) as theirs,
        serving(EchoWebSocket, manager=theirs) as server,
    ):
        connections = [connect(uri(server), handler=Noting) for _ in range(10)]
        for ws in connections:
            ours.add(ws)
            ws.send("hello")
        for ws in connections:
            assert [ws.next(), ws.next()] == ["opened", "hello"]
        assert (len(ours), len(theirs)) == (10, 10)
        ours.close_all(1001, "enough")
        assert ours.join(PATIENCE)
        assert theirs.join(PATIENCE)
        assert {ws.next() for ws in connections} == {(1001, "")}


def test_manager_runs_callbacks_over_tls(manager: WebSocketManager) -> None:
    theirs, ours = contexts()
    with managed() as other, serving(EchoWebSocket, ssl=ours, manager=other) as server:
        ws = connect(uri(server, secure=True), ssl=theirs, handler=Noting)
        manager.add(ws)
        assert ws.next() == "opened"
        for message in ("hello", "x" * 500_000, b"y" * 70_000):  # records upon records
            ws.send(message)
            assert ws.next() == message
        ws.close()
        assert ws.next() == (1000, "")


# Members


def test_manager_knows_its_connections_in_the_order_they_came(
    manager: WebSocketManager, url: str
) -> None:
    first, second, third = (connect(url) for _ in range(3))
    for ws in (first, second, first):
        manager.add(ws)
    assert list(manager) == [first, second]
    assert len(manager) == 2
    assert first in manager
    assert third not in manager
    assert "something else" not in manager
    manager.remove(first)
    manager.remove(first)
    assert list(manager) == [second]
    first.close()
    third.close()


def test_manager_forgets_who_is_over(manager: WebSocketManager, url: str) -> None:
    ws = connect(url, handler=Noting)
    manager.join_room(ws, "tea")
    assert ws.next() == "opened"
    ws.close()
    assert manager.join(PATIENCE)
    assert ws not in manager
    assert manager.members("tea") == []
    assert manager.rooms(ws) == set()


def test_manager_forgets_who_leaves_a_room(manager: WebSocketManager, url: str) -> None:
    ann, bob = connect(url), connect(url)
    for ws in (ann, bob):
        manager.join_room(ws, "tea")
    manager.join_room(ann, "milk")
    assert manager.members("tea") == [ann, bob]
    assert manager.rooms(ann) == {"tea", "milk"}
    manager.leave_room(ann, "tea")
    assert manager.members("tea") == [bob]
    manager.remove(bob)
    assert manager.members("tea") == []
    bob.close()


def test_manager_lets_nobody_who_is_over_into_a_room(manager: WebSocketManager, url: str) -> None:
    ws = connect(url)
    ws.close()
    manager.join_room(ws, "tea")
    assert manager.members("tea") == []


def test_manager_may_be_used_by_callbacks(url: str) -> None:
    class Leaving(Noting):
        def received_message(self, message: str | bytes) -> None:
            mine.remove(self)
            super().received_message(message)

    with managed() as mine:
        ws = connect(url, handler=Leaving)
        mine.add(ws)
        ws.send("one")
        ws.send("two")
        assert [ws.next(), ws.next()] == ["opened", "one"]
        assert len(mine) == 0
        ws.close()


def test_manager_takes_back_who_was_removed_in_a_callback(url: str) -> None:
    class Restless(Noting):
        def received_message(self, message: str | bytes) -> None:
            mine.remove(self)
            mine.add(self)
            super().received_message(message)

    with managed() as mine:
        ws = connect(url, handler=Restless)
        mine.add(ws)
        assert ws.next() == "opened"
        for number in range(20):
            ws.send(str(number))
            assert ws.next() == str(number)
        assert list(mine) == [ws]


# Callbacks


def test_callbacks_that_block_hold_nobody_else_up(manager: WebSocketManager, url: str) -> None:
    go_on = Event()

    class Blocking(Noting):
        def opened(self) -> None:
            super().opened()
            assert go_on.wait(PATIENCE)

    blocking = [connect(url, handler=Blocking) for _ in range(20)]
    for ws in blocking:
        manager.add(ws)
        assert ws.next() == "opened"
    quick = connect(url, handler=Noting)
    manager.add(quick)
    quick.send("hello")
    assert [quick.next(), quick.next()] == ["opened", "hello"]
    go_on.set()


def test_callbacks_of_one_connection_run_one_at_a_time_and_in_order(url: str) -> None:
    class Counting(Noting):
        def received_message(self, message: str | bytes) -> None:
            running.append(message)
            assert len(running) == 1
            super().received_message(running.pop())

    running: list[str | bytes] = []
    with managed(workers=8) as manager:
        ws = connect(url, handler=Counting)
        manager.add(ws)
        with joined_threads() as threads:
            for part in range(4):
                threads.start(send_all, ws, [f"{part} {number}" for number in range(100)])
        assert ws.next() == "opened"
        heard = [ws.next() for _ in range(400)]
    for part in range(4):
        mine = [message for message in heard if message.startswith(f"{part} ")]
        assert mine == [f"{part} {number}" for number in range(100)]


def send_all(ws: ThreadedWebSocket, messages: list[str]) -> None:
    for message in messages:
        ws.send(message)


def test_callbacks_run_in_no_more_threads_than_there_may_be_workers(url: str) -> None:
    with managed(workers=2) as manager:
        connections = [connect(url, handler=Noting) for _ in range(10)]
        for ws in connections:
            manager.add(ws)
            ws.send("hello")
        threads = {ws.notes.get(timeout=PATIENCE)[1] for ws in connections for _ in range(2)}
    assert len(threads) <= 2
    assert get_ident() not in threads


def test_callback_that_fails_closes_with_1011_and_nobody_else(
    manager: WebSocketManager, url: str
) -> None:
    class Failing(Noting):
        def received_message(self, message: str | bytes) -> None:
            raise LookupError(message)

    failing, fine = connect(url, handler=Failing), connect(url, handler=Noting)
    for ws in (failing, fine):
        manager.add(ws)
        ws.send("hello")
    assert failing.next() == "opened"
    assert isinstance(failing.next(), LookupError)
    assert failing.next() == (1011, "the application failed")
    assert [fine.next(), fine.next()] == ["opened", "hello"]


def test_other_threads_may_ping_and_close_meanwhile(manager: WebSocketManager, url: str) -> None:
    ws = connect(url, handler=Noting)
    manager.add(ws)
    assert ws.ping(PATIENCE) > 0
    with joined_threads() as threads:
        for pinging in [threads.start(ws.ping, PATIENCE) for _ in range(10)]:
            assert pinging.result(PATIENCE) > 0
        ws.close()
    with pytest.raises(ConnectionClosed):
        ws.ping(PATIENCE)


def test_callbacks_hear_what_came_with_the_handshake(manager: WebSocketManager) -> None:
    with serving(lambda ws: ws.send("at once")) as server:
        ws = connect(uri(server), handler=Noting)
        manager.add(ws)
        assert [ws.next(), ws.next(), ws.next()] == ["opened", "at once", (1000, "")]


# The end


def test_manager_is_joined_when_all_is_over(url: str) -> None:
    with managed() as manager:
        ws = connect(url, handler=Noting)
        manager.add(ws)
        assert not manager.join(0.01)
        ws.begin_close()
        assert manager.join(PATIENCE)
        assert manager.is_alive()
    assert not manager.is_alive()


def test_manager_closes_all_and_stops_as_in_ws4pys_example(url: str) -> None:
    manager = WebSocketManager()
    manager.start()
    ws = connect(url, handler=Noting)
    manager.add(ws)
    assert ws.next() == "opened"
    manager.close_all()
    manager.stop()
    assert manager.join(PATIENCE)
    assert ws.next()[0] in (1001, 1006)  # stop() does not wait for the peer


def test_manager_runs_in_a_thread_of_the_application(url: str) -> None:
    manager = WebSocketManager()
    with joined_threads() as threads:
        threads.start(manager.run)
        ws = connect(url, handler=Noting)
        manager.add(ws)
        assert ws.next() == "opened"
        manager.stop()
        assert manager.join(PATIENCE)


def test_manager_refuses_to_start_while_it_runs_elsewhere() -> None:
    manager = WebSocketManager()
    with joined_threads() as threads:
        running = threads.start(manager.run)
        try:
            while not manager.is_alive():
                pass
            for begin in (manager.start, manager.run):
                with pytest.raises(RuntimeError, match="the manager was started before"):
                    begin()
        finally:
            manager.stop()
        assert manager.join(PATIENCE)
        running.result(PATIENCE)
    manager.run()  # it has stopped, so there is nothing to wait for


def test_manager_that_found_no_thread_may_be_started_later() -> None:
    manager = WebSocketManager()
    with no_more_threads(), pytest.raises(RuntimeError, match="thread"):
        manager.start()
    assert not manager.is_alive()
    manager.start()
    assert manager.is_alive()
    assert manager.drain(PATIENCE)


def test_manager_is_drained_of_all_its_connections(url: str) -> None:
    manager = WebSocketManager()
    manager.start()
    connections = [connect(url, handler=Noting) for _ in range(3)]
    for ws in connections:
        manager.add(ws)
        assert ws.next() == "opened"
    assert manager.drain(PATIENCE)
    assert not manager.is_alive()
    assert [ws.next() for ws in connections] == [(1001, "")] * 3


def test_manager_drops_whom_it_cannot_drain_in_time() -> None:
    go_on = Event()
    manager = WebSocketManager()
    with serving(lambda ws: go_on.wait(PATIENCE)) as server:  # nobody answers the close frame
        try:
            manager.start()
            ws = connect(uri(server), handler=Noting)
            manager.add(ws)
            assert ws.next() == "opened"
            assert not manager.drain(0.05)
            assert ws.next() == (1006, "the manager has stopped")
            assert manager.join(PATIENCE)
        finally:
            go_on.set()


def test_server_of_a_manager_keeps_no_thread_for_a_connection() -> None:
    handled: SimpleQueue[int] = SimpleQueue()

    class Server(EchoWebSocket):
        def received_message(self, message: str | bytes) -> None:
            handled.put(get_ident())
            super().received_message(message)

    with managed(workers=1) as manager, serving(Server, manager=manager) as server:
        clients = [connect(uri(server)) for _ in range(10)]
        for ws in clients:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
        assert len({handled.get(timeout=PATIENCE) for _ in clients}) == 1
        assert len(manager) == 10
        for ws in clients:
            ws.close()


# Arguments


def test_manager_refuses_wrong_arguments(manager: WebSocketManager) -> None:
    wrong: Any = "ws"
    for call in (manager.add, manager.remove, manager.rooms):
        with pytest.raises(TypeError, match="ws: a ThreadedWebSocket, not str"):
            call(wrong)
    with pytest.raises(TypeError, match="timeout: a number of seconds or None"):
        manager.join(wrong)
    for name in ("workers", "buffer_size"):
        for value, error in (("1", TypeError), (True, TypeError), (0, ValueError)):
            with pytest.raises(error, match=name):
                WebSocketManager(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="slow_peers: one of block, drop_oldest, latest, close"):
        WebSocketManager(slow_peers="wait")
    with pytest.raises(ValueError, match="1005"):
        manager.close_all(1005)


def test_server_refuses_a_manager_for_what_has_no_callbacks(manager: WebSocketManager) -> None:
    with pytest.raises(ValueError, match="manager: it runs callbacks, and the handler has none"):
        serve(print, LOCAL, manager=manager)
