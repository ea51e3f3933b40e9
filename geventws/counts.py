"""What a group of connections has done, those that are over included; no clock and no I/O.

Each connection counts for itself, in plain integers. Its numbers are added to those of its group
once, when it leaves; until then they are read where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from geventws.websocket import Stats

MAX_CODES: Final = 64  # close codes told apart: a peer may send any of 2,000
OTHER: Final = 0  # stands for all codes after those
NOTHING: Final = Stats(0, 0, 0, 0, 0, 0, 0, 0)


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
        self._past = list(NOTHING)  # of those that have left

    def leave(self, connection: Any) -> None:
        """Add what *connection* has done, once it leaves, and how it ended, if it did."""
        past = self._past
        for field, number in enumerate(connection.stats):
            past[field] += number
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

    def total(self, stats: Iterable[Stats]) -> Stats:
        """Return the sum of *stats*, those of the connections that are here, and of all before.

        *queued* is that of the former alone.
        """
        past = Stats(*self._past)
        here = _sum(NOTHING, *stats)
        return _sum(past, here)._replace(queued=here.queued)


def _sum(*stats: Stats) -> Stats:
    return Stats(*map(sum, zip(*stats, strict=True)))
