"""One room as one process has it: who needs it, where it stands, whom it is told late.

Everything here is kept by the Sharing of one manager, and waits for the broker alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from gevent.event import AsyncResult

from geventws.broker import History, Position, Publication
from geventws.websocket import WebSocket

HELD: Final = 1024  # publications kept for one connection that is told what it missed


class Once:
    """Something that is waited for, done once for all who want it, and again where it failed."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._attempt: Any = None
        self._done = False

    def __call__(self) -> None:
        """Return when it is done; raises what it raised where it failed meanwhile."""
        while not self._done:
            if self._attempt is None:
                self._try()
            else:
                self._attempt.get()

    def _try(self) -> None:
        attempt = self._attempt = AsyncResult()
        try:
            self._work()
            self._done = True
        except Exception as error:
            attempt.set_exception(error)
            raise
        finally:  # who gave up has not failed: another one tries
            self._attempt = None
            if not attempt.ready():
                attempt.set(None)


class Late:
    """What is published while one connection is told what it missed: an iterator, the oldest first.

    It ends whenever nothing is left, and may go on.

    Args:
        limit: how many bytes are kept; and HELD publications.

    Attributes:
        came: whether anything was published.
        overflown: whether that was too much to keep; then nothing is, until begin_again().
    """

    __slots__ = ("_kept", "_limit", "_size", "came", "overflown")

    def __init__(self, limit: int) -> None:
        self._kept: deque[Publication] = deque()
        self._size = 0
        self._limit = limit
        self.came = self.overflown = False

    def __iter__(self) -> Late:
        return self

    def __next__(self) -> Publication:
        if not self._kept:
            raise StopIteration
        publication = self._kept.popleft()
        self._size -= len(publication.message)
        return publication

    def keep(self, publication: Publication) -> None:
        """Keep *publication*, or nothing from now on."""
        self.came = True
        if self.overflown:
            return
        self._kept.append(publication)
        self._size += len(publication.message)
        if len(self._kept) > HELD or self._size > self._limit:
            self.overflown = True
            self._kept.clear()

    def begin_again(self) -> None:
        """Keep what comes from now on."""
        self._kept.clear()
        self._size = 0
        self.overflown = False


class Shared:
    """A room as this process has it.

    Attributes:
        holds: how many members and callers need it.
        subscribe: has the broker deliver, when it is first called.
        locate: finds out where the room stands, when it is first called.
        position: where it stands, as far as is known here.
        resuming: the members whose clients count what comes.
        ahead: those of them that were told more than what was delivered here, and up to where.
        late: those who are told what they missed, and no members yet.
    """

    def __init__(self, name: str, broker: Any, deliver: Callable[[Shared, Publication], None]):
        self.name = name
        self.holds = 0
        self.deliver = partial(deliver, self)
        self.subscribe = Once(lambda: broker.subscribe(name, self.deliver))
        self.locate = Once(lambda: self._learn(broker.history(name)))
        self.position: Position | None = None
        self.resuming: dict[WebSocket, None] = {}
        self.ahead: dict[WebSocket, Position] = {}
        self.late: dict[WebSocket, Late] = {}

    def _learn(self, history: History) -> None:
        if self.position is None:
            self.position = history.position

    def pass_on(self, publication: Publication) -> set[WebSocket]:
        """Take note that *publication* is delivered; return to whom it was told before."""
        self.position = position = publication.position
        for late in self.late.values():
            late.keep(publication)
        told = {ws for ws, until in self.ahead.items() if not is_after(position, until)}
        self.ahead = {ws: until for ws, until in self.ahead.items() if ws in told}
        return told

    def forget(self, ws: WebSocket) -> None:
        """Forget what was known of a member."""
        self.resuming.pop(ws, None)
        self.ahead.pop(ws, None)


def is_after(position: Position | None, other: Position) -> bool:
    """Return whether who stands at *other* has yet to be told what is at *position*."""
    return position is None or position.epoch != other.epoch or position.offset > other.offset
