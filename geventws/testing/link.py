"""One connection of a network: two directions with delays, and what can go wrong with them.

write -> _carry -> Way, for as long as the conditions say -> arrive -> read
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from math import inf
from random import Random
from typing import Any, Literal

import gevent

from geventws.memory import MemoryTransport

Who = Literal["client", "server"]


class Fate(Enum):
    """What comes at the end of a stream."""

    END = "nothing more is said"
    RESET = "the connection is unknown there"


class Conditions:
    """What bytes meet on their way. All may be changed at any time, for what is said after that.

    Attributes:
        latency: seconds from one end to the other.
        jitter: seconds that are added at most, at random; nothing overtakes what was said before.
        bandwidth: bytes a second, of each direction of each connection; None is no limit.
        pieces: how many bytes arrive at once at most: random cuts; None leaves them as they are.
        random: what is random about all that.
    """

    def __init__(
        self, latency: float, jitter: float, bandwidth: float | None, pieces: int | None, seed: int
    ) -> None:
        _check(latency=latency, jitter=jitter)
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError("bandwidth: must be greater than 0, or None")
        if pieces is not None and pieces < 1:
            raise ValueError("pieces: must be 1 or greater, or None")
        self.latency = latency
        self.jitter = jitter
        self.bandwidth = inf if bandwidth is None else bandwidth
        self.pieces = pieces
        self.random = Random(seed)

    def delay(self) -> float:
        """Return the seconds that the next bytes are under way."""
        return self.latency + (self.random.uniform(0.0, self.jitter) if self.jitter else 0.0)

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Yield *data* as it will arrive."""
        while data:
            size = len(data) if self.pieces is None else self.random.randint(1, self.pieces)
            yield data[:size]
            data = data[size:]


def _check(**times: float) -> None:
    for name, given in times.items():
        if not 0 <= given < inf:
            raise ValueError(f"{name}: must be 0 or greater and finite")


class Way:
    """One direction of a link: what it carries arrives in order, and only once."""

    def __init__(self, conditions: Conditions, target: NetworkTransport) -> None:
        self.flying = 0  # bytes that have left and not arrived
        self._conditions = conditions
        self._target = target
        self._loop: Any = gevent.get_hub().loop
        self._free_at = 0.0  # when the bytes before have gone by, as bandwidth has it
        self._last_at = 0.0  # when the latest arrives
        self._blocked = False
        self._held: list[bytes | Fate] = []

    def carry(self, data: bytes) -> None:
        """Bring *data* to the other end."""
        self.flying += len(data)
        for part in self._conditions.cut(data):
            self._send(part, len(part))

    def end(self, fate: Fate) -> None:
        """Bring the end of the stream to the other end."""
        self._send(fate, 0)

    def block(self) -> None:
        """Have nothing arrive."""
        self._blocked = True

    def unblock(self) -> None:
        """Have all arrive again, and what was due meanwhile now."""
        self._blocked = False
        held, self._held = self._held, []
        for item in held:
            self._arrive(item)

    def _send(self, item: bytes | Fate, size: int) -> None:
        now = self._loop.now()
        self._free_at = max(self._free_at, now) + size / self._conditions.bandwidth
        self._last_at = max(self._last_at, self._free_at + self._conditions.delay())
        timer = self._loop.timer(self._last_at - now, ref=False)
        timer.start(self._arrive, item)

    def _arrive(self, item: bytes | Fate) -> None:
        if self._blocked:
            self._held.append(item)
        elif isinstance(item, bytes):
            self.flying -= len(item)
            self._target.take(item)
        else:
            self._target.take_end(item)


class NetworkTransport(MemoryTransport):
    """One end of a stream over a network, as an ITransport."""

    way: Way  # to the other end

    def __init__(self, local_address: Any, peer_address: Any, capacity: int | None) -> None:
        super().__init__(local_address, peer_address, capacity)
        self.silent = False  # nothing it does is heard

    def _room(self) -> int:
        return super()._room() - self.way.flying

    def _carry(self, data: bytes) -> None:
        self.way.carry(data)

    def _carry_end(self) -> None:
        if not self.silent:
            self.way.end(Fate.END)

    def _carry_close(self) -> None:
        self._carry_end()

    def take(self, data: bytes) -> None:
        """Take *data* off the network; who has closed answers that with a reset (RFC 9293 3.5)."""
        if self.closed or self.error is not None:
            self.way.end(Fate.RESET)
        else:
            self.arrive(data)

    def take_end(self, fate: Fate) -> None:
        """Take the end of the stream off the network."""
        if fate is Fate.RESET:
            self.lose()
        else:
            self._hear_end()


class Link:
    """One connection of a Network, and what can go wrong with it.

    Attributes:
        client, server: the two ends, as transports.
    """

    def __init__(
        self, conditions: Conditions, addresses: tuple[Any, Any], capacity: int | None
    ) -> None:
        near, far = addresses
        self.client = NetworkTransport(near, far, capacity)
        self.server = NetworkTransport(far, near, capacity)
        for end, peer in ((self.client, self.server), (self.server, self.client)):
            end.join(peer)
            end.way = Way(conditions, peer)

    def partition(self, *who: Who) -> None:
        """Have nothing arrive of what *who* say, or either without arguments, until heal()."""
        for end in self._ends(*who):
            end.way.block()

    def heal(self) -> None:
        """End every partition(): what was said meanwhile arrives now."""
        for end in self._ends():
            end.way.unblock()

    def reset(self) -> None:
        """Have both ends lose the connection, with ConnectionResetError; bytes under way are lost.

        What has arrived can still be read.
        """
        for end in self._ends():
            end.silent = True
        self.client.cut()

    def half_open(self, who: Who) -> None:
        """Have *who* lose the connection, as by a restart, without a word.

        The other end hears of it when it says something: that is answered with a reset.
        """
        [end] = self._ends(who)
        end.silent = True
        end.lose()

    def vanish(self, who: Who) -> None:
        """Have *who* lose the connection as where a machine dies: the other end hears nothing."""
        self.half_open(who)
        self.partition()

    def close(self) -> None:
        """Close both ends."""
        for end in self._ends():
            end.close()

    def _ends(self, *who: Who) -> list[NetworkTransport]:
        found = {"client": self.client, "server": self.server}
        return [found[each] for each in who or found]
