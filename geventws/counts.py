"""What a group of connections has done, those that are over included; no clock and no I/O.

Each connection counts for itself, in plain integers. Its numbers are added to those of its group
once, when it leaves; until then they are read where they stand.

connection.stats, and the sum of those that have left -> total()
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import add
from typing import Any, Final, TypeVar

from geventws.websocket import Stats

MAX_CODES: Final = 64  # close codes told apart: a peer may send any of 2,000
OTHER: Final = 0  # stands for all codes after those
NOTHING: Final = Stats(0, 0, 0, 0, 0, 0, 0, 0)
C = TypeVar("C")


class Counts:
    """The counters of one group.

    Attributes:
        opened: connections that were taken in so far.
        closes: close codes, and how many connections ended with each; 0 is what is left over when
            there are 64 others.
        refused: HTTP statuses, and how many opening handshakes were refused with each.
        buffered: how often a broadcast had to wait for a slow peer.
        dropped: how often a slow peer missed a message, by the policy "drop_oldest" or "latest".
        not_sent: how often a broadcast found its connection closing, or too slow and closed it.
    """

    __slots__ = ("_past", "buffered", "closes", "dropped", "not_sent", "opened", "refused")

    def __init__(self) -> None:
        self.opened = 0
        self.closes: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self.buffered = self.dropped = self.not_sent = 0
        # of those that have left, and who is leaving just now: both change at once
        self._past: tuple[Stats, Any] = (NOTHING, None)

    def leave(self, connection: Any, group: dict[Any, None]) -> None:
        """Take *connection* out of *group*, keep what it has done, and how it ended if it did."""
        past = Stats._make(map(add, self._past[0], connection.stats))
        self._past = past, connection  # from here on it counts there alone, whoever looks
        del group[connection]
        self._past = past, None
        code = connection.close_code
        if code is not None:
            if code not in self.closes and len(self.closes) >= MAX_CODES:
                code = OTHER
            self.closes[code] = self.closes.get(code, 0) + 1

    def refuse(self, status: int) -> None:
        """Count an opening handshake that was refused with *status*."""
        self.refused[status] = self.refused.get(status, 0) + 1

    def note(self, result: Any) -> None:
        """Count whom a broadcast did not reach at once: its Result."""
        self.buffered += len(result.buffered)
        self.dropped += len(result.dropped)
        self.not_sent += len(result.closed)

    def total(self, group: Iterable[Any]) -> Stats:
        """Return what *group*, the manager, has done: who is in it, and who has left.

        *queued* is that of the former alone. May be called in any thread; see divide().
        """
        past, here = self.divide(group)
        return add_up(past, [connection.stats for connection in here])

    def divide(self, group: Iterable[C]) -> tuple[Stats, list[C]]:
        """Return what those did that have left *group*, the manager, and those that are in it.

        May be called in any thread: nobody is missing, and nobody counts twice, who leaves just
        then.
        """
        while True:
            past = self._past
            here = list(group)
            if self._past is past:
                return past[0], [each for each in here if each is not past[1]]


def add_up(past: Stats, here: Iterable[Stats]) -> Stats:
    """Return the sum of both; *queued* is that of *here* alone."""
    now = Stats._make(map(sum, zip(NOTHING, *here, strict=True)))
    return Stats._make(map(add, past, now))._replace(queued=now.queued)
