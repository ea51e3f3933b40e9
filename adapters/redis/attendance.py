"""Who is in a room: named in Redis once, and there while this process says that it lives.

enter(), leave() -> what changed -> a greenlet -> Redis; each third of the TTL: a beat for each book
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, islice
from secrets import token_bytes
from time import monotonic
from typing import Any, Final

import gevent
from gevent.event import Event
from gevent.pool import Group

from geventws.adapters.redis.envelope import NODE
from geventws.adapters.redis.nodes import Book, Nodes, Place
from geventws.adapters.redis.pipe import Delays, Request
from geventws.adapters.redis.scripts import ATTEND, PRESENCE

MEMBERS: Final = 200  # told at once
WORKERS: Final = 8  # rooms told of at once
LIFE: Final = 3600.0  # seconds for which members are kept that nobody names, at least

logger = logging.getLogger("geventws")


class Attendance:
    """The members that this process has in the rooms.

    Args:
        ttl: seconds for which this process lives without a beat.
        keep: milliseconds for which a room is remembered where nobody names its members.
    """

    def __init__(
        self,
        nodes: Nodes,
        name: Callable[[str], Place],
        book: Callable[[str], Book],
        ttl: float,
        keep: int,
        timeout: float,
    ) -> None:
        self._nodes = nodes
        self._name = name
        self._book = book
        self._ttl = ttl
        self._keep = keep
        self._timeout = timeout
        self._node = b""
        self._members: dict[str, dict[str, bytes]] = {}
        self._kept: set[str] = set()  # rooms whose epoch lives as long as what was told
        self._books: dict[bytes, dict[str, None]] = {}  # the rooms with members, by their beats
        self._alive: set[bytes] = set()  # beats that were heard, with all members told since
        self._changed: dict[str, dict[str, None]] = {}
        self._telling: dict[str, Event] = {}  # the rooms that Redis is told of, until it is
        self._wake = Event()
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._beating = Group()
        self._closed = False

    def enter(self, room: str, member: str, info: Any) -> None:
        """Say that *member* is here.

        Raises:
            TypeError, ValueError: *info* is no JSON, or a name no UTF-8.
        """
        beats = self._book(room).beats
        member.encode()
        text = json.dumps(info, allow_nan=False, separators=(",", ":")).encode()
        self._node = self._node or token_bytes(NODE)
        self._members.setdefault(room, {})[member] = self._node + text
        self._books.setdefault(beats, {})[room] = None
        self._change(room, [member])

    def leave(self, room: str, member: str) -> None:
        """Say that *member* is gone, if it was here."""
        members = self._members.get(room, {})
        if members.pop(member, None) is None:
            return
        if not members:
            self._leave(room)
        self._change(room, [member])

    def _leave(self, room: str) -> None:
        del self._members[room]
        self._kept.discard(room)
        beats = self._book(room).beats
        del self._books[beats][room]
        if not self._books[beats]:
            del self._books[beats]
            self._alive.discard(beats)

    def read(self, room: str) -> dict[str, Any]:
        """Return who is in *room*. Raises ConnectionError."""
        self._flush(room)
        beats, key = self._book(room)
        mine = list(self._members.get(room, ()))
        request = Request(key, beats, script=PRESENCE, keys=2)
        reply = iter(self._nodes.ask(key, request, self._timeout))
        found = {
            member.decode(): json.loads(info) for member, info in zip(reply, reply, strict=True)
        }
        if missing := [member for member in mine if member not in found]:
            self._change(room, missing)  # Redis has dropped them, and what else?
            self._beating.spawn(self._try_to_beat, beats)
        return found

    def repeat(self) -> None:
        """Name all members once more; does not wait."""
        self._alive.clear()
        self._kept.clear()
        self._note_all(self._members)
        self._wake.set()

    def _note_all(self, rooms: Iterable[str]) -> None:
        for room in rooms:
            self._note(room, self._members[room])

    def close(self) -> None:
        """Take back all that was said; where Redis does not hear it in time, its TTL does."""
        self._stop()
        self._note_all(self._members)
        books, self._members, self._books = self._books, {}, {}
        workers: list[gevent.Greenlet[..., None]] = []
        workers += [gevent.spawn(self._die, beats) for beats in books]  # which hides all, and soon
        workers += [gevent.spawn(self._take_back) for _ in range(min(WORKERS, len(self._changed)))]
        gevent.joinall(workers, timeout=self._timeout)
        gevent.killall(workers, block=False)

    def abandon(self) -> None:
        """Forget all, and say nothing."""
        self._stop()
        self._members = {}
        self._books = {}
        self._changed = {}

    def _stop(self) -> None:
        self._closed = True
        for greenlet in self._greenlets:
            greenlet.kill(block=False)
        self._greenlets = []
        self._beating.kill(block=False)

    def _take_back(self) -> None:
        try:
            self._tell_all()
        except ConnectionError as error:
            logger.info("presence: %s", error)

    def _note(self, room: str, members: Iterable[str]) -> None:
        self._changed.setdefault(room, {}).update(dict.fromkeys(members))

    def _change(self, room: str, members: Iterable[str]) -> None:
        self._note(room, members)
        self._wake.set()
        if not self._greenlets and not self._closed:
            workers = [gevent.spawn(self._work) for _ in range(WORKERS)]
            self._greenlets = [gevent.spawn(self._refresh), *workers]

    def _refresh(self) -> None:
        named = monotonic()
        while True:
            gevent.sleep(self._ttl / 3)
            if monotonic() - named > self._keep / 3000:
                named = monotonic()
                self.repeat()
            for beats in self._books:  # at once: one that is not heard keeps no other waiting
                self._beating.spawn(self._try_to_beat, beats)

    def _try_to_beat(self, beats: bytes) -> None:
        try:
            self._beat(beats)
        except ConnectionError as error:
            logger.info("presence: %s", error)

    def _beat(self, beats: bytes) -> None:
        """Say that this process lives; where that was forgotten, name all. Raises ConnectionError.

        What a beat finds does not hang on whether Redis has heard it before, so it may be repeated.
        """
        key, ttl = beats + self._node, int(self._ttl * 1000)
        if beats in self._alive:
            request = Request("PEXPIRE", key, ttl, harmless=True)
            if self._nodes.ask(key, request, self._timeout):
                return
            self._alive.discard(beats)
        request = Request("SET", key, "", "PX", ttl, harmless=True)
        self._nodes.ask(key, request, self._timeout)
        if beats in self._books:
            self._alive.add(beats)
            self._note_all(self._books[beats])
            self._wake.set()

    def _work(self) -> None:
        delays = Delays()
        while True:
            self._wake.wait()
            try:
                self._tell_all()
            except ConnectionError as error:
                logger.info("presence: %s", error)
                delays.wait()
            else:
                delays.reset()

    def _tell_all(self) -> None:
        self._wake.clear()
        while room := self._next():
            self._flush(room)

    def _next(self) -> str | None:
        """Return a room that changed, and that nobody tells of, who would go on with it."""
        return next((room for room in self._changed if room not in self._telling), None)

    def _flush(self, room: str) -> None:
        """Tell Redis what changed in *room*. Raises ConnectionError; then it is yet to be told."""
        while told := self._telling.get(room):
            if not told.wait(self._timeout):
                raise ConnectionError("redis: no answer in time")
        told = self._telling[room] = Event()
        try:
            self._tell_changes(room)
        finally:
            del self._telling[room]
            told.set()

    def _tell_changes(self, room: str) -> None:
        while changed := self._changed.get(room):
            members = list(islice(changed, MEMBERS))
            for member in members:
                del changed[member]
            if not changed:
                del self._changed[room]
            try:
                self._tell(room, members)
            except BaseException:
                self._note(room, members)
                self._wake.set()
                raise

    def _tell(self, room: str, members: list[str]) -> None:
        here = self._members.get(room, {})
        entering = {each: here[each] for each in members if each in here}
        leaving = [each for each in members if each not in here]
        beats, key = self._book(room)
        if entering:
            self._prepare(room, beats)
        request = Request(
            *(key, self._keep, len(entering), *chain.from_iterable(entering.items()), *leaving),
            script=ATTEND,
            keys=1,
        )
        self._nodes.ask(key, request, self._timeout)
        here = self._members.get(room, {})
        # who has changed since was told of meanwhile, and that may have come first
        if stale := [each for each in members if here.get(each) != entering.get(each)]:
            self._change(room, stale)

    def _die(self, beats: bytes) -> None:
        key = beats + self._node
        with suppress(ConnectionError):
            self._nodes.ask(key, Request("DEL", key, harmless=True), self._timeout)

    def _prepare(self, room: str, beats: bytes) -> None:
        """Have the process be known to live, and where the room stands be remembered as long."""
        if beats not in self._alive:
            self._beat(beats)
        if room not in self._kept:
            meta = self._name(room).meta
            request = Request("PEXPIRE", meta, self._keep, harmless=True)
            self._nodes.ask(meta, request, self._timeout)
            if room in self._members:
                self._kept.add(room)
