"""One connection in a manager, between two events.

at rest -> look() -> a worker -> its callbacks -> at rest

The descriptor is armed only while the connection is at rest, so one that is being worked on costs
the poller nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from geventws.adapters.threaded.care import SLOT, Calendar
from geventws.adapters.threaded.websocket import ThreadedWebSocket
from geventws.adapters.threaded.workers import Workers


class Lot(NamedTuple):
    """What the parkings of one manager share."""

    lock: threading.Lock  # guards the state of each; nobody waits who has it
    workers: Workers
    calendar: Calendar
    arm: Callable[[int], None]  # has the poller tell of a descriptor, once; with the lock
    leave: Callable[[Parking], None]  # takes note that one is over; with the lock


class Parking:
    """What drives the callbacks of one connection.

    Who takes both its monitor and the lock of the manager takes them in this order.
    """

    __slots__ = ("_again", "_lot", "_told", "busy", "connection", "fd", "present")

    def __init__(self, connection: ThreadedWebSocket, lot: Lot) -> None:
        self.connection = connection
        self.fd = connection._transport.hold()  # so it is made inside the monitor
        self.present = True  # not removed, and not over
        self.busy = False  # a worker looks, or will
        self._lot = lot
        self._again = False  # something came while it was busy
        self._told = False  # closed() was called; what is left is the end of TCP

    def look(self) -> None:
        """Have a worker look, or look again after what it does now. Never waits."""
        with self._lot.lock:
            self._again = True
            if self.busy or not self.present:
                return
            self.busy = True
        # until a worker is free, and while a callback takes its time, pings must be answered
        self._lot.calendar.plan(self.connection, SLOT)
        self._lot.workers.run(self)

    nudge = look  # somebody else has read something

    def attend(self, now: float) -> float | None:
        """Do what a caretaker does; return the seconds until the next time, None at the end."""
        ws = self.connection
        with ws._transport.monitor:
            # a worker is in a callback, or yet to come
            occupied = self.present and (self.busy or ws._delivering)
            if occupied:
                ws.park(None)
            seconds = ws.attend(now)
            if occupied and not self.busy:  # the worker is another manager's, and nudges at the end
                ws.park(self)
            return SLOT if occupied and seconds is not None else seconds

    def let_go(self) -> None:
        """Give the descriptor back."""
        with self.connection._transport.monitor:
            self.connection._transport.let_go()

    def __call__(self) -> None:
        """Run the callbacks for what has come, then let the connection rest."""
        with self.connection._transport.monitor:
            self._again = False
            try:
                if self.present:
                    self._work()
            except BaseException:  # as SystemExit of a callback: another worker goes on from here
                self._again = True
                raise
            finally:
                self._rest()

    def _work(self) -> None:
        ws = self.connection
        ws.park(None)
        if not self._told:
            self._told = not ws.read_and_deliver()
        if self._told:
            seconds = ws.attend(monotonic())
            if seconds is not None:
                self._lot.calendar.plan(ws, seconds)

    def _rest(self) -> None:
        transport = self.connection._transport
        with self._lot.lock:
            over = self._told and transport.closed
            if self.present and not over and self._has_more():
                self._lot.workers.run(self)
                return
            self.busy = False
            if over or not self.present:
                self._lot.leave(self)
            else:
                self._wait()

    def _has_more(self) -> bool:
        ws = self.connection
        return not ws._delivering and (self._again or ws._transport.pending())

    def _wait(self) -> None:
        ws = self.connection
        if not self._told:
            ws.park(self)
        # another thread that reads or delivers will nudge; and an end would be readable for ever
        occupied = ws._reading or ws._delivering
        if not occupied and not (self._told and ws._protocol.eof):
            self._lot.arm(self.fd)
