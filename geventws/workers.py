"""The readable driver: callback connections that cost no greenlet while nothing happens.

bytes are there -> hub -> a reused greenlet -> read_and_deliver() of one connection after the other

An idle connection is parked: nothing but the transport's watcher knows of it. When bytes come, one
of the hub's workers runs its callbacks, so these may block: another worker goes on with what else
is ready then. Workers are kept for the next time, for to spawn a greenlet costs more than to echo a
message; and one serves all connections that are ready at once, for a switch costs half as much.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final
from weakref import WeakKeyDictionary

import gevent
from greenlet import getcurrent

from geventws.outgoing import corks_of
from geventws.transport import Transport
from geventws.websocket import WebSocket

KEPT: Final = 64  # idle workers that are kept; a burst's others end with it


class Parking:
    """One callback connection between two events."""

    __slots__ = ("_busy", "_connection", "_transport", "_workers")

    def __init__(self, connection: WebSocket, transport: Transport, workers: Workers) -> None:
        self._connection = connection
        self._transport = transport
        self._workers = workers
        self._busy = True  # a worker looks, or will at once

    def work(self) -> None:
        """Run the callbacks for what has come, then park again, or leave for good."""
        self._connection.park(None)
        try:
            more = self._connection.read_and_deliver()
        except Exception:
            self._workers.leave()
            raise
        except BaseException:  # broken off, as by kill(): another worker goes on from here
            self._park()
            self.nudge()
            raise
        if more:
            self._park()
        else:
            self._workers.leave()

    def _park(self) -> None:
        self._busy = False
        self._connection.park(self)
        self._transport.park(self)

    def __call__(self) -> None:
        """Have a worker look, unless one does; called on the hub."""
        if not self._busy:
            self._busy = True
            self._workers.run(self)

    def nudge(self) -> None:
        """Have a worker look at what another caller has read for it."""
        self._transport.nudge()


class Workers:
    """The worker greenlets of one hub; use workers()."""

    def __init__(self, hub: Any) -> None:
        self._corks = corks_of(hub)
        self._idle: list[Any] = []
        self._ready: deque[Parking] = deque()
        self._told = False  # the hub will look at these
        self._connections = 0

    def drive(self, connection: WebSocket, transport: Transport) -> None:
        """Run the callbacks of *connection* from now on; returns at once."""
        self._connections += 1
        self.run(Parking(connection, transport, self))

    def leave(self) -> None:
        """Take note that one connection is over; without any, no worker is kept."""
        self._connections -= 1
        if not self._connections:
            idle, self._idle = self._idle, []
            for worker in idle:
                gevent.get_hub().loop.run_callback(worker.switch)

    def run(self, parking: Parking) -> None:
        """Have a worker run *parking* in its turn; returns at once."""
        self._ready.append(parking)
        self._corks.crowd += 1
        self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            gevent.get_hub().loop.run_callback(self._look)

    def _look(self) -> None:
        self._told = False
        if self._ready:
            if self._idle:
                self._idle.pop().switch()
            else:
                gevent.spawn(self._work)

    def _work(self) -> None:
        while True:
            while self._ready:
                parking = self._ready.popleft()
                self._corks.crowd -= 1
                if self._ready:  # for another worker, should this one wait
                    self._tell()
                parking.work()
            if not self._connections or len(self._idle) >= KEPT:
                return
            self._rest()

    def _rest(self) -> None:
        me = getcurrent()
        self._idle.append(me)
        try:
            gevent.get_hub().switch()
        finally:
            if me in self._idle:  # killed while it waited
                self._idle.remove(me)


_workers: WeakKeyDictionary[Any, Workers] = WeakKeyDictionary()


def workers() -> Workers:
    """Return the workers of this thread's hub."""
    hub = gevent.get_hub()
    found = _workers.get(hub)
    if found is None:
        found = _workers[hub] = Workers(hub)
    return found
