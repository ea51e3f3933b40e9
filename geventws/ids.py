"""What connections are called: a number in this process, and an id that no other process has.

Nothing is kept for connections that nobody asks about, nor for those that are gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from itertools import count
from weakref import WeakKeyDictionary, WeakValueDictionary

from geventws.websocket import WebSocket

_numbers: WeakKeyDictionary[WebSocket, int] = WeakKeyDictionary()
_next = count(1)


def connection_id(connection: WebSocket) -> int:
    """Return the number of *connection*, the same at every call; the first asked for is 1."""
    number = _numbers.get(connection)
    if number is None:
        number = _numbers.setdefault(connection, next(_next))
    return number


class Ids:
    """What the members of one manager are called, in whatever process one asks."""

    def __init__(self) -> None:
        self._node = ""
        self._named: WeakValueDictionary[str, WebSocket] = WeakValueDictionary()

    def of(self, ws: WebSocket) -> str:
        """Return the id of *ws*, the same at every call; no other manager anywhere has it."""
        if not self._node:  # not sooner: a process that forks has managers already
            self._node = secrets.token_hex(8)
        name = f"{self._node}-{connection_id(ws)}"
        self._named[name] = ws
        return name

    def named(self, names: Iterable[str]) -> set[WebSocket]:
        """Return those of this manager that are called so."""
        found = (self._named.get(name) for name in names)
        return {ws for ws in found if ws is not None}
