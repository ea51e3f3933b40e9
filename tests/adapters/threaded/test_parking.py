"""One connection of a manager: when its callbacks run, when it is armed, when it goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event
from time import monotonic
from typing import Any

import pytest

from geventws.adapters.threaded import ThreadedWebSocket, connect
from geventws.adapters.threaded.care import Calendar
from geventws.adapters.threaded.parking import Lot, Parking
from geventws.adapters.threaded.workers import Workers
from tests.adapters.threaded.managers import Noting
from tests.threads import PATIENCE, await_waiters, contexts, echo, joined_threads, serving, uri


class Yard:
    """The lot of a manager that does nothing by itself: the test is its poller."""

    def __init__(self) -> None:
        self.workers = Workers(2)
        self.armed: SimpleQueue[int] = SimpleQueue()
        self.gone: SimpleQueue[Parking] = SimpleQueue()
        lock = threading.Lock()
        calendar = Calendar(lambda ws: None)
        self.lot = Lot(lock, self.workers, calendar, self.armed.put, self.leave)

    def leave(self, parking: Parking) -> None:
        parking.present = False
        self.gone.put(parking)

    def park(self, ws: ThreadedWebSocket) -> Parking:
        with ws._transport.monitor:
            return Parking(ws, self.lot)


@pytest.fixture
def yard() -> Iterator[Yard]:
    made = Yard()
    yield made
    made.workers.end()
    assert made.workers.join(PATIENCE)


@contextmanager
def parked(
    yard: Yard, handler: Any = echo, kind: type[Noting] = Noting, **options: Any
) -> Iterator[tuple[Parking, Any]]:
    """Give a parking at rest and its connection, opened() having been called."""
    with serving(handler) as server:
        ws = connect(uri(server), handler=kind, **options)
        parking = yard.park(ws)
        try:
            parking.look()
            assert ws.next() == "opened"
            assert yard.armed.get(timeout=PATIENCE) == parking.fd
            yield parking, ws
        finally:
            ws.drop()
            parking.let_go()


def test_parking_calls_for_what_has_come_and_rests_again(yard: Yard) -> None:
    with parked(yard) as (parking, ws):
        ws.send("hello")
        wait_readable(ws)
        parking.look()
        assert ws.next() == "hello"
        assert yard.armed.get(timeout=PATIENCE) == parking.fd
        assert not parking.busy


def wait_readable(ws: Any) -> None:
    with ws._transport.monitor:
        while not ws._transport.readable():
            ws._transport.breathe()


class Slow(Noting):
    """Waits in received_message() until it may go on."""

    def begin(self, rest: bytes) -> None:
        self.go_on = Event()
        super().begin(rest)

    def received_message(self, message: str | bytes) -> None:
        super().received_message(message)
        assert self.go_on.wait(PATIENCE)


def test_parking_that_is_busy_looks_again_before_it_rests(yard: Yard) -> None:
    with parked(yard, kind=Slow) as (parking, ws):
        ws.send("one")
        wait_readable(ws)
        parking.look()
        assert ws.next() == "one"
        ws.send("two")
        wait_readable(ws)
        parking.look()  # no second worker comes
        assert ws.notes.empty()
        ws.go_on.set()
        assert ws.next() == "two"
        assert yard.armed.get(timeout=PATIENCE) == parking.fd
        assert yard.armed.empty()


def test_parking_leaves_the_socket_to_another_thread_that_reads(yard: Yard) -> None:
    go_on = Event()

    def answer_late(ws: ThreadedWebSocket) -> None:
        assert go_on.wait(PATIENCE)
        echo(ws)

    with parked(yard, answer_late) as (parking, ws), joined_threads() as threads:
        with ws._transport.monitor:
            ws.park(None)  # as while its worker is in a callback
        pinging = threads.start(ws.ping, PATIENCE)
        await_waiters(ws._transport, 2)  # the descriptor is held, and ping() polls it
        parking.look()
        with ws._transport.monitor:
            while ws._parked is not parking:
                ws._transport.breathe()
        assert yard.armed.empty()
        go_on.set()
        assert pinging.result(PATIENCE) > 0
        assert yard.armed.get(timeout=PATIENCE) == parking.fd  # ping() has nudged


def test_parking_drains_what_tls_holds(yard: Yard) -> None:
    """Where a record was read in part, the poller cannot see the rest."""

    class Sipping(Noting):
        def received_message(self, message: str | bytes) -> None:
            super().received_message(message)
            if message == "first":
                self.send("second")
                wait_readable(self)
                with self._transport.monitor:
                    self._protocol.receive_data(self._transport._socket.recv(2))
                    assert self._transport.pending()

    theirs, ours = contexts()
    with serving(ssl=ours) as server:
        ws = connect(uri(server, secure=True), ssl=theirs, handler=Sipping)
        assert ws.ping(PATIENCE) > 0  # now all is read that TLS says for itself
        parking = yard.park(ws)
        ws.send("first")
        wait_readable(ws)
        parking.look()
        assert [ws.next(), ws.next(), ws.next()] == ["opened", "first", "second"]
        ws.drop()
        parking.let_go()


def test_parking_goes_when_all_is_told_and_the_stream_is_ended(yard: Yard) -> None:
    def close(ws: ThreadedWebSocket) -> None:
        ws.receive(PATIENCE)
        ws.close(4000, "bye")

    with parked(yard, close) as (parking, ws):
        ws.send("go")
        while yard.gone.empty():
            wait_readable(ws)
            parking.look()
        assert yard.gone.get(timeout=PATIENCE) is parking
        assert ws.next() == (4000, "bye")
        assert ws._transport.closed
        assert not parking.busy
        assert ws.notes.empty()


def test_parking_that_was_removed_calls_nothing_more(yard: Yard) -> None:
    with parked(yard) as (parking, ws):
        ws.send("hello")
        wait_readable(ws)
        parking.present = False
        parking.look()
        assert not parking.busy
        assert ws.notes.empty()


def test_parking_that_is_removed_while_a_callback_runs_goes_after_that(yard: Yard) -> None:
    with parked(yard, kind=Slow) as (parking, ws):
        ws.send("one")
        wait_readable(ws)
        parking.look()
        assert ws.next() == "one"
        parking.present = False
        ws.go_on.set()
        assert yard.gone.get(timeout=PATIENCE) is parking
        assert yard.armed.empty()


def test_parking_is_attended_to_while_its_callback_blocks(yard: Yard) -> None:
    """What comes meanwhile is read ahead, so that pings are answered."""

    def ping(ws: ThreadedWebSocket) -> None:
        ws.send(ws.receive(PATIENCE))
        pinged.put(ws.ping(PATIENCE))

    pinged: SimpleQueue[float] = SimpleQueue()
    with parked(yard, ping, kind=Slow) as (parking, ws):
        ws.send("one")
        wait_readable(ws)
        parking.look()
        assert ws.next() == "one"
        while pinged.empty():
            assert parking.attend(monotonic()) is not None
        ws.go_on.set()


def test_parking_whose_callback_ends_the_thread_goes_on_in_another_one(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", failures.put)

    class Leaving(Noting):
        def received_message(self, message: str | bytes) -> None:
            raise SystemExit

    with parked(yard, kind=Leaving) as (parking, ws):
        ws.send("hello")
        wait_readable(ws)
        parking.look()
        assert ws.next() == (1011, "the application failed")
        assert failures.get(timeout=PATIENCE).exc_type is SystemExit
