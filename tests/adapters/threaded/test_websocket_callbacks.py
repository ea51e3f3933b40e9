from __future__ import annotations

from queue import SimpleQueue
from threading import get_ident
from typing import Any

import pytest

from geventws.adapters.threaded import ThreadedWebSocket, connect
from geventws.core.errors import ConnectionClosed
from tests.threads import PATIENCE, joined_threads, met, serving, uri


class Recording(ThreadedWebSocket):
    """Takes note of what is called, and by which thread; echoes."""

    def opened(self) -> None:
        self.state = [("opened", get_ident())]

    def received_message(self, message: str | bytes) -> None:
        self.state.append((message, get_ident()))
        if message == "fail":
            raise RuntimeError("as was asked for")
        with joined_threads() as threads:  # were this inside the monitor, that would never end
            threads.start(self.send, message).result(PATIENCE)

    def ponged(self, data: bytes) -> None:
        self.state.append((data, get_ident()))

    def closed(self, code: int, reason: str) -> None:
        self.state.append((code, get_ident()))
        ended.put(self.state)

    def unhandled_error(self, error: Exception) -> None:
        self.state.append((str(error), get_ident()))
        assert self.close_code is None


ended: SimpleQueue[list[tuple[Any, int]]] = SimpleQueue()


def test_callbacks_run_outside_the_monitor_in_one_thread() -> None:
    with met(Recording) as ws:
        ws.send("one")
        ws.send(b"two")
        assert [ws.receive(PATIENCE), ws.receive(PATIENCE)] == ["one", b"two"]
    calls = ended.get(timeout=PATIENCE)
    assert [what for what, _ in calls] == ["opened", "one", b"two", 1000]
    assert len({thread for _, thread in calls}) == 1


def test_callback_that_fails_closes_with_1011() -> None:
    with met(Recording) as ws:
        ws.send("fail")
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive(PATIENCE)
    assert raised.value.code == 1011
    calls = ended.get(timeout=PATIENCE)
    assert [what for what, _ in calls] == ["opened", "fail", "as was asked for", 1011]


def test_callbacks_run_for_what_is_here() -> None:
    got: list[Any] = []

    class Noting(ThreadedWebSocket):
        def received_message(self, message: str | bytes) -> None:
            got.append(message)

    def handle(ws: ThreadedWebSocket) -> None:
        ws.send("x")
        ws.receive(PATIENCE)

    with serving(handle) as server:
        ws = connect(uri(server))
        noting = Noting(ws._transport, ws._protocol, ws._options, ws._side)
        while not got:
            assert noting.read_and_deliver()
        noting.send("y")
        noting.close()
    assert got == ["x"]
