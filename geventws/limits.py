"""What one server takes: how many connections, from one address too, and how fast."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass, fields
from math import ceil, inf
from typing import Any, Final

from geventws.clock import monotonic
from geventws.core.errors import InvalidHandshake
from geventws.rates import Bucket, Rate, RateArgument, rate_of
from geventws.trusted import group_of

MAX_CONNECTIONS: Final = 10_000
# Descriptors that are left to the application, the interpreter and the listener.
SPARE_FILES: Final = 64
# Connections over the limit that are there at once, for as long as it takes to answer them 503.
RESERVE: Final = 32
RETRY_AFTER: Final = [("Retry-After", "5")]  # seconds
KEPT: Final = 1024  # addresses nobody is connected from, before those without a debt are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server takes. A wrong type is a TypeError, a wrong value a ValueError.

    None is no limit. An address is an IP address, of IPv6 a /64, and behind trusted_proxies that of
    the client. A rate is a number per second, or a pair of it and of how many may come at once; ten
    seconds' worth where that is not given.

    Args:
        max_connections: open at once; one more is answered 503. None is 10,000, or 64 less than
            the limit of open files where that is lower.
        per_address: open at once from one address; one more is answered 429.
        handshake_rate: connections that one address opens; one more is answered 429.
        message_rate: messages and pings of one connection; more closes it with 1008.
        byte_rate: bytes of one connection, as the network sees its frames; more closes it with
            1008. A burst under max_size would refuse messages that max_size allows.
        max_lag: seconds that the hub is late; while it is later, requests are answered 503.
        max_buffered: bytes that all connections hold, received or to be sent; over it requests are
            answered 503, and who holds the most is dropped with 1013 until it is kept.
    """

    max_connections: int | None = None
    per_address: int | None = None
    handshake_rate: RateArgument = None
    message_rate: RateArgument = None
    byte_rate: RateArgument = None
    max_lag: float | None = None
    max_buffered: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_rate"):
                rate_of(field.name, value)
            elif value is not None:
                _check(field.name, value, field.name != "max_lag")

    @property
    def messages(self) -> Rate | None:
        """The message_rate."""
        return rate_of("message_rate", self.message_rate)

    @property
    def bytes(self) -> Rate | None:
        """The byte_rate."""
        return rate_of("byte_rate", self.byte_rate)


def limits_of(given: Limits | None, only_counts: bool = False) -> Limits:
    """Return what an argument *limits* says.

    Raises:
        TypeError: it is no Limits.
        ValueError: it has a limit that a server which *only_counts* connections cannot keep.
    """
    if not isinstance(given, Limits | None):
        raise TypeError("limits: a Limits or None")
    limits = given or Limits()
    for name in ("message_rate", "byte_rate", "max_lag", "max_buffered"):
        if only_counts and getattr(limits, name) is not None:
            raise ValueError(f"limits: {name} is kept by servers on gevent alone")
    return limits


class Admission:
    """Counts the connections of one server and says which are too many.

    A connection counts from accept on, while it is opening too: what is RESERVE over a limit then
    is not even listened to. Once its request is read it is admitted, or answered that it is not.

    Addresses are those of sockets; a unix socket's, "", is limited by max_connections alone.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = monotonic) -> None:
        self._all = _Count(limits.max_connections or most_connections())
        self._per_address = limits.per_address
        self._rate = rate_of("handshake_rate", limits.handshake_rate)
        self._addresses: dict[str, _Count] = {}
        self._kept = KEPT
        self._clock = clock

    def enter(self, address: Any) -> bool:
        """Count a connection that was accepted; False, and nothing counted, where it must go."""
        here = self._here(address)
        if self._all.is_crowded() or (here is not None and here.is_crowded()):
            self._forget(address)
            return False
        self._all.present += 1
        if here is not None:
            here.present += 1
        return True

    def admit(self, address: Any) -> None:
        """Count a connection as open.

        Raises:
            InvalidHandshake: 503 or 429; there are too many, or they come too fast.
        """
        here = self._here(address)
        if self._all.is_full():
            raise InvalidHandshake("too many connections", 503, RETRY_AFTER)
        if here is not None:
            self._check(here)
            here.admitted += 1
        self._all.admitted += 1

    def move(self, before: Any, after: Any, admitted: bool) -> None:
        """Count a connection at the address *after*, and no more at the one *before*.

        Raises:
            InvalidHandshake: 429, and nothing is changed: there are too many already, or they come
                too fast.
        """
        if group_of(before) == group_of(after):
            return
        here = self._here(after)
        if here is not None:
            if admitted:
                self._check(here)
            here.present += 1
            here.admitted += admitted
        self._leave(before, admitted)

    def leave(self, address: Any, admitted: bool) -> None:
        """Count a connection no more."""
        self._all.leave(admitted)
        self._leave(address, admitted)

    def _check(self, here: _Count) -> None:
        if here.is_full():
            raise InvalidHandshake("too many connections from this address", 429, RETRY_AFTER)
        if here.bucket is not None and (wait := here.bucket.take(self._clock())):
            after = [("Retry-After", str(ceil(wait)))]
            raise InvalidHandshake("connections from this address too fast", 429, after)

    def _leave(self, address: Any, admitted: bool) -> None:
        here = self._here(address)
        if here is not None:
            here.leave(admitted)
            self._forget(address)

    def _here(self, address: Any) -> _Count | None:
        """Return the count of an address where those are limited."""
        if (self._per_address is None and self._rate is None) or not (host := group_of(address)):
            return None
        if host not in self._addresses:
            if len(self._addresses) >= self._kept:
                self._tidy()
            bucket = None if self._rate is None else Bucket(self._rate, self._clock())
            self._addresses[host] = _Count(self._per_address or inf, bucket)
        return self._addresses[host]

    def _forget(self, address: Any) -> None:
        host = group_of(address)
        if host in self._addresses and self._addresses[host].is_idle(self._clock()):
            del self._addresses[host]

    def _tidy(self) -> None:
        """Forget the addresses that were kept for the sake of their rate alone."""
        now = self._clock()
        counts = self._addresses.items()
        self._addresses = {host: count for host, count in counts if not count.is_idle(now)}
        self._kept = max(KEPT, 2 * len(self._addresses))


class _Count:
    __slots__ = ("_most", "admitted", "bucket", "present")

    def __init__(self, most: float, bucket: Bucket | None = None) -> None:
        self._most = most
        self.bucket = bucket
        self.present = 0
        self.admitted = 0

    def leave(self, admitted: bool) -> None:
        self.present -= 1
        self.admitted -= admitted

    def is_full(self) -> bool:
        return self.admitted >= self._most

    def is_crowded(self) -> bool:
        return self.present >= self._most + RESERVE

    def is_idle(self, now: float) -> bool:
        return not self.present and (self.bucket is None or self.bucket.is_full(now))


def most_connections() -> int:
    """Return how many connections this process takes where nobody says."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - SPARE_FILES))


def _check(name: str, value: Any, whole: bool) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise TypeError(f"{name}: {'an int' if whole else 'a number of seconds'} or None")
    if not 0 < value < inf:
        raise ValueError(f"{name}: must be greater than 0{'' if whole else ' and finite'}")
