"""The thread that waits for many connections at once, and has workers run their callbacks.

bytes are there -> poller -> Parking.look() -> a worker -> the callbacks
"""

from __future__ import annotations

import logging
import socket
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

from geventws.adapters.threaded.care import SLOT, Calendar
from geventws.adapters.threaded.parking import Lot, Parking
from geventws.adapters.threaded.pollers import Poller
from geventws.adapters.threaded.websocket import ThreadedWebSocket
from geventws.adapters.threaded.workers import Workers
from geventws.core.codes import GOING_AWAY

STOPPED: Final = "the manager has stopped"
BEGUN: Final = "the manager was started before"

logger = logging.getLogger("geventws")


class Driver:
    """Drives connections until they are over, given back, or the driver is stopped.

    Args:
        poller: who waits for the descriptors; released at the end.
        workers: how many callbacks may run at once.
        left: called, with the lock, with each connection that leaves.
    """

    def __init__(
        self, poller: Poller, workers: int, left: Callable[[ThreadedWebSocket], None]
    ) -> None:
        self.lock = threading.Lock()  # of all that follows; whoever has it takes no monitor
        self.driven: dict[ThreadedWebSocket, Parking] = {}  # in the order they came
        self._leaving: dict[ThreadedWebSocket, Parking] = {}  # whose descriptors are still held
        self._by_fd: dict[int, Parking] = {}
        self._left = left
        self._empty = threading.Condition(self.lock)
        self._calendar = Calendar(self._look)
        self._workers = Workers(workers)
        self._lot = Lot(self.lock, self._workers, self._calendar, self._arm, self._leave)
        # running
        self._thread = self._new_thread()
        self._begun = False
        self._stopping = False
        self._ended = threading.Event()
        # waking
        self._poller = poller
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._rung = False
        # of one that never ran as well; while the interpreter ends, run() may be at work
        self._take_down = weakref.finalize(self, _take_down, poller, self._bell, self._button)
        self._take_down.atexit = False
        poller.register(self._bell.fileno())

    # The thread

    def start(self) -> None:
        """Have a daemon thread run(); RuntimeError where that, or run(), was called before."""
        if not self._begin():
            raise RuntimeError(BEGUN)
        self._launch()

    @property
    def has_begun(self) -> bool:
        """Whether start(), run() or stop() was called."""
        return self._begun

    def is_alive(self) -> bool:
        """Return whether run() is at work."""
        return self._begun and not self._ended.is_set()

    def stop(self) -> None:
        """Have run() drop every connection and return."""
        with self.lock:
            self._stopping = True
        if self._begin():  # there may be connections all the same
            self._launch()
        self._ring()

    def run(self) -> None:
        """Wait for what comes and have the callbacks run, until stop() is called.

        Returns at once where it was; RuntimeError where the driver was started before.
        """
        if self._begin():
            self._run()
        elif not self._stopping:
            raise RuntimeError(BEGUN)

    def _begin(self) -> bool:
        """Take note that somebody is about to run; return whether nobody was before."""
        with self.lock:
            begun, self._begun = self._begun, True
        return not begun

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="WebSocketManager", daemon=True)

    def _launch(self) -> None:
        # one whose start has failed cannot be started again, from Python 3.13 on
        self._thread = self._new_thread()
        try:
            self._thread.start()
        except RuntimeError:  # the system has no thread to give; later it may
            self._begun = False
            raise

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
            self._drop_all()
            while self.driven or self._leaving:
                self._turn()
        finally:
            self._release()

    def join(self, timeout: float | None) -> bool:
        """Wait until nobody is left and, after stop(), no thread; return whether that is so."""
        deadline = None if timeout is None else monotonic() + timeout
        with self._empty:
            if not self._empty.wait_for(lambda: not self.driven, timeout):
                return False
        if not self._stopping:
            return True
        if not self._ended.wait(_left(deadline)) or not self._workers.join(_left(deadline)):
            return False
        if self._thread.ident is not None:  # else run() was called elsewhere
            self._thread.join()  # it has nothing left to do
        return True

    def join_run(self, timeout: float | None) -> bool:
        """Wait until run() has ended, then join(); return False where *timeout* was up first."""
        deadline = None if timeout is None else monotonic() + timeout
        return self._ended.wait(timeout) and self.join(_left(deadline))

    def _turn(self) -> None:
        anybody = self.driven or self._leaving
        for fd in self._poller.poll(SLOT if anybody else None):
            self._heed(fd)
        self._let_go()
        self._workers.hire()
        for ws in self._calendar.due(monotonic()):
            self._look_after(ws)

    def _heed(self, fd: int) -> None:
        if fd == self._bell.fileno():
            self._bell.recv(64)
            self._rung = False
            self._poller.register(fd)
        elif (parking := self._by_fd.get(fd)) is not None:
            parking.look()

    def _let_go(self) -> None:
        """Forget the descriptors of who has left. Only here, where nobody polls them."""
        with self.lock:
            gone = [parking for parking in self._leaving.values() if not parking.busy]
            for parking in gone:
                del self._leaving[parking.connection]
                del self._by_fd[parking.fd]
                self._poller.unregister(parking.fd)
        for parking in gone:
            parking.let_go()

    def _look_after(self, ws: ThreadedWebSocket) -> None:
        parking = self.driven.get(ws)
        if parking is None:
            return
        try:
            left = parking.attend(monotonic())
        except Exception:  # one connection's trouble must not end the care for all others
            logger.exception("%r: cannot be looked after", ws)
        else:
            if left is not None:
                self._calendar.plan(ws, left)

    def _drop_all(self) -> None:
        for ws in self.connections():
            ws.drop(GOING_AWAY, STOPPED)

    def _release(self) -> None:
        """Take everything down; where the poller failed, somebody may still be here."""
        self._stopping = True
        self._drop_all()
        with self.lock:
            held, self._by_fd = list(self._by_fd.values()), {}
            self._take_down()
            self._ended.set()
        for parking in held:
            parking.let_go()
        self._workers.end()

    # What other threads call

    def connections(self) -> list[ThreadedWebSocket]:
        """Return those that are driven now, in the order they came."""
        with self.lock:
            return list(self.driven)

    def take(self, ws: ThreadedWebSocket) -> None:
        """Drive *ws* from now on; one that is over is not taken, and after stop() it is dropped.

        Raises:
            ValueError: another driver has it, or the poller cannot watch its descriptor.
        """
        with ws._transport.monitor:
            if ws._transport.closed or ws in self.driven:
                return
            if ws._caretaker is not None:
                raise ValueError("ws: another manager has it")
            parking = self._admit(ws)
            if parking is None:
                ws.drop(GOING_AWAY, STOPPED)
                return
            ws.adopt(self._calendar)
        parking.look()
        self._ring()

    def give_back(self, ws: ThreadedWebSocket) -> None:
        """Drive *ws* no more; a callback that runs goes on to its end."""
        with ws._transport.monitor:
            with self.lock:
                parking = self.driven.get(ws)
                if parking is None:
                    return
                self._leave(parking)
            ws.adopt(None)
            ws.park(None)

    def _admit(self, ws: ThreadedWebSocket) -> Parking | None:
        with self.lock:
            if self._stopping:
                return None
            # one that was given back, but not yet forgotten, goes on where it was
            parking = self._leaving.pop(ws, None) or self._park(ws)
            parking.present = True
            self.driven[ws] = parking
        return parking

    def _park(self, ws: ThreadedWebSocket) -> Parking:
        parking = Parking(ws, self._lot)
        try:
            self._arm(parking.fd)
        except BaseException:
            ws._transport.let_go()
            raise
        self._by_fd[parking.fd] = parking
        return parking

    # What parkings call

    def _look(self, ws: ThreadedWebSocket) -> None:
        """Have a worker see that *ws* is over."""
        parking = self.driven.get(ws)
        if parking is not None:
            parking.look()

    def _arm(self, fd: int) -> None:
        if not self._ended.is_set():
            self._poller.register(fd)
            if not self._poller.immediate:
                self._ring()

    def _leave(self, parking: Parking) -> None:
        if parking.present:
            ws = parking.connection
            parking.present = False
            self._leaving[ws] = self.driven.pop(ws)
            self._calendar.cancel(ws)
            self._left(ws)
            if not self.driven:
                self._empty.notify_all()
        self._ring()

    def _ring(self) -> None:
        """Have poll() return."""
        if not self._rung:
            self._rung = True
            with suppress(OSError):  # it is down
                self._button.send(b"!")


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - monotonic(), 0.0)


def _take_down(poller: Poller, *sockets: socket.socket) -> None:
    poller.release()
    for each in sockets:
        each.close()
