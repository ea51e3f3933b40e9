from __future__ import annotations

from queue import SimpleQueue
from threading import Event, get_ident
from typing import Any

import pytest

from geventws.adapters.threaded import EPollPoller, ThreadedWebSocket, connect
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed
from tests.adapters.threaded.managers import Noting, managed
from tests.threads import PATIENCE, contexts, joined_threads, met, serving, uri


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


class Polled(EPollPoller):
    """Counts how often it was asked."""

    polls = 0

    def poll(self, timeout: float | None = None) -> list[int]:
        self.polls += 1
        return super().poll(timeout)


class Slow(Noting):
    """Waits in received_message() until it may go on."""

    def begin(self, rest: bytes) -> None:
        self.go_on = Event()
        super().begin(rest)

    def received_message(self, message: str | bytes) -> None:
        super().received_message(message)
        assert self.go_on.wait(PATIENCE)
        self.note("done")

    def ponged(self, data: bytes) -> None:
        pass


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_callbacks_run_one_at_a_time_when_another_manager_takes_over(secure: bool) -> None:
    theirs, ours = contexts()
    poller = Polled()
    with (
        managed() as before,
        managed(poller) as after,
        serving(ssl=ours if secure else None) as server,
    ):
        ws = connect(uri(server, secure), ssl=theirs if secure else None, handler=Slow)
        before.add(ws)
        ws.send("one")
        assert [ws.next(), ws.next()] == ["opened", "one"]
        before.remove(ws)
        after.add(ws)
        ws.send("two")
        for _ in range(3):
            assert ws.ping(PATIENCE) > 0  # the echo has come before the first pong
        assert ws.notes.empty()
        assert poller.polls < 500  # at rest it asks four times a second
        ws.go_on.set()
        assert [ws.next(), ws.next()] == ["done", "two"]
        ws.close()


def test_run_waits_for_the_callback_of_a_manager() -> None:
    with managed() as manager, serving() as server, joined_threads() as threads:
        ws = connect(uri(server), handler=Slow)
        manager.add(ws)
        ws.send("one")
        assert [ws.next(), ws.next()] == ["opened", "one"]
        manager.remove(ws)
        threads.start(ws.run)
        ws.send("two")
        await_told(ws)
        assert ws.notes.empty()
        ws.go_on.set()
        assert [ws.next(), ws.next(), ws.next()] == ["done", "two", "done"]
        ws.close()
        assert ws.next() == (1000, "")


def await_told(ws: Any) -> None:
    """Return when a thread waits to be told by the one that delivers."""
    with ws._transport.monitor:
        while not ws._told:
            ws._transport.breathe()


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
        noting = Noting(ws._transport, ws._protocol, ws._options, Side.CLIENT)
        while not got:
            assert noting.read_and_deliver()
        noting.send("y")
        noting.close()
    assert got == ["x"]
