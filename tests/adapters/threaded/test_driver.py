"""The manager's thread: whom it drives, how it gives descriptors back, how it ends."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest

from geventws.adapters.threaded import EchoWebSocket, ThreadedWebSocket, connect
from geventws.adapters.threaded.driver import Driver
from geventws.adapters.threaded.pollers import EPollPoller, Poller, PollPoller, SelectPoller
from tests.adapters.threaded.managers import Noting, no_low_descriptors
from tests.threads import PATIENCE, joined_threads, serving, uri


@contextmanager
def driving(poller: Poller | None = None) -> Iterator[Driver]:
    """Give a driver at work; it is stopped at the end."""
    left: SimpleQueue[ThreadedWebSocket] = SimpleQueue()
    driver = Driver(poller or EPollPoller(), 4, left.put)
    driver.start()
    try:
        yield driver
    finally:
        driver.stop()
        assert driver.join(PATIENCE)
        assert not driver.is_alive()


@pytest.fixture
def url() -> Iterator[str]:
    with serving() as server:
        yield uri(server)


each_poller = pytest.mark.parametrize("kind", [EPollPoller, PollPoller, SelectPoller])


class Watched(EPollPoller):
    """Counts what is registered and not unregistered, and which of that was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[int] = set()

    def register(self, fd: int) -> None:
        os.fstat(fd)  # OSError where it is closed
        self.known.add(fd)
        super().register(fd)

    def unregister(self, fd: int) -> None:
        os.fstat(fd)
        self.known.remove(fd)  # KeyError where that is the second time
        super().unregister(fd)


# Driving


@each_poller
def test_driver_runs_callbacks_until_the_end(kind: Any, url: str) -> None:
    with driving(kind()) as driver:
        ws = connect(url, handler=Noting)
        driver.take(ws)
        assert ws.next() == "opened"
        for message in ("one", b"two", "three" * 50_000):
            ws.send(message)
            assert ws.next() == message
        ws.close(4000, "enough")
        assert ws.next() == (4000, "")  # as the peer says it
        assert driver.join(PATIENCE)
        assert driver.connections() == []
        assert driver.is_alive()


@each_poller
def test_driver_notices_that_the_peer_ends_the_stream(kind: Any) -> None:
    with driving(kind()) as driver, serving(lambda ws: ws.drop(1001)) as server:
        ws = connect(uri(server), handler=Noting)
        driver.take(ws)
        assert ws.next() == "opened"
        assert ws.next()[0] in (1001, 1006)
        assert driver.join(PATIENCE)


def test_driver_drives_one_that_it_has_already_once(url: str) -> None:
    with driving() as driver:
        ws = connect(url, handler=Noting)
        driver.take(ws)
        driver.take(ws)
        assert ws.next() == "opened"
        assert ws.ping(PATIENCE) > 0
        assert ws.next()[0] == "ponged"
        assert driver.connections() == [ws]


def test_driver_takes_nobody_who_is_over(url: str) -> None:
    with driving() as driver:
        ws = connect(url, handler=Noting)
        ws.close()
        driver.take(ws)
        assert driver.connections() == []
        assert ws.notes.empty()


def test_driver_takes_nobody_whom_another_one_has(url: str) -> None:
    with driving() as driver, driving() as other:
        ws = connect(url, handler=Noting)
        driver.take(ws)
        with pytest.raises(ValueError, match="ws: another manager has it"):
            other.take(ws)
        assert ws.next() == "opened"
        driver.give_back(ws)
        other.take(ws)
        ws.send("hello")
        assert ws.next() == "hello"


def test_driver_that_was_not_started_begins_with_who_is_there(url: str) -> None:
    driver = Driver(EPollPoller(), 1, lambda ws: None)
    ws = connect(url, handler=Noting)
    driver.take(ws)
    assert not driver.is_alive()
    driver.start()
    ws.send("hello")
    assert [ws.next(), ws.next()] == ["opened", "hello"]
    driver.stop()
    assert driver.join(PATIENCE)


def test_driver_runs_in_a_thread_of_the_application(url: str) -> None:
    driver = Driver(EPollPoller(), 1, lambda ws: None)
    with joined_threads() as threads:
        running = threads.start(driver.run)
        ws = connect(url, handler=Noting)
        driver.take(ws)
        assert ws.next() == "opened"
        driver.stop()
        running.result(PATIENCE)
        assert driver.join(PATIENCE)
    assert ws.next()[0] == 1006


def test_driver_starts_once() -> None:
    with driving() as driver, pytest.raises(RuntimeError):
        driver.start()


# Giving back


def test_driver_gives_back_an_open_connection(url: str) -> None:
    with driving() as driver:
        ws = connect(url, handler=Noting)
        driver.take(ws)
        assert ws.next() == "opened"
        driver.give_back(ws)
        driver.give_back(ws)
        ws.send("hello")
        assert ws.receive(PATIENCE) == "hello"  # it is the application's now
        ws.close()
        assert ws.notes.empty()


def test_driver_unregisters_every_descriptor_once_and_before_it_is_closed(url: str) -> None:
    poller = Watched()
    with driving(poller) as driver:
        bell = set(poller.known)
        for number in range(40):
            ws = connect(url, handler=EchoWebSocket)
            driver.take(ws)
            [ws.close, ws.drop, lambda ws=ws: driver.give_back(ws), ws.begin_close][number % 4]()
            if number % 8 == 2:
                driver.take(ws)
            if number % 4 == 2:
                ws.close()
        assert driver.join(PATIENCE)
        driver.stop()
        assert driver.join(PATIENCE)
        assert poller.known == bell


