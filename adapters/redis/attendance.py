"""Who is in a room: kept alive in Redis while this process says so, by the clock of Redis.

enter(), leave() -> what changed -> a greenlet -> Redis, and all again each third of the TTL
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any, Final

import gevent
from gevent.event import Event

from geventws.adapters.redis.nodes import Nodes, Place
from geventws.adapters.redis.pipe import Delays, Request
from geventws.adapters.redis.scripts import ATTEND, PRESENCE

MEMBERS: Final = 200  # told at once
WORKERS: Final = 8  # rooms told of at once

logger = logging.getLogger("geventws")


class Attendance:
    """The members that this process has in the rooms.

    Args:
        ttl: seconds for which they are in a room without being named again.
        keep: milliseconds for which the epoch of a room with members is remembered.
    """

    def __init__(
        self, nodes: Nodes, name: Callable[[str], Place], ttl: float, keep: int, timeout: float
    ) -> None:
        self._nodes = nodes
        self._name = name
        self._ttl = ttl
        self._keep = keep
        self._timeout = timeout
        self._members: dict[str, dict[str, bytes]] = {}
        self._changed: dict[str, dict[str, None]] = {}
        self._wake = Event()
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._closed = False

    def enter(self, room: str, member: str, info: Any) -> None:
        """Say that *member* is here.

        Raises:
            TypeError, ValueError: *info* is no JSON, or a name no UTF-8.
        """
        self._name(room)
        member.encode()
        text = json.dumps(info, allow_nan=False, separators=(",", ":")).encode()
        self._members.setdefault(room, {})[member] = text
        self._change(room, [member])

    def leave(self, room: str, member: str) -> None:
        """Say that *member* is gone, if it was here."""
        members = self._members.get(room, {})
        if members.pop(member, None) is None:
            return
        if not members:
            del self._members[room]
        self._change(room, [member])

    def read(self, room: str) -> dict[str, Any]:
        """Return who is in *room*. Raises ConnectionError."""
        self._flush(room)
        place = self._name(room)
        request = Request(place.members, place.infos, script=PRESENCE, keys=2)
        found = iter(self._nodes.ask(place.members, request, self._timeout))
        return {
            member.decode(): json.loads(info) for member, info in zip(found, found, strict=True)
        }

    def repeat(self) -> None:
        """Name all members once more; does not wait."""
        for room, members in self._members.items():
            self._note(room, members)
        self._wake.set()

    def close(self) -> None:
        """Take back all that was said; where Redis does not hear it in time, its TTL does."""
        self._stop()
        rooms, self._members = self._members, {}
        for room, members in rooms.items():
            self._note(room, members)
        workers = [gevent.spawn(self._take_back) for _ in range(min(WORKERS, len(self._changed)))]
        gevent.joinall(workers, timeout=self._timeout)
        gevent.killall(workers, block=False)

    def abandon(self) -> None:
        """Forget all, and say nothing."""
        self._stop()
        self._members = {}
        self._changed = {}

    def _stop(self) -> None:
        self._closed = True
        for greenlet in self._greenlets:
            greenlet.kill(block=False)
        self._greenlets = []

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
        while True:
            gevent.sleep(self._ttl / 3)
            self.repeat()

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
        while self._changed:
            self._flush(next(iter(self._changed)))

    def _flush(self, room: str) -> None:
        """Tell Redis what changed in *room*. Raises ConnectionError; then it is yet to be told."""
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
        place = self._name(room)
        request = Request(
            *(place.members, place.infos, place.meta),
            *(int(self._ttl * 1000), len(entering), self._keep),
            *(*chain.from_iterable(entering.items()), *leaving),
            script=ATTEND,
            keys=3,
        )
        self._nodes.ask(place.members, request, self._timeout)
        here = self._members.get(room, {})
        # who has changed since was told of meanwhile, and that may have come first
        if stale := [each for each in members if here.get(each) != entering.get(each)]:
            self._change(room, stale)
