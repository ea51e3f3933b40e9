"""Pings that are out, and how long a peer may say nothing; no clock and no I/O."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

SIZE: Final = 4  # bytes of a payload: the number of its ping


class Keepalive:
    """The pings of one connection. Times are seconds of one monotonic clock.

    *interval* None means no pings of its own, *timeout* None that the peer is never given up.
    """

    __slots__ = (
        "_count",
        "_interval",
        "_out",
        "_regular",
        "_timeout",
        "latency",
        "ping_at",
        "pong_by",
        "signs",
    )

    def __init__(self, interval: float | None, timeout: float | None, now: float) -> None:
        self._interval = inf if interval is None else interval
        self._timeout = inf if timeout is None else timeout
        self._out: dict[bytes, float] | None = None  # the payloads of pings without a pong
        self._count = 0
        self._regular = b""  # the payload of the last one that was due
        self.ping_at = now + self._interval
        self.pong_by = inf
        self.signs = 0  # the peer's signs of life, as they stood when last looked at
        self.latency: float | None = None

    def begin(self, now: float) -> bytes:
        """Return the payload of a new ping."""
        self._count += 1
        payload = self._count.to_bytes(SIZE, "big")
        if self._out is None:
            self._out = {}
        self._out[payload] = now
        return payload

    def expect(self, now: float, signs: int) -> None:
        """Take note that a ping is due; its pong is expected in time, or the one before it."""
        self.ping_at = now + self._interval
        if self.pong_by == inf:
            self.wait_on(now, signs)

    def begin_regular(self, now: float, signs: int) -> bytes:
        """Return the payload of the ping that is due; the one before it is waited for no more."""
        self.expect(now, signs)
        self.forget(self._regular)
        self._regular = self.begin(now)
        return self._regular

    def due(self, now: float, signs: int, takes: bool) -> bytes | None:
        """Return the payload of the ping to send now; None where none is to be sent.

        A peer that *takes* nothing is sent none, for pings would only gather: its pong is expected
        all the same.
        """
        if now < self.ping_at:
            return None
        if takes:
            return self.begin_regular(now, signs)
        self.expect(now, signs)
        return None

    def is_missed(self, now: float, signs: int, is_behind: Callable[[], bool]) -> bool:
        """Return whether the peer is to be given up: no pong in time, nor any sign of life.

        It gets one more *timeout* where it showed life, or where this side *is_behind*, which
        is asked only then: what the peer said may not have been looked at.
        """
        if now < self.pong_by:
            return False
        if signs == self.signs and not is_behind():
            return True
        self.wait_on(now, signs)
        return False

    def wait_on(self, now: float, signs: int) -> None:
        """Give the peer one more *timeout* from *now*, having seen *signs* of its life."""
        self.pong_by = now + self._timeout
        self.signs = signs

    def pong(self, payload: bytes, now: float) -> None:
        """Take note of a pong; it answers the pings before its own too (RFC 6455 5.5.3).

        So does one whose own ping is waited for no more: the peer may have answered no other.
        """
        if len(payload) != SIZE or not 0 < int.from_bytes(payload, "big") <= self._count:
            return
        self.pong_by = inf
        if self._out is not None:
            if payload in self._out:
                self.latency = now - self._out[payload]
            self._out = {each: at for each, at in self._out.items() if each > payload} or None

    def waits_for(self, payload: bytes) -> bool:
        """Return whether the ping with *payload* has no pong yet."""
        return self._out is not None and payload in self._out

    def forget(self, payload: bytes) -> None:
        """Wait no more for the pong to *payload*."""
        if self._out is not None:
            self._out.pop(payload, None)
            self._out = self._out or None

    def next_at(self) -> float:
        """Return when to look again."""
        return min(self.ping_at, self.pong_by)
