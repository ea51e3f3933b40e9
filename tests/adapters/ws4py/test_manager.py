from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, ClassVar

import pytest

from geventws.adapters.ws4py import manager as module
from geventws.adapters.ws4py.client import WebSocketBaseClient
from geventws.adapters.ws4py.manager import EPollPoller, SelectPoller, WebSocketManager
from geventws.adapters.ws4py.messaging import BinaryMessage
from tests.adapters.ws4py.scene import Echo, Recorder, Records, ended
from tests.rawpeer import BINARY, PING, PONG, TEXT, RawPeer, close_frame, frame
from tests.threads import PATIENCE, joined_threads, serving, uri


@contextmanager
def managing(*args: Any) -> Iterator[WebSocketManager]:
    """Give a manager at work."""
    manager = WebSocketManager(*args)
    manager.start()
    try:
        yield manager
    finally:
        manager.stop()
        manager.join(PATIENCE)
        assert not manager.is_alive()


@contextmanager
def added(manager: WebSocketManager, kind: Any = Recorder) -> Iterator[tuple[Any, RawPeer]]:
    """Give a websocket in *manager*, and its peer."""
    near, far = socket.socketpair()
    ws = kind(near)
    with RawPeer(far) as peer:
        manager.add(ws)
        yield ws, peer


def gone(manager: WebSocketManager) -> None:
    """Wait until *manager* has nobody."""
    assert manager._inner.join(PATIENCE)
    assert len(manager) == 0


pollers = pytest.mark.parametrize("make", [None, SelectPoller, EPollPoller])


@pollers
def test_manager_runs_websockets_until_they_are_over(make: Any) -> None:
    with managing(*([] if make is None else [make()])) as manager:
        with added(manager, Echo) as (ws, peer), added(manager, Echo) as (other, _):
            assert (len(manager), set(manager), ws in manager) == (2, {ws, other}, True)
            assert manager.websockets == {each.sock.fileno(): each for each in (ws, other)}
            peer.send(frame(TEXT, b"one"), frame(TEXT, b"two"), frame(PING, b"x"))
            answers = [peer.read_frame() for _ in "123"]
            assert sorted(answers) == [(TEXT, b"one"), (TEXT, b"two"), (PONG, b"x")]
            peer.end()
            assert ended(ws) == (1000, "")
        assert ended(other) == (1006, "Going away")
        gone(manager)
        assert ws.terminated
        assert ws not in manager
        manager.remove(ws)


def test_opened_is_called_by_add_in_its_own_thread() -> None:
    with managing() as manager, added(manager) as (ws, _):
        assert ws.calls == ["opened"]
        manager.add(ws)
        assert ws.calls == ["opened"]


def test_opened_may_end_the_connection() -> None:
    class Closing(Recorder):
        def opened(self) -> None:
            super().opened()
            self.close_connection()

    class Failing(Recorder):
        def opened(self) -> None:
            raise LookupError("so it goes")

    with managing() as manager:
        with added(manager, Closing) as (ws, _):
            assert ws.calls == ["opened", (1006, "Going away")]
            assert ws not in manager
        near, far = socket.socketpair()
        with RawPeer(far) as peer:
            with pytest.raises(LookupError):
                manager.add(Failing(near))
            assert peer.read_close()[0] == 1011
        assert len(manager) == 0


def test_callback_that_fails_ends_its_own_websocket_alone(caplog: Any) -> None:
    class Failing(Recorder):
        def received_message(self, message: Any) -> None:
            raise LookupError("so it goes")

    with (
        managing() as manager,
        added(manager, Failing) as (ws, peer),
        added(manager, Echo) as (_, other),
    ):
        peer.send(frame(TEXT, b"x"))
        assert peer.read_close()[0] == 1011
        assert ended(ws) == (1006, "Going away")
        other.send(frame(TEXT, b"y"))
        assert other.read_frame() == (TEXT, b"y")
    assert "a callback failed" in caplog.text


def test_callback_that_blocks_holds_up_nobody() -> None:
    going_on = Event()

    class Slow(Recorder):
        def received_message(self, message: Any) -> None:
            assert going_on.wait(PATIENCE)

    with (
        managing() as manager,
        added(manager, Slow) as (_, peer),
        added(manager, Echo) as (_, other),
    ):
        peer.send(frame(TEXT, b"x"))
        other.send(frame(TEXT, b"y"))
        assert other.read_frame() == (TEXT, b"y")
        going_on.set()


def test_heartbeat_is_pings_and_not_pongs() -> None:
    class Frequent(Recorder):
        def __init__(self, sock: Any) -> None:
            super().__init__(sock, heartbeat_freq=0.02)

    class Beating(Frequent):
        heartbeat: ClassVar[str] = "pong"

    with managing() as manager, added(manager, Beating) as (ws, quiet):
        with added(manager, Frequent) as (_, peer):
            for _ in "123":
                opcode, payload = peer.read_frame()
                peer.send(frame(PONG, payload))
                assert opcode == PING
        ws.close()
        assert quiet.read_close()[0] == 1000


def test_broadcast_reaches_all_in_whatever_form() -> None:
    with managing() as manager, added(manager) as (ws, peer), added(manager) as (_, other):
        result = manager.broadcast("text")
        assert ws in result.sent
        manager.broadcast(b"text too")
        manager.broadcast("bytes", binary=True)
        manager.broadcast(BinaryMessage(b"object"))
        for each in (peer, other):
            assert [each.read_frame() for _ in "1234"] == [
                *[(TEXT, b"text"), (TEXT, b"text too")],
                *[(BINARY, b"bytes"), (BINARY, b"object")],
            ]


