"""RedisBroker: what geventws.interfaces.IBroker promises, for all processes that share a Redis."""

from __future__ import annotations

import logging
import os
from secrets import token_bytes
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

import gevent
from gevent.event import Event
from zope.interface import implementer

from geventws.adapters.redis.attendance import LIFE, Attendance
from geventws.adapters.redis.envelope import NODE, NOWHERE, pack
from geventws.adapters.redis.filling import Filler, Memory, Unrecovered
from geventws.adapters.redis.links import Source
from geventws.adapters.redis.nodes import Book, Place, book, nodes_of, place
from geventws.adapters.redis.pipe import Delays, Request
from geventws.adapters.redis.scripts import PUBLISH
from geventws.adapters.redis.subscriber import Listener
from geventws.adapters.redis.tracks import Known, Track
from geventws.broker import (
    Deliver,
    History,
    Position,
    check_memory,
    check_message,
    check_room,
    new_epoch,
)
from geventws.events import notify
from geventws.interfaces import IBroker

PUBLISHED: Final = 1024  # rooms

logger = logging.getLogger("geventws")


class Counts:
    """What went wrong so far.

    Attributes:
        losses: how often the connection that listens was lost, or could not be opened.
        unrecovered: how often a room had a gap that the history could not fill.
        lost: how many publications are known to be missing in those gaps.
        foreign: what came in a room and is no publication of this version.
    """

    def __init__(self) -> None:
        self.losses = self.unrecovered = self.lost = self.foreign = 0


