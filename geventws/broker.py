"""What is published in a room, where it stands there, and what a room remembers; in one process.

publish() -> Publication -> deliver() of each who subscribed        Position -> history() -> History

MemoryBroker is the engine without a server. Every engine keeps the contract IBroker, and passes one
suite of tests.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final, NamedTuple

from zope.interface import classImplements

from geventws.clock import monotonic
from geventws.interfaces import IBroker

EVERYBODY: Final = ""  # the room of a broadcast that names none
MAX_NAME: Final = 200  # characters of a room's name


class Position(NamedTuple):
    """Where a publication stands in its room.

    Attributes:
        offset: 1 for the first publication of an epoch, then one more for each.
        epoch: names the memory that counts so; another epoch has nothing in common with this one.
    """

    offset: int
    epoch: str


class Publication(NamedTuple):
    """One message in one room.

    Attributes:
        room: the room's name.
        message: str for text, bytes for binary.
        position: where it stands, or None where the room remembers nothing.
        exclude: the ids of members who are not meant.
    """

    room: str
    message: str | bytes
    position: Position | None = None
    exclude: frozenset[str] = frozenset()


class History(NamedTuple):
    """What a room remembers.

    Attributes:
        publications: those that were asked for and are still known, the oldest first.
        position: where the room stands now; None where it remembers nothing.
        recovered: whether nothing is missing between what was asked for and now.
    """

    publications: list[Publication]
    position: Position | None
    recovered: bool

    def after(self, since: Position) -> History:
        """Return what of this, which is all that is remembered, came after *since*."""
        known, now = self.publications, self.position
        if now is None or now.epoch != since.epoch:
            return self._replace(recovered=False)
        missed = now.offset - since.offset
        if not 0 <= missed <= len(known):
            return self._replace(recovered=False)
        return self._replace(publications=known[len(known) - missed :])


Deliver = Callable[[Publication], object]


def check_room(room: Any, shortest: int = 0) -> None:
    """Raise TypeError or ValueError where *room* is no name; *shortest* 1 refuses EVERYBODY."""
    if not isinstance(room, str):
        raise TypeError(f"room: a str, not {type(room).__name__}")
    if not shortest <= len(room) <= MAX_NAME:
        raise ValueError(f"room: from {shortest} to {MAX_NAME} characters")


def check_message(message: Any) -> None:
    """Raise TypeError where *message* is neither str nor bytes, UnicodeEncodeError if no UTF-8."""
    if isinstance(message, str):
        message.encode()
    elif not isinstance(message, bytes):
        raise TypeError(f"message: str or bytes, not {type(message).__name__}")


def check_memory(history: Any, **ttls: Any) -> None:
    """Raise TypeError or ValueError where a broker's arguments of these names are wrong."""
    if not isinstance(history, int) or isinstance(history, bool):
        raise TypeError("history: an int")
    if history < 0:
        raise ValueError("history: must not be negative")
    for name, ttl in ttls.items():
        if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
            raise TypeError(f"{name}: a number of seconds")
        if not 0 < ttl < inf:
            raise ValueError(f"{name}: must be greater than 0 and finite")


def new_epoch() -> str:
    """Return a name for a memory that begins: 8 characters by chance."""
    return secrets.token_urlsafe(6)


