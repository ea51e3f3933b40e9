"""The caretaker of a hub: it does what sleeping applications would miss.

One greenlet per hub looks after all of its connections. It calls a connection's attend() when that
asked for it, in slots of a quarter second, and soon after bytes came that nobody reads. It lives
while there are connections.
"""

from __future__ import annotations

import logging
from typing import Any, Final
from weakref import WeakKeyDictionary

import gevent
from zope.interface import classImplements

from geventws.clock import monotonic
from geventws.interfaces import ICaretaker
from geventws.transport import Transport, breathe
from geventws.websocket import WebSocket

logger = logging.getLogger("geventws")

SLOT: Final = 0.25  # seconds; a ping is answered within a second, a deadline kept to a quarter
SHARE: Final = 0.005  # seconds of care before others run
LONGEST: Final = 3600.0  # seconds that are planned ahead; who asked for more is asked again then


class Caretaker:
    """Looks after the connections of one hub; use caretaker()."""

    def __init__(self) -> None:
        self._planned: dict[Any, int] = {}  # connection -> the slot it is looked at in
        self._slots: dict[int, dict[Any, None]] = {}  # slot -> its connections
        self._neglected: dict[Any, None] = {}
        self._greenlet: Any = None
        self._next_slot = 0

    def __len__(self) -> int:
        return len(self._planned)

    def watch(self, connection: WebSocket, transport: Transport) -> None:
        """Look after *connection* until it is over."""
        connection.adopt(self)
        transport.on_neglect = connection.neglected
        self.hurry(connection)
        self.plan(connection, SLOT)

    def hurry(self, connection: Any) -> None:
        """Attend to *connection*, which has a plan, in the next slot."""
        self._neglected[connection] = None

    def plan(self, connection: Any, seconds: float) -> None:
        """See to it that *connection* is attended to in about *seconds*, or sooner."""
        slot = int((monotonic() + min(seconds, LONGEST)) / SLOT) + 1
        planned = self._planned.get(connection)
        if planned is None or slot < planned:
            self._unplan(connection)
            self._planned[connection] = slot
            self._slots.setdefault(slot, {})[connection] = None
        if self._greenlet is None:
            self._next_slot = min(int(monotonic() / SLOT), *self._slots)
            self._greenlet = gevent.spawn(self._run)

    def forget(self, connection: Any) -> None:
        """Look after *connection* no more."""
        self._unplan(connection)
        self._neglected.pop(connection, None)

    def _unplan(self, connection: Any) -> None:
        slot = self._planned.pop(connection, None)
        if slot is None or slot not in self._slots:
            return
        self._slots[slot].pop(connection, None)
        if not self._slots[slot]:
            del self._slots[slot]

    def _run(self) -> None:
        try:
            while self._planned:
                # the hub may end while only this sleeps
                gevent.sleep(SLOT - monotonic() % SLOT, ref=False)
                self._sweep()
        finally:
            self._greenlet = None

    def _sweep(self) -> None:
        since = monotonic()
        for connection in self._due(since):
            self._attend(connection)
            if monotonic() - since > SHARE:
                breathe()
                since = monotonic()

    def _due(self, now: float) -> list[Any]:
        """Return whom to attend to now."""
        due, self._neglected = self._neglected, {}
        last = int(now / SLOT)
        for slot in range(self._next_slot, last + 1):
            due.update(self._slots.pop(slot, {}))
        self._next_slot = last + 1
        return list(due)

    def _attend(self, connection: Any) -> None:
        if connection not in self._planned:  # it ended since it was found due
            return
        self._unplan(connection)
        try:
            seconds = connection.attend(monotonic())
        except Exception:  # one connection's trouble must not end the care for all others
            logger.exception("%r: cannot be looked after", connection)
        else:
            if seconds is not None:
                self.plan(connection, seconds)


_caretakers: WeakKeyDictionary[Any, Caretaker] = WeakKeyDictionary()


def caretaker() -> Caretaker:
    """Return the caretaker of this thread's hub."""
    hub = gevent.get_hub()
    found = _caretakers.get(hub)
    if found is None:
        found = _caretakers[hub] = Caretaker()
    return found


classImplements(Caretaker, ICaretaker)