def test_broadcast_fails_for_nobody() -> None:
    with managing() as manager, added(manager) as (ws, peer), added(manager) as (_, other):
        ws.close()
        peer.close()
        manager.broadcast("still")
        assert other.read_frame() == (TEXT, b"still")


def test_close_all_begins_to_close_every_one() -> None:
    closes: list[Any] = []

    class Hooked(Recorder):
        def close(self, code: int = 1000, reason: str | bytes | None = "") -> None:
            closes.append((code, reason))
            super().close(code, reason)

    with managing() as manager, added(manager, Hooked) as (ws, peer):
        manager.close_all()
        assert peer.read_close() == (1001, "Server is shutting down")
        peer.send(close_frame(1001, "yes"))
        assert ended(ws) == (1001, "yes")
        assert peer.read_to_end() == b""
        peer.close()
        gone(manager)
    assert closes == [(1001, "Server is shutting down")]


def test_close_all_closes_the_others_where_one_close_fails(caplog: Any) -> None:
    class Failing(Recorder):
        def close(self, code: int = 1000, reason: str | bytes | None = "") -> None:
            raise LookupError("so it goes")

    with managing() as manager, added(manager, Failing) as (failing, peer):
        with added(manager) as (_, other):
            manager.close_all()
            assert other.read_close() == (1001, "Server is shutting down")
        peer.close()
        ended(failing)
    assert "close() failed" in caplog.text


def test_object_that_is_no_socket_is_not_taken() -> None:
    class Source:
        def recv(self, size: int) -> bytes:
            return b""

        def sendall(self, data: bytes) -> None:
            """Take it."""

    with managing() as manager:
        ws = Recorder(Source())
        with pytest.raises(ValueError, match="no socket, so it cannot be polled"):
            manager.add(ws)
        assert ws.calls == []
        ws.run()


def test_stop_drops_who_is_still_here() -> None:
    with managing() as manager, added(manager) as (ws, peer):
        assert manager.running
        manager.stop()
        assert not manager.running
        manager.join()
        assert ended(ws) == (1006, "Going away")
        assert peer.read_close() == (1001, "the manager has stopped")


def test_join_waits_for_stop_though_there_is_nobody() -> None:
    with managing() as manager, joined_threads() as threads:
        with added(manager) as (_, peer):
            peer.end()
        gone(manager)
        manager.join(0.01)
        assert manager.is_alive()
        joining = threads.start(manager.join)
        with pytest.raises(TimeoutError):
            joining.result(0.05)
        manager.stop()
        joining.result(PATIENCE)
        assert not manager.is_alive()


def test_join_of_a_manager_that_was_never_started_is_refused() -> None:
    manager = WebSocketManager()
    with pytest.raises(RuntimeError, match="the manager was not started"):
        manager.join()
    manager.stop()
    manager.join()


def test_manager_can_be_run_in_a_thread_of_ones_own() -> None:
    manager = WebSocketManager()
    with joined_threads() as threads, added(manager, Echo) as (_, peer):
        running = threads.start(manager.run)
        peer.send(frame(TEXT, b"x"))
        assert peer.read_frame() == (TEXT, b"x")
        manager.stop()
        running.result(PATIENCE)


def test_removed_websocket_can_be_run_by_somebody_else() -> None:
    with managing() as manager, added(manager, Echo) as (ws, peer):
        manager.remove(ws)
        assert ws not in manager
        peer.send(frame(TEXT, b"x"))
        while not ws.calls[1:]:
            assert ws.once()
        assert peer.read_frame() == (TEXT, b"x")
        peer.close()
        ws.terminate()


def test_client_is_added_by_its_handshake_ok() -> None:
    with managing() as manager, serving() as server:

        class Client(Records, WebSocketBaseClient):
            def handshake_ok(self) -> None:
                manager.add(self)

        client = Client(uri(server))
        client.connect()
        client.send("hello")
        while len(client.calls) < 2:
            assert not client.over.wait(0.01)
        assert str(client.calls[1]) == "hello"
        client.close()
        assert ended(client) == (1000, "")


def test_client_that_is_not_connected_is_not_taken() -> None:
    with managing() as manager, pytest.raises(ValueError, match="not connected"):
        manager.add(WebSocketBaseClient("ws://localhost"))


@pytest.mark.parametrize("name", ["SelectPoller", "EPollPoller"])
def test_poller_tells_of_a_descriptor_as_long_as_there_is_something(name: str) -> None:
    poller = getattr(module, name)(timeout=0.01)
    near, far = socket.socketpair()
    with near, far:
        assert list(poller.poll()) == []
        poller.register(near.fileno())
        assert list(poller.poll()) == []
        far.sendall(b"x")
        assert [list(poller.poll()) for _ in "12"] == [[near.fileno()]] * 2
        poller.unregister(near.fileno())
        assert list(poller.poll()) == []
    poller.release()


def test_kqueue_is_refused_where_there_is_none() -> None:
    if hasattr(select, "kqueue"):
        module.KQueuePoller().release()
    else:
        with pytest.raises(OSError, match="kqueue"):
            module.KQueuePoller()
