"""When to look after which connection: the calendar of a manager, which is its clock too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from zope.interface import classImplements

from geventws.interfaces import ICaretaker

SLOT: Final = 0.25  # seconds; a ping is answered within a second, a deadline kept to a quarter
LONGEST: Final = 3600.0  # seconds that are planned ahead; who asked for more is asked again then


class Calendar:
    """Whom to look after in which slot of a quarter second. Any thread may use it.

    Args:
        over: called with each connection that is over.
    """

    def __init__(self, over: Callable[[Any], None]) -> None:
        self._over = over
        self._lock = threading.Lock()
        self._planned: dict[Any, int] = {}  # connection -> the slot it is looked at in
        self._slots: dict[int, dict[Any, None]] = {}  # slot -> its connections
        self._next_slot = int(monotonic() / SLOT)

    def plan(self, connection: Any, seconds: float) -> None:
        """Have due() return *connection* in about *seconds*, or sooner."""
        slot = int((monotonic() + min(max(seconds, 0.0), LONGEST)) / SLOT) + 1
        with self._lock:
            slot = max(slot, self._next_slot)  # due() may have come in between
            planned = self._planned.get(connection)
            if planned is None or slot < planned:
                self._cancel(connection)
                self._planned[connection] = slot
                self._slots.setdefault(slot, {})[connection] = None

    def forget(self, connection: Any) -> None:
        """Have due() not return *connection*: it is over."""
        self.cancel(connection)
        self._over(connection)

    def cancel(self, connection: Any) -> None:
        """Have due() not return *connection*."""
        with self._lock:
            self._cancel(connection)

    def due(self, now: float) -> list[Any]:
        """Return whom to look after *now*, and plan them no more."""
        last = int(now / SLOT)
        found: list[Any] = []
        with self._lock:
            for slot in range(self._next_slot, last + 1):
                found.extend(self._slots.pop(slot, ()))
            self._next_slot = max(self._next_slot, last + 1)
            for connection in found:
                del self._planned[connection]
        return found

    def _cancel(self, connection: Any) -> None:
        slot = self._planned.pop(connection, None)
        if slot is not None:
            self._slots[slot].pop(connection)
            if not self._slots[slot]:
                del self._slots[slot]


classImplements(Calendar, ICaretaker)