class MemoryBroker:
    """The broker inside one process: the Managers that share it are the nodes.

    It keeps the contract of every broker, IBroker, and never waits but where publish() delivers.
    Use it in one hub's thread.

    Args:
        history: how many publications a room remembers; 0 is none, and there are no positions.
        history_ttl: seconds after a room's last publication; then it forgets them, and begins a new
            epoch unless somebody is subscribed.
        presence_ttl: of no effect here, where members cannot outlive what knows them.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    def __init__(
        self, *, history: int = 100, history_ttl: float = 300.0, presence_ttl: float = 30.0
    ) -> None:
        check_memory(history, history_ttl=history_ttl, presence_ttl=presence_ttl)
        self._size = history
        self._ttl = history_ttl
        self._logs: dict[str, _Log] = {}  # who was published in last comes last
        self._subscribed: dict[str, dict[Deliver, deque[Publication]]] = {}  # and what is due
        self._present: dict[str, dict[str, str]] = {}  # what is known of members, as JSON
        self._closed = False

    def subscribe(self, room: str, deliver: Deliver) -> None:
        """Have deliver(publication) called for each publication in *room* from now on; see IBroker.

        Raises:
            ConnectionError: the broker is closed.
        """
        self._check(room)
        self._subscribed.setdefault(room, {}).setdefault(deliver, deque())

    def unsubscribe(self, room: str, deliver: Deliver) -> None:
        """Call *deliver* for *room* no more."""
        subscribed = self._subscribed.get(room, {})
        subscribed.pop(deliver, deque()).clear()
        if not subscribed:
            self._subscribed.pop(room, None)

    def publish(
        self, room: str, message: str | bytes, exclude: Iterable[str] = ()
    ) -> Position | None:
        """Publish *message* in *room*; return its Position, None without history.

        Returns when every subscriber's deliver() has been called, by this or by a later publish()
        that overtook it, and those called by this have returned.

        Raises:
            ConnectionError: the broker is closed.
            TypeError, ValueError: an argument is wrong.
        """
        self._check(room)
        check_message(message)
        position = self._log(room, True).next_position() if self._size else None
        publication = Publication(room, message, position, frozenset(exclude))
        if self._size:
            self._logs[room].publications.append(publication)
        self._deliver(publication)
        return position

    def history(self, room: str, since: Position | None = None) -> History:
        """Return what *room* remembers, or what was published after *since*; see IBroker.

        Raises:
            ConnectionError: the broker is closed.
        """
        self._check(room)
        if not self._size:
            return History([], None, since is None)
        everything = self._log(room, False).history()
        return everything if since is None else everything.after(since)

    def enter(self, room: str, member: str, info: Any = None) -> None:
        """Have presence() name *member* until leave() or close().

        Raises:
            TypeError, ValueError: *info* is no JSON value.
        """
        if not self._closed:
            self._present.setdefault(room, {})[member] = json.dumps(info, allow_nan=False)

    def leave(self, room: str, member: str) -> None:
        """Have presence() name *member* no more."""
        present = self._present.get(room, {})
        present.pop(member, None)
        if not present:
            self._present.pop(room, None)

    def presence(self, room: str) -> dict[str, Any]:
        """Return who is in *room*, through whatever Manager: their info by id.

        Raises:
            ConnectionError: the broker is closed.
        """
        self._check(room)
        present = self._present.get(room, {})
        return {member: json.loads(info) for member, info in present.items()}

    def close(self) -> None:
        """Let go of everything. Closing twice is no error."""
        self._closed = True
        self._logs.clear()
        for room, subscribed in list(self._subscribed.items()):
            for deliver in list(subscribed):
                self.unsubscribe(room, deliver)
        self._present.clear()

    def _check(self, room: str) -> None:
        check_room(room)
        if self._closed:
            raise ConnectionError("the broker is closed")

    def _log(self, room: str, touch: bool) -> _Log:
        """Return the log of *room*; *touch* counts as a publication."""
        now = monotonic()
        self._forget(now - self._ttl)
        log = self._logs.get(room) or _Log(self._size, now)
        if touch:
            log.touched = now
            self._logs.pop(room, None)
        self._logs[room] = log
        return log

    def _forget(self, horizon: float) -> None:
        """Forget what was published before *horizon*, and where rooms stand that nobody follows."""
        while self._logs:
            room, log = next(iter(self._logs.items()))
            if log.touched > horizon:
                return
            del self._logs[room]
            if room in self._subscribed:
                log.publications.clear()
                log.touched = horizon + self._ttl
                self._logs[room] = log

    def _deliver(self, publication: Publication) -> None:
        """Call everybody, also where something is thrown into the caller meanwhile; then raise.

        A subscriber that lets others run may be overtaken by who publishes then: what is due to the
        others is theirs to deliver first.
        """
        subscribed = self._subscribed.get(publication.room, {})
        for due in subscribed.values():
            due.append(publication)
        problem: BaseException | None = None
        for deliver, due in list(subscribed.items()):
            while due:
                try:
                    deliver(due.popleft())
                except BaseException as error:
                    problem = problem or error
        if problem is not None:
            raise problem


class _Log:
    """What one room remembers."""

    __slots__ = ("_epoch", "_offset", "publications", "touched")

    def __init__(self, size: int, now: float) -> None:
        self._epoch = new_epoch()
        self._offset = 0
        self.publications: deque[Publication] = deque(maxlen=size)
        self.touched = now

    def next_position(self) -> Position:
        """Return the position of what is published now."""
        self._offset += 1
        return Position(self._offset, self._epoch)

    def history(self) -> History:
        """Return everything."""
        return History(list(self.publications), Position(self._offset, self._epoch), True)


classImplements(MemoryBroker, IBroker)