def test_driver_leaves_no_descriptor_behind(url: str) -> None:
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    with driving() as driver:
        for _ in range(20):
            driver.take(connect(url, handler=Noting))
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 20  # the server's ends
    gone = Driver(EPollPoller(), 1, lambda ws: None)
    del gone
    gc.collect()  # one that never ran warns of nothing


def test_driver_refuses_who_has_a_descriptor_past_the_limit_of_select(url: str) -> None:
    with driving(SelectPoller()) as driver:
        with no_low_descriptors():
            ws = connect(url, handler=Noting)
        with pytest.raises(ValueError, match="fd: select"):
            driver.take(ws)
        assert driver.connections() == []
        ws.close()
        assert ws._transport._socket.fileno() == -1


# Care


def test_driver_pings_and_gives_up_who_does_not_answer() -> None:
    left = Event()
    with driving() as driver, serving(lambda ws: left.wait(PATIENCE)) as server:
        ws = connect(uri(server), handler=Noting, ping_interval=0.1, ping_timeout=0.1)
        driver.take(ws)
        assert ws.next() == "opened"
        assert ws.next() == (1006, "no pong in time")
        assert driver.join(PATIENCE)
        left.set()


def test_driver_answers_pings_while_callbacks_block_all_workers(url: str) -> None:
    go_on, pinged = Event(), SimpleQueue[float]()

    class Blocking(Noting):
        def opened(self) -> None:
            super().opened()
            go_on.wait(PATIENCE)

    def ping(ws: ThreadedWebSocket) -> None:
        pinged.put(ws.ping(PATIENCE))

    with driving() as driver, serving(ping) as server:
        blocking = [connect(url, handler=Blocking) for _ in range(4)]
        for ws in blocking:
            driver.take(ws)
            assert ws.next() == "opened"
        idle = connect(uri(server), handler=Noting)
        driver.take(idle)
        assert pinged.get(timeout=PATIENCE) > 0
        assert idle.notes.empty()
        go_on.set()
        assert idle.next() == "opened"


def test_driver_keeps_close_timeout_where_the_peer_does_not_answer() -> None:
    left = Event()
    with driving() as driver, serving(lambda ws: left.wait(PATIENCE)) as server:
        ws = connect(uri(server), handler=Noting, close_timeout=0.1)
        driver.take(ws)
        assert ws.next() == "opened"
        ws.begin_close()
        assert ws.next()[0] == 1006
        assert driver.join(PATIENCE)
        left.set()


def test_driver_goes_on_where_one_cannot_be_looked_after(url: str, caplog: Any) -> None:
    class Odd(Noting):
        def attend(self, now: float) -> float | None:
            if threading.current_thread().name == "WebSocketManager":
                raise LookupError("odd")
            return super().attend(now)

    with driving() as driver:
        odd = connect(url, handler=Odd, ping_interval=0.01)
        driver.take(odd)
        fine = connect(url, handler=Noting, ping_interval=0.3)
        driver.take(fine)
        assert fine.next() == "opened"
        assert fine.next()[0] == "ponged"
        odd.drop()
    assert "cannot be looked after" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


# The end


def test_driver_that_stops_drops_everyone(url: str) -> None:
    with driving() as driver:
        connections = [connect(url, handler=Noting) for _ in range(5)]
        for ws in connections:
            driver.take(ws)
    for ws in connections:
        assert ws.next() == "opened"
        assert ws.next() == (1006, "the manager has stopped")


def test_driver_that_has_stopped_drops_who_comes(url: str) -> None:
    driver = Driver(EPollPoller(), 1, lambda ws: None)
    driver.stop()
    driver.stop()
    assert driver.join(PATIENCE)
    ws = connect(url, handler=Noting)
    driver.take(ws)
    assert ws.close_code == 1006
    assert driver.connections() == []


def test_driver_whose_callback_does_not_end_is_late(url: str) -> None:
    go_on = Event()

    class Late(Noting):
        def closed(self, code: int, reason: str) -> None:
            assert go_on.wait(PATIENCE)
            super().closed(code, reason)

    driver = Driver(EPollPoller(), 1, lambda ws: None)
    driver.start()
    ws = connect(url, handler=Late)
    driver.take(ws)
    assert ws.next() == "opened"
    driver.stop()
    assert not driver.join(0.05)
    go_on.set()
    assert driver.join(PATIENCE)
    assert ws.next() == (1006, "the manager has stopped")


def test_driver_waits_for_the_callbacks_of_who_was_given_back(url: str) -> None:
    go_on = Event()

    class Late(Noting):
        def opened(self) -> None:
            super().opened()
            assert go_on.wait(PATIENCE)

    driver = Driver(EPollPoller(), 1, lambda ws: None)
    driver.start()
    ws = connect(url, handler=Late)
    driver.take(ws)
    assert ws.next() == "opened"
    driver.give_back(ws)
    driver.stop()
    assert not driver.join(0.05)
    go_on.set()
    assert driver.join(PATIENCE)
    ws.close()


def test_driver_whose_poller_fails_drops_everyone_and_says_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(EPollPoller):
        def poll(self, timeout: float | None = None) -> list[int]:
            ready = super().poll(timeout)
            if broken.is_set():
                raise OSError("out of order")
            return ready

    failures: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", failures.put)
    broken = Event()
    driver = Driver(Failing(), 2, lambda ws: None)
    driver.start()
    ws = connect(url, handler=Noting)
    driver.take(ws)
    assert ws.next() == "opened"
    broken.set()
    assert ws.next() == (1006, "the manager has stopped")
    assert str(failures.get(timeout=PATIENCE).exc_value) == "out of order"
    assert driver.join(PATIENCE)
    assert ws._transport._socket.fileno() == -1
