"""One room as a node follows it: who is told, how far that is, and what waits for a gap to close.

confirmed -> filling: what comes is held -> history -> what was held -> live -> lost -> confirmed
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Final, NamedTuple

import gevent
from gevent.event import Event

from geventws.broker import Deliver, Position, Publication

HELD: Final = 1024  # publications; with more the history is asked again
OVER: Final = 16  # epochs; a Redis that dies again and again comes back with the same one


class Known(NamedTuple):
    """What this process was told of a room.

    Attributes:
        offset: where it stood, at least.
        epoch: in which epoch; none before the history was asked.
        over: the epochs before that. What is in one of them again has come back older.
    """

    offset: int = 0
    epoch: str = ""
    over: tuple[str, ...] = ()


class Track:
    """A room that somebody of this process is subscribed to.

    Attributes:
        room: its name.
        channel: its channel's.
        delivers: who is told; nobody is when it is over.
        position: up to where everything was told of, None before the history was asked.
        over: the epochs before that of *position*.
        confirmed: whether Redis tells of publications.
        filling: whether somebody looks for what is between *position* and what is held.
        again: whether he has to look once more.
        ready: set while nothing can be missed.
        error: why the history could not be asked, if that was so.
    """

    def __init__(self, room: str, channel: bytes, remembers: bool) -> None:
        self.room = room
        self.channel = channel
        self._remembers = remembers
        self.delivers: dict[Deliver, None] = {}
        self.position: Position | None = None
        self.over: deque[str] = deque(maxlen=OVER)
        self.confirmed = False
        self.filling = False
        self.again = False
        self.ready = Event()
        self.error: Exception | None = None
        self._held: deque[Publication] = deque()
        self._asked = 0

    @property
    def known(self) -> Known:
        """What this process was told of the room."""
        offset, epoch = self.position or (0, "")
        return Known(offset, epoch, tuple(self.over))

    def move(self, position: Position) -> None:
        """Take note that everything up to *position* was told of, or is lost."""
        if self.position is not None and self.position.epoch != position.epoch:
            self.over.append(self.position.epoch)
        self.position = position

    def confirm(self) -> bool:
        """Take note that Redis tells of what is published; return whether to begin to fill."""
        self.confirmed = True
        if not self._remembers:
            self.ready.set()
            return False
        return self.begin_filling()

    def lose(self) -> None:
        """Take note that Redis tells of nothing any more."""
        self.confirmed = False
        self.ready.clear()

    def begin_filling(self) -> bool:
        """Hold what comes; return whether nobody fills yet."""
        self.again = True
        begun, self.filling = not self.filling, True
        return begun

    def offer(self, publication: Publication) -> bool:
        """Take what came from Redis: tell of it, or hold it; return whether to begin to fill."""
        if not self.confirmed:
            return False  # left over from another subscription of the same room
        if self.filling:
            self._hold(publication)
        elif self._is_behind(publication.position):
            self._hold(publication)
            return self.begin_filling()
        else:
            self.tell(publication)
        return False

    def _hold(self, publication: Publication) -> None:
        if len(self._held) >= HELD:
            self._held.clear()
            self.again = True
        else:
            self._held.append(publication)

    def _is_behind(self, position: Position | None) -> bool:
        """Return whether something is missing before *position*."""
        last = self.position
        if position is None or last is None:
            return False
        if position.epoch in self.over:
            return True
        return position.offset > (last.offset + 1 if position.epoch == last.epoch else 1)

    def _is_over(self, position: Position | None) -> bool:
        """Return whether *position*, of what was held first, is in an epoch that is over by now."""
        if self._asked <= 0 or position is None or self.position is None:
            return False
        return position.epoch != self.position.epoch

    def tell(self, publication: Publication) -> None:
        """Tell of *publication*, unless that was done."""
        last, position = self.position, publication.position
        if position is not None:
            if last is not None and last.epoch == position.epoch and position.offset <= last.offset:
                return
            self.move(position)
        for deliver in list(self.delivers):
            if deliver in self.delivers:  # another one may have unsubscribed it
                _call(deliver, publication)

    def begin_look(self) -> None:
        """Take note that the history is asked now: what is held came before that."""
        self.again = False
        self._asked = len(self._held)

    def catch_up(self) -> bool:
        """Tell of what was held, and go live; return whether the history is to be asked again."""
        while self._held and not self.again:
            if self._is_over(self._held[0].position):
                self._held.popleft()
            elif self._is_behind(self._held[0].position):
                return True
            else:
                self.tell(self._held.popleft())
            self._asked -= 1
        if self.again:
            return True
        self.filling = False
        if self.confirmed:
            self.ready.set()
        return False


def _call(deliver: Deliver, publication: Publication) -> None:
    try:
        deliver(publication)
    except (Exception, gevent.Timeout):
        gevent.get_hub().handle_error(deliver, *sys.exc_info())
