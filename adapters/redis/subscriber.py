"""What Redis tells of: one connection that is subscribed to the channels of a node's tracks.

a track -> the steering greenlet: SUBSCRIBE -> the reading greenlet: confirmed; messages -> track
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import gevent
from gevent.event import Event
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from geventws.adapters.redis.envelope import unpack
from geventws.adapters.redis.links import Link
from geventws.adapters.redis.pipe import Delays
from geventws.adapters.redis.tracks import Track
from geventws.transport import breathe

STRETCH: Final = 64  # messages; without a pause timers would be late under a flood
CHANNELS: Final = 500  # in one command

logger = logging.getLogger("geventws")


class Words(NamedTuple):
    """How Redis calls things, in channels of all nodes of a cluster or of one."""

    subscribe: str
    unsubscribe: str
    subscribed: bytes
    unsubscribed: bytes
    message: bytes


PLAIN: Final = Words("SUBSCRIBE", "UNSUBSCRIBE", b"subscribe", b"unsubscribe", b"message")
SHARDED: Final = Words("SSUBSCRIBE", "SUNSUBSCRIBE", b"ssubscribe", b"sunsubscribe", b"smessage")


class Listener:
    """Who wants to know what a Subscriber finds; its methods do not wait."""

    def fill(self, track: Track) -> None:
        """See to it that what *track* has missed is looked for."""

    def lost(self) -> None:
        """Take note that a connection was lost."""

    def stale(self) -> None:
        """Take note that rooms may be elsewhere now."""

    def foreign(self, track: Track, error: ValueError) -> None:
        """Take note that something else than a publication came for *track*."""


class Subscriber:
    """One connection that is subscribed to what its tracks need; it opens by itself.

    A connection on which nothing comes for as long as its socket may wait is tried with a PING;
    where nothing comes for as long again, it is lost.

    Attributes:
        error: why there is no connection.
    """

    def __init__(self, link: Link, words: Words, listener: Listener) -> None:
        self._link = link
        self._words = words
        self._listener = listener
        self._delays = Delays()
        self._tracks: dict[bytes, Track] = {}
        self._reader: gevent.Greenlet[..., None] | None = None
        self._closed = False
        self.error: Exception | None = None
        # of the present connection
        self._asked: dict[bytes, Track] = {}
        self._unconfirmed: dict[bytes, deque[Track]] = {}
        self._changed: dict[bytes, None] = {}
        self._is_silent = False
        self._wake = Event()

    def add(self, track: Track) -> None:
        """Have *track* be told of what is published, as soon as possible."""
        self._tracks[track.channel] = track
        self._change(track)
        if self._reader is None and not self._closed:
            self._reader = gevent.spawn(self._run)

    def drop(self, track: Track) -> None:
        """Have *track* be told of nothing any more."""
        if self._tracks.get(track.channel) is track:
            del self._tracks[track.channel]
            self._change(track)

    def tracks(self) -> list[Track]:
        """Return the tracks as they are now."""
        return list(self._tracks.values())

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        if self._reader is not None:
            self._reader.kill(block=False)
        self._link.disconnect()

    def _change(self, track: Track) -> None:
        self._changed[track.channel] = None
        self._wake.set()

    def _run(self) -> None:
        while True:
            try:
                self._link.connect()
                self._listen()
            except (RedisError, OSError) as error:
                if self._closed:
                    return
                level = logging.WARNING if self.error is None else logging.DEBUG
                logger.log(level, "redis: %s", error)
                self.error = error
            self._forget()
            self._listener.lost()
            self._delays.wait()

    def _forget(self) -> None:
        """Forget the connection."""
        self._link.disconnect()
        for track in self.tracks():
            track.lose()

    def _listen(self) -> None:
        self._asked.clear()
        self._unconfirmed.clear()
        self._changed.update(dict.fromkeys(self._tracks))
        self._is_silent = False
        self._wake.set()
        steerer = gevent.spawn(self._steer)
        try:
            self._read()
        finally:
            steerer.kill(block=False)

    def _read(self) -> None:
        while True:
            for _ in range(STRETCH):
                try:
                    answer = self._link.read(disconnect_on_error=False)
                except RedisTimeoutError:
                    if self._is_silent:
                        raise
                    self._is_silent = True
                    self._wake.set()
                else:
                    self._is_silent = False
                    self._delays.reset()
                    self.error = None
                    if isinstance(answer, list) and len(answer) == 3:
                        self._take(*answer)
            breathe()

    def _take(self, kind: bytes, channel: bytes, data: bytes) -> None:
        if kind == self._words.message:
            track = self._tracks.get(channel)
            if track is not None:
                self._offer(track, data)
        elif kind == self._words.subscribed:
            self._confirm(channel)
        elif kind == self._words.unsubscribed:
            self._unsubscribed(channel)

    def _offer(self, track: Track, data: bytes) -> None:
        try:
            publication = unpack(track.room, data)
        except ValueError as error:
            self._listener.foreign(track, error)
            return
        if track.offer(publication):
            self._listener.fill(track)

    def _confirm(self, channel: bytes) -> None:
        waiting = self._unconfirmed[channel]
        track = waiting.popleft()
        if not waiting:
            del self._unconfirmed[channel]
        if self._tracks.get(channel) is track and track.confirm():
            self._listener.fill(track)

    def _unsubscribed(self, channel: bytes) -> None:
        """Where we have not asked for it, the channel was moved to another node."""
        track = self._asked.get(channel)
        if track is not None and channel not in self._unconfirmed:
            del self._asked[channel]
            track.lose()
            self._listener.stale()

    def _steer(self) -> None:
        """Write what changes of the subscriptions; the only greenlet that writes."""
        try:
            while True:
                self._wake.wait()
                self._wake.clear()
                if self._is_silent:
                    self._link.send(self._link.pack([("PING",)]), check_health=False)
                while self._changed:
                    commands = list(self._commands())
                    self._link.send(self._link.pack(commands), check_health=False)
        except (RedisError, OSError):
            self._link.disconnect()  # which the reader notices

    def _commands(self) -> Iterator[tuple[str | bytes, ...]]:
        """Yield what to write for up to so many changes."""
        changed = [self._changed.popitem()[0] for _ in range(min(CHANNELS, len(self._changed)))]
        new = [each for each in changed if self._tracks.get(each) is not self._asked.get(each)]
        yield from self._divide(self._words.subscribe, (c for c in new if c in self._tracks))
        yield from self._divide(self._words.unsubscribe, (c for c in new if c not in self._tracks))
        for channel in new:
            self._ask(channel)

    def _ask(self, channel: bytes) -> None:
        track = self._tracks.get(channel)
        if track is None:
            del self._asked[channel]
        else:
            self._asked[channel] = track
            self._unconfirmed.setdefault(channel, deque()).append(track)

    def _divide(self, word: str, channels: Iterable[bytes]) -> Iterator[tuple[str | bytes, ...]]:
        """Yield one command, or on a cluster one for each channel: their slots differ."""
        if self._words is SHARDED:
            yield from ((word, channel) for channel in channels)
        elif every := tuple(channels):
            yield (word, *every)
