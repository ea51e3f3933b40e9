"""Where the system has no thread to give."""

from __future__ import annotations

from contextlib import ExitStack
from queue import SimpleQueue
from threading import Event

import pytest

from geventws.adapters.threaded import EchoWebSocket, ThreadedWebSocket, WebSocketClient, connect
from geventws.core.errors import ConnectionClosed
from tests.adapters.threaded.managers import Noting, managed
from tests.threads import (
    BIG,
    PATIENCE,
    await_waiters,
    joined_threads,
    met,
    no_more_threads,
    serving,
    uri,
)


def test_manager_lives_through_a_moment_without_threads(caplog: pytest.LogCaptureFixture) -> None:
    pinged: SimpleQueue[float] = SimpleQueue()

    def handle(ws: ThreadedWebSocket) -> None:
        pinged.put(ws.ping(PATIENCE))
        ws.send("hello")
        ws.receive(PATIENCE)

    with managed() as manager, serving(handle) as server:
        ws = connect(uri(server), handler=Noting)
        with no_more_threads():
            manager.add(ws)
            assert pinged.get(timeout=PATIENCE) > 0  # so the manager looks after it
            assert ws.notes.empty()
        assert "callbacks wait" in caplog.text
        assert [ws.next(), ws.next()] == ["opened", "hello"]
        assert manager.is_alive()
        assert ws.close_code is None
        ws.close()


def test_broadcast_drops_a_slow_peer_where_no_thread_can_send_on() -> None:
    with managed() as manager, serving(EchoWebSocket, manager=manager) as server:
        ws = connect(uri(server), compression=None)
        ws.send("here")
        assert ws.receive(PATIENCE) == "here"
        with no_more_threads():
            manager.broadcast(BIG)
        assert manager.join(PATIENCE)
        ws.drop()


def test_begin_close_drops_the_connection_where_no_timer_can_be_started() -> None:
    go_on = Event()
    try:
        with met(lambda _: go_on.wait(PATIENCE)) as ws, joined_threads() as threads:
            receiving = threads.start(ws.receive)
            await_waiters(ws._transport, 1)
            with no_more_threads():
                ws.begin_close()
            with pytest.raises(ConnectionClosed):
                receiving.result(PATIENCE)
            go_on.set()
    finally:
        go_on.set()


def test_client_lets_go_of_the_connection_that_it_has_no_thread_for() -> None:
    with ExitStack() as shortage:

        def begin_shortage(request: object) -> None:
            shortage.enter_context(no_more_threads())

        with serving(process_request=begin_shortage) as server:
            client = WebSocketClient(uri(server))
            with pytest.raises(RuntimeError, match="thread"):
                client.connect()
            assert client.connection is not None
            assert client.connection.close_code == 1006
            client.run_forever()  # there is nothing to wait for
