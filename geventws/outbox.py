"""Bytes that the operating system has not taken yet, in the order in which they leave.

put -> head -> leave          put -> withdraw, while none of them has left
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Outbox:
    """The bytes that wait to leave over one stream; *size* tells how many."""

    __slots__ = ("_buffers", "size")

    def __init__(self) -> None:
        self._buffers: deque[bytes | memoryview] | None = None  # None while it is empty
        self.size = 0

    def put(self, buffers: Iterable[bytes | memoryview]) -> None:
        """Take *buffers* in, behind all others."""
        if self._buffers is None:
            self._buffers = deque()
        for data in buffers:
            if data:
                self._buffers.append(data)
                self.size += len(data)

    def head(self) -> bytes | memoryview:
        """Return what must leave next; there has to be something."""
        assert self._buffers is not None
        return self._buffers[0]

    def leave(self, count: int) -> None:
        """Take note that the first *count* bytes of head() have left."""
        assert self._buffers is not None
        data = self._buffers.popleft()
        self.size -= count
        if count < len(data):
            self._buffers.appendleft(memoryview(data)[count:])
        elif not self.size:
            self.clear()

    def withdraw(self, ahead: int, size: int) -> None:
        """Take *size* bytes out again, whole buffers of which *ahead* bytes are in front."""
        at = 0
        kept: list[bytes | memoryview] = []
        for data in self._buffers or ():
            if not ahead <= at < ahead + size:
                kept.append(data)
            at += len(data)
        self.clear()
        if kept:
            self.put(kept)

    def clear(self) -> None:
        """Forget everything."""
        self._buffers = None
        self.size = 0
