"""How many connections one server takes, in all and from one address."""

from __future__ import annotations

import resource
from dataclasses import dataclass, fields
from typing import Any, Final

from geventws.core.errors import InvalidHandshake

MAX_CONNECTIONS: Final = 10_000
# Descriptors that are left to the application, the interpreter and the listener.
SPARE_FILES: Final = 64
# Connections over the limit that are there at once, for as long as it takes to answer them 503.
RESERVE: Final = 32
RETRY_AFTER: Final = [("Retry-After", "5")]  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server takes. A wrong type is a TypeError, a wrong value a ValueError.

    Args:
        max_connections: open at once; one more is answered 503. None is 10,000, or 64 less than
            the limit of open files where that is lower.
        per_address: open at once from one IP address; one more is answered 429. None is no limit.
    """

    max_connections: int | None = None
    per_address: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise TypeError(f"{field.name}: an int or None")
            if value is not None and value <= 0:
                raise ValueError(f"{field.name}: must be greater than 0")


class Admission:
    """Counts the connections of one server and says which are too many.

    A connection counts from accept on, while it is opening too: what is RESERVE over a limit then
    is not even listened to. Once its request is read it is admitted, or answered that it is not.
    """

    def __init__(self, limits: Limits) -> None:
        self._all = _Count(limits.max_connections or most_connections())
        self._per_address = limits.per_address
        self._addresses: dict[str, _Count] = {}

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
            InvalidHandshake: 503 or 429; there are too many.
        """
        here = self._here(address)
        if self._all.is_full():
            raise InvalidHandshake("too many connections", 503, RETRY_AFTER)
        if here is not None and here.is_full():
            raise InvalidHandshake("too many connections from this address", 429, RETRY_AFTER)
        self._all.admitted += 1
        if here is not None:
            here.admitted += 1

    def leave(self, address: Any, admitted: bool) -> None:
        """Count a connection no more."""
        self._all.leave(admitted)
        here = self._here(address)
        if here is not None:
            here.leave(admitted)
            self._forget(address)

    def _here(self, address: Any) -> _Count | None:
        """Return the count of an IP address where that is limited."""
        if self._per_address is None or not (host := _host(address)):
            return None
        if host not in self._addresses:
            self._addresses[host] = _Count(self._per_address)
        return self._addresses[host]

    def _forget(self, address: Any) -> None:
        host = _host(address)
        if host in self._addresses and not self._addresses[host].present:
            del self._addresses[host]


class _Count:
    __slots__ = ("_most", "admitted", "present")

    def __init__(self, most: int) -> None:
        self._most = most
        self.present = 0
        self.admitted = 0

    def leave(self, admitted: bool) -> None:
        self.present -= 1
        self.admitted -= admitted

    def is_full(self) -> bool:
        return self.admitted >= self._most

    def is_crowded(self) -> bool:
        return self.present >= self._most + RESERVE


def most_connections() -> int:
    """Return how many connections this process takes where nobody says."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - SPARE_FILES))


def _host(address: Any) -> str:
    """Return the IP address in a socket's *address*; empty for a unix socket's."""
    return str(address[0]) if isinstance(address, tuple) else ""