@implementer(IBroker)
class RedisBroker:
    """Rooms, history and presence in Redis, shared by all processes that give the same URL.

    Make one in each process, after a fork, and give it to any number of managers. It connects when
    it is first used, connects again whenever that is lost, and then fills from the history what was
    published meanwhile. Use it in one hub's thread.

    Args:
        url: redis://[[user]:password@]host[:port][/db], rediss:// for TLS, unix://path[?db=n];
            redis+sentinel://host:port,host:port/service[/db] for the master that sentinels know;
            redis+cluster://host[:port] for a cluster, of which any node will do. The latter two
            have TLS as rediss+....
        prefix: what the names of all keys and channels begin with.
        history: how many publications of a room are remembered. With 0 nothing is: publishing is
            cheaper then, positions are None, and what is published while a connection is lost is
            lost. All processes must say the same.
        history_ttl: seconds after which the messages of a room are forgotten where none is added.
        presence_ttl: seconds after which the members of a dead process are gone.
        timeout: seconds that a call may take, or a connection to answer.
        **options: more of what redis-py's Connection takes, as ssl_ca_certs or username.

    Raises:
        TypeError, ValueError: an argument is wrong.

    Attributes:
        counts: what went wrong so far, a Counts.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "geventws:",
        history: int = 100,
        history_ttl: float = 300.0,
        presence_ttl: float = 30.0,
        timeout: float = 5.0,
        **options: Any,
    ) -> None:
        _check_prefix(prefix)
        check_memory(history, history_ttl=history_ttl, presence_ttl=presence_ttl, timeout=timeout)
        self._prefix = prefix
        self._size = history
        # where a room stands is remembered as long as its members are, who keep it alive
        life = max(presence_ttl, LIFE)
        self._ttls = int(history_ttl * 1000), int(max(history_ttl, life) * 1000)
        self._timeout = timeout
        self._node = b""
        self._number = 0
        self._ended = ""  # why it can be used no more
        self._tracks: dict[str, Track] = {}
        self._published: dict[str, Position] = {}  # the last ones, by room
        self.counts = Counts()
        self._listener = _Listener(self)
        self._nodes = nodes_of(Source(url, timeout, options), self._listener)
        self._memory = Memory(self._nodes, self._ttls[1], timeout, self._listener.strange)
        self._filler = Filler(self._memory, self._place, self._missed)
        self._attendance = Attendance(
            *(self._nodes, self._place, self._book, presence_ttl, self._ttls[1], timeout)
        )

    def subscribe(self, room: str, deliver: Deliver) -> None:
        """Have deliver(publication) called for each publication in *room* from now on.

        It is called in the order of the positions, once for each, by one greenlet at a time, and
        must not wait, or all rooms wait. What it raises is given to the hub's handle_error().

        Where Redis was lost and what was published meanwhile is not all remembered, what is missing
        is counted and told by an Unrecovered event, and the rest is delivered.

        Raises:
            ConnectionError: Redis did not answer in time; nothing is subscribed then.
        """
        self._begin(room)
        track = self._tracks.get(room)
        if track is None:
            track = self._tracks[room] = Track(room, self._place(room).channel, self._size > 0)
        subscribed = deliver in track.delivers
        track.delivers[deliver] = None
        try:
            self._follow(track)
            subscribed = True
        finally:
            if not subscribed:
                self._remove(track, deliver)

    def _follow(self, track: Track) -> None:
        deadline = monotonic() + self._timeout
        subscriber = self._nodes.follow(track, deadline)
        if not track.delivers:  # it was unsubscribed meanwhile
            self._nodes.unfollow(track)
        elif not track.ready.wait(max(0.0, deadline - monotonic())):
            raise ConnectionError("redis: not subscribed in time") from (
                subscriber.error or track.error
            )
        if self._ended:
            raise ConnectionError(self._ended)

    def unsubscribe(self, room: str, deliver: Deliver) -> None:
        """Call *deliver* for *room* no more; nothing where it was not subscribed. Does not wait."""
        track = self._tracks.get(room)
        if track is not None:
            self._remove(track, deliver)

    def _remove(self, track: Track, deliver: Deliver) -> None:
        track.delivers.pop(deliver, None)
        if not track.delivers and self._tracks.get(track.room) is track:
            del self._tracks[track.room]
            self._nodes.unfollow(track)
            track.ready.set()  # nobody is to wait for it any more

    def publish(self, room: str, message: str | bytes, exclude: Any = ()) -> Position | None:
        """Publish *message* in *room*; return its Position, None without history.

        With history it is published once or not at all: where the reply was lost, it is asked for
        again, and does not appear twice. Without, an attempt whose reply was lost is not repeated.

        Args:
            exclude: the ids of members who are not meant.

        Raises:
            TypeError, ValueError: an argument is wrong.
            ConnectionError: there was no answer in time; whether it was published, nobody knows.
        """
        self._begin(room)
        check_message(message)
        self._number += 1
        body = pack(message, frozenset(exclude), self._node, self._number)
        place = self._place(room)
        if not self._size:
            request = Request(self._nodes.publish, place.channel, body + NOWHERE)
            self._nodes.ask(place.channel, request, self._timeout)
            return None
        epoch, offset = self._nodes.ask(place.meta, self._request(room, place, body), self._timeout)
        if not offset:
            raise ConnectionError("redis: the history does not tell whether it was published")
        position = Position(offset, epoch.decode("ascii"))
        self._note(room, position)
        return position

    def _note(self, room: str, position: Position) -> None:
        """Remember what a Redis that came back older would not know."""
        self._published.pop(room, None)
        self._published[room] = position
        if len(self._published) > PUBLISHED:
            del self._published[next(iter(self._published))]

    def _known(self, room: str) -> Known:
        """Return what this process was told of *room*."""
        track = self._tracks.get(room)
        return track.known if track and track.position else Known(*self._published.get(room, ()))

    def _request(self, room: str, place: Place, body: bytes) -> Request:
        known = self._known(room)
        return Request(
            *(place.meta, place.stream, place.channel, body, self._size, *self._ttls),
            *(known.epoch, known.offset, " ".join(known.over), new_epoch()),
            *(self._node, self._number),
            self._nodes.publish,
            script=PUBLISH,
            keys=3,
        )

    def history(self, room: str, since: Position | None = None) -> History:
        """Return what was published in *room* after *since*, or all that is remembered.

        *recovered* is true where nothing is missing between *since* and now. That may come from a
        stranger: a position that never was is not recovered, and changes nothing.

        Raises:
            ConnectionError: Redis did not answer in time.
        """
        self._begin(room)
        if not self._size:
            return History([], None, since is None)
        return self._memory.history(room, self._place(room), self._known(room), since)

    def enter(self, room: str, member: str, info: Any = None) -> None:
        """Have presence() name *member* until leave(), or *presence_ttl* after the process is gone.

        Does not wait: a Redis that cannot be reached is told later.

        Raises:
            TypeError, ValueError: *info* is no JSON value.
        """
        check_room(room)
        if not self._ended:
            self._begin(room)
            self._attendance.enter(room, member, info)

    def leave(self, room: str, member: str) -> None:
        """Have presence() name *member* no more. Does not wait, as enter()."""
        if not self._ended:
            self._attendance.leave(room, member)

    def presence(self, room: str) -> dict[str, Any]:
        """Return who is in *room*, in any process: their info by id.

        Raises:
            ConnectionError: Redis did not answer in time.
        """
        self._begin(room)
        return self._attendance.read(room)

    def close(self) -> None:
        """Let go of everything; what this process said of presence is taken back.

        Waits for that at most *timeout* seconds. Who waits in another method gets ConnectionError.
        """
        if self._ended:
            return
        self._ended = "the broker is closed"
        self._listener.close()
        self._filler.close()
        self._attendance.close()
        self._let_go()

    def _let_go(self) -> None:
        self._nodes.close()
        tracks, self._tracks = self._tracks, {}
        for track in tracks.values():
            track.delivers.clear()
            track.ready.set()

    def _begin(self, room: str) -> None:
        """Check that *room* is one, and that the broker can be used here."""
        check_room(room)
        if self._ended:
            raise ConnectionError(self._ended)
        if not self._node:
            self._node = token_bytes(NODE)
            _used.add(self)

    def _abandon(self) -> None:
        """In a child of the process that uses it: leave its connections alone."""
        self._ended = "the broker was used before the fork"
        self._listener.close()
        self._filler.close()
        self._attendance.abandon()
        self._let_go()

    def _place(self, room: str) -> Place:
        return place(self._prefix, room)

    def _book(self, room: str) -> Book:
        return book(self._prefix, room, self._nodes.books)

    def _missed(self, room: str, since: Position, history: History) -> None:
        self.counts.unrecovered += 1
        first = since.offset if history.position and history.position.epoch == since.epoch else 0
        if history.position is not None:
            self.counts.lost += history.position.offset - first - len(history.publications)
            notify(Unrecovered(self, room, since, history.position))


class _Listener(Listener):
    """What the broker does about what its connections find."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker
        self._wake = Event()
        self._mover: gevent.Greenlet[..., None] | None = None

    def fill(self, track: Track) -> None:
        """Fill what *track* has missed."""
        self._broker._filler.fill(track)

    def lost(self) -> None:
        """Count it, look where the rooms are now, and name all members again: Redis may be new."""
        self._broker.counts.losses += 1
        self._broker._attendance.repeat()
        self.stale()

    def stale(self) -> None:
        """Look where the rooms are now."""
        if self._broker._nodes.is_sharded:
            self._wake.set()
            if self._mover is None:
                self._mover = gevent.spawn(self._move)

    def foreign(self, track: Track, error: ValueError) -> None:
        """Count it."""
        self.strange(track.room, error)

    def strange(self, room: str, error: ValueError) -> None:
        """Count what is no publication, and log the first."""
        counts = self._broker.counts
        counts.foreign += 1
        level = logging.WARNING if counts.foreign == 1 else logging.DEBUG
        logger.log(level, "room %r: what came is no publication: %s", room, error)

    def close(self) -> None:
        """Look no more."""
        if self._mover is not None:
            self._mover.kill(block=False)

    def _move(self) -> None:
        delays = Delays()
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                self._broker._nodes.move()
            except ConnectionError as error:
                logger.info("%s", error)
                self._wake.set()
            delays.wait()


def _check_prefix(prefix: object) -> None:
    if not isinstance(prefix, str):
        raise TypeError(f"prefix: a str, not {type(prefix).__name__}")
    if "{" in prefix or "}" in prefix:
        raise ValueError("prefix: without braces, which are for clusters")


_used: WeakSet[RedisBroker] = WeakSet()


def _after_fork() -> None:
    for broker in list(_used):
        broker._abandon()


os.register_at_fork(after_in_child=_after_fork)
