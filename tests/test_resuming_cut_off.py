"""resume.geventws.v1 without I/O, both sides together: connections that end anywhere."""

from __future__ import annotations

import random

import pytest

from geventws.broker import Position, Publication
from geventws.core.handshake import Request
from geventws.resuming import Resumption, joined, positions, published, skipped


class Server:
    """A room that remembers five publications, and what it says on one connection."""

    def __init__(self, dice: random.Random) -> None:
        self.offset = 0
        self.withheld: set[int] = set()
        self._dice = dice

    def say(self, said: Position | None) -> list[str | bytes]:
        """Return what a client gets that stands where it *said*, up to what is published then."""
        self.offset += self._dice.randrange(5)
        here = self.offset
        recovered = None if said is None else here - said.offset <= 5
        self.offset += self._dice.randrange(5)
        start = said.offset if said is not None and recovered else here
        first = joined("tea", Position(start, "x"), recovered)
        return [first, *map(self._message, range(start + 1, self.offset + 1))]

    def _message(self, offset: int) -> str | bytes:
        if self._dice.random() < 0.8:
            return published(Publication("tea", str(offset), Position(offset, "x")))
        self.withheld.add(offset)
        return skipped("tea", Position(offset, "x"))


@pytest.mark.parametrize("seed", range(20))
def test_client_misses_nothing_unnoticed_wherever_it_is_cut_off(seed: int) -> None:
    dice = random.Random(seed)
    server, resumption = Server(dice), Resumption()
    heard = [0]
    losses = 0
    for _ in range(200):
        offered = ", ".join(resumption.offer())
        request = Request(f"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: {offered}".encode())
        messages = server.say(positions(request).get("tea"))
        for message in messages[: dice.randrange(len(messages) + 1)]:
            text = resumption.take(message).message
            if text is not None:
                heard.append(int(text))
                between = set(range(heard[-2] + 1, heard[-1]))
                missed = not between <= server.withheld
                assert heard[-2] < heard[-1]
                assert not missed or "tea" in resumption.unrecovered or len(heard) == 2
                losses += missed
                resumption.unrecovered.clear()
    assert losses > 5
    assert len(heard) > 100
