"""What was broadcast to one peer and waits until that takes more, and what is done when it is slow.

Encoded -> Backlog.keep -> Backlog.take -> the wire

A message waits here whole, so it can still be dropped; what the transport has can not.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

from geventws.core.message import Encoded

# what becomes of a broadcast on one connection
SENT: Final = 0  # the transport has it
BUFFERED: Final = 1  # it waits
DROPPED: Final = 2  # it waits in place of older ones; or, too large to wait, it is gone itself
CLOSED: Final = 3  # nothing can be sent any more
TOO_SLOW: Final = 4  # the peer is so far behind that the connection is to be closed

# slow-peer policies
BLOCK: Final = "block"
DROP_OLDEST: Final = "drop_oldest"
LATEST: Final = "latest"
CLOSE: Final = "close"
POLICIES: Final = (BLOCK, DROP_OLDEST, LATEST, CLOSE)


class SlowPeers(NamedTuple):
    """How much may wait for a slow peer, and the policy on more than that: one of POLICIES."""

    policy: str
    size: int  # bytes of payload
    messages: int


class Backlog:
    """The broadcasts that wait for one peer, oldest first.

    It is there from when a broadcast does not leave at once until all of them have left. *taken* is
    how many bytes the peer has taken so far, *now* the monotonic clock's seconds. *size* is how
    many bytes of payload wait.
    """

    __slots__ = ("_broadcasts", "_taken", "_taken_at", "_waiting", "size")

    def __init__(self, taken: int, now: float) -> None:
        self._broadcasts: deque[Encoded] = deque()
        self.size = 0
        self._waiting: list[list[Any]] | None = None  # how many must leave, and whom to tell then
        self._taken: int | None = taken
        self._taken_at = now

    def __len__(self) -> int:
        return len(self._broadcasts)

    def keep(self, broadcast: Encoded, slow: SlowPeers) -> int:
        """Let *broadcast* wait, or do what the policy on slow peers says; return what became of it.

        Of TOO_SLOW nothing is kept. "block" keeps any, and its caller has to wait for excess().
        """
        if slow.policy == LATEST and broadcast.size <= slow.size:
            missed = len(self)
            self.drop(missed)
            self._add(broadcast)
            return DROPPED if missed else BUFFERED
        self._add(broadcast)
        excess = self.excess(slow)
        if not excess or slow.policy == BLOCK:
            return BUFFERED
        if slow.policy == CLOSE:
            self.drop(len(self))
            return TOO_SLOW
        if excess < len(self):
            self.drop(excess)
        else:  # not even alone would it fit
            self.size -= self._broadcasts.pop().size
        return DROPPED

    def excess(self, slow: SlowPeers) -> int:
        """Return how many of the oldest must leave until the others are within the limits."""
        messages, size = len(self), self.size
        for gone, broadcast in enumerate(self._broadcasts):
            if messages - gone <= slow.messages and size <= slow.size:
                return gone
            size -= broadcast.size
        return messages

    def take(self) -> Encoded:
        """Return the oldest, which waits no more."""
        broadcast = self._broadcasts.popleft()
        self.size -= broadcast.size
        if self._waiting is not None:
            self._count_down()
        return broadcast

    def drop(self, count: int) -> None:
        """Forget the *count* oldest."""
        for _ in range(count):
            self.take()

    def tell(self, count: int, event: Any) -> None:
        """Set *event*, an IEvent, when the *count* oldest have left, sent or dropped."""
        if self._waiting is None:
            self._waiting = []
        self._waiting.append([count, event])

    def forget(self, event: Any) -> None:
        """Leave *event* alone from now on."""
        if self._waiting is not None:
            self._waiting = [entry for entry in self._waiting if entry[1] is not event] or None

    def is_stuck(self, taken: int | None, now: float, timeout: float) -> bool:
        """Return whether the peer has taken nothing for *timeout* seconds.

        *taken* None says that it could take more than there is.
        """
        if taken is None or taken != self._taken:
            self._taken = taken
            self._taken_at = now
        return now - self._taken_at >= timeout

    def _add(self, broadcast: Encoded) -> None:
        self._broadcasts.append(broadcast)
        self.size += broadcast.size

    def _count_down(self) -> None:
        assert self._waiting is not None
        for entry in self._waiting:
            entry[0] -= 1
            if not entry[0]:
                entry[1].set()
        self._waiting = [entry for entry in self._waiting if entry[0]] or None
