"""What a room remembers, and the gap between that and what Redis tells of.

a track that was confirmed again -> history since its position -> told of, in order -> live
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import gevent
from zope.interface import implementer

from geventws.adapters.redis.envelope import unpack_body
from geventws.adapters.redis.nodes import Nodes, Place
from geventws.adapters.redis.pipe import Delays, Request
from geventws.adapters.redis.scripts import HISTORY
from geventws.adapters.redis.tracks import Known, Track
from geventws.broker import History, Position, Publication, new_epoch
from geventws.events import IWebSocketEvent

PAGE: Final = 100  # publications read at once
WORKERS: Final = 64  # rooms that are filled at once


@implementer(IWebSocketEvent)
@dataclass(frozen=True, slots=True)
class Unrecovered:
    """Redis was lost for a while, and what was published in *room* meanwhile is not all known."""

    broker: Any
    room: str
    since: Position  # the last publication that was delivered before
    position: Position  # where the room stands now


class Page:
    """One look at what a room remembers.

    Attributes:
        position: where the room stands.
        publications: what was found.
        last: where the last entry stands, None where there is none.
        foreign: what is wrong with those entries that are no publications.
    """

    def __init__(self, room: str, reply: Any) -> None:
        epoch, offset, entries = reply
        self.position = Position(offset, epoch.decode("ascii"))
        self.publications: list[Publication] = []
        self.last: Position | None = None
        self.foreign: list[ValueError] = []
        for name, fields in entries:
            self.last = Position(int(name.partition(b"-")[0]), self.position.epoch)
            try:
                self.publications.append(unpack_body(room, fields[1], self.last))
            except ValueError as error:
                self.foreign.append(error)


class Memory:
    """What rooms remember, read page by page.

    Where a room stands before what is *known* of it here, it has come back older, and begins anew.

    Args:
        ttl: milliseconds for which a room's epoch is remembered.
        on_foreign: called with a room and what is wrong with an entry of its history.
    """

    def __init__(
        self,
        nodes: Nodes,
        ttl: int,
        timeout: float,
        on_foreign: Callable[[str, ValueError], None],
    ) -> None:
        self._nodes = nodes
        self._ttl = ttl
        self._timeout = timeout
        self._on_foreign = on_foreign

    def read(
        self, room: str, place: Place, known: Known, since: Position | None = None, size: int = PAGE
    ) -> Page:
        """Return up to *size* publications after *since*. Raises ConnectionError."""
        offset, epoch = since or (0, "")
        name = epoch.encode(errors="replace")  # it may come from a client
        request = Request(
            *(place.meta, place.stream, name, offset, size),
            *(known.epoch, known.offset, " ".join(known.over), new_epoch(), self._ttl),
            script=HISTORY,
            keys=2,
        )
        page = Page(room, self._nodes.ask(place.meta, request, self._timeout))
        for error in page.foreign:
            self._on_foreign(room, error)
        return page

    def history(self, room: str, place: Place, known: Known, since: Position | None) -> History:
        """Return what was published after *since*, up to now. Raises ConnectionError."""
        page = self.read(room, place, known, since)
        until = page.position
        found = page.publications
        while page.last is not None and page.last.offset < until.offset:
            page = self.read(room, place, known, page.last)
            if page.position.epoch != until.epoch:  # the memory was lost meanwhile
                found, until = [], page.position
            found.extend(page.publications)
        if found:
            until = max(until, found[-1].position or until)
        return History(found, until, is_whole(found, since, until))


def is_whole(found: list[Publication], since: Position | None, until: Position) -> bool:
    """Return whether nothing is missing in *found* between *since* and *until*."""
    if since is None:
        return True
    return since.epoch == until.epoch and len(found) == until.offset - since.offset


class Filler:
    """Brings tracks up to date, up to so many at once.

    Args:
        on_gap: called with a room and the History since its position where something is missing.
    """

    def __init__(
        self,
        memory: Memory,
        name: Callable[[str], Place],
        on_gap: Callable[[str, Position, History], None],
    ) -> None:
        self._memory = memory
        self._name = name
        self._on_gap = on_gap
        self._due: dict[Track, None] = {}
        self._workers: set[gevent.Greenlet[..., None]] = set()

    def fill(self, track: Track) -> None:
        """See to it that *track*, which holds what comes, catches up; does not wait."""
        self._due[track] = None
        if len(self._workers) < WORKERS:
            worker = gevent.spawn(self._work)
            self._workers.add(worker)
            worker.rawlink(self._workers.discard)

    def close(self) -> None:
        """Bring nothing up to date any more."""
        self._due.clear()
        for worker in list(self._workers):
            worker.kill(block=False)

    def _work(self) -> None:
        while self._due:
            track, _ = self._due.popitem()
            self._fill(track)

    def _fill(self, track: Track) -> None:
        delays = Delays()
        while track.delivers:
            track.begin_look()
            try:
                self._look(track)
            except ConnectionError as error:
                track.error = error
                track.again = True
                delays.wait()
            if not track.catch_up():
                return

    def _look(self, track: Track) -> None:
        place = self._name(track.room)
        since = track.position
        if since is None:
            track.move(self._memory.read(track.room, place, track.known, size=0).position)
            return
        history = self._memory.history(track.room, place, track.known, since)
        if not history.recovered:
            self._on_gap(track.room, since, history)
        for publication in history.publications:
            track.tell(publication)
        if history.position is not None and not history.recovered:
            track.move(history.position)
