"""What is to be sent, how much of it at once, and for how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Final

Message = str | bytes

# Different ones in turn, or an answer that comes twice would pass for the next one.
VARIANTS: Final = 4
LETTERS: Final = "0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one target is loaded with.

    Args:
        messages: what each connection sends in turn, over and over.
        connections: how many there are.
        in_flight: how many messages wait for their answers on each connection (closed loop).
        rate: messages a second that become due, on all connections together (open loop), or None.
        echo: an answer has to be what was sent; else any message is the answer.
        duration: the seconds that count, or None where only *count* ends it.
        count: how many messages count, or None.
        warm_up: seconds before that, of which messages are sent and do not count.
        timeout: seconds that an answer may take, from when its message was due.
    """

    messages: tuple[Message, ...]
    connections: int = 10
    in_flight: int = 1
    rate: float | None = None
    echo: bool = True
    duration: float | None = 10.0
    count: int | None = None
    warm_up: float = 0.0
    timeout: float = 10.0

    @property
    def size(self) -> int:
        """The bytes of a message, before compression."""
        return size_of(self.messages[0])

    def share(self, rounds: int, number: int) -> Plan:
        """Return the part of this plan that round *number* of so many does, counted from 0."""
        return replace(
            self,
            duration=None if self.duration is None else self.duration / rounds,
            count=None if self.count is None else (self.count + number) // rounds,
            warm_up=self.warm_up / rounds,
        )


def size_of(message: Message) -> int:
    """Return the bytes of *message*, of text as UTF-8."""
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode())


def messages_of(size: int, binary: bool) -> tuple[Message, ...]:
    """Return messages of *size* bytes: text of hexadecimal digits, binary of any bytes."""
    chance = random.Random(size)  # the same ones each time, so that runs can be compared
    if binary:
        return tuple(chance.randbytes(size) for _ in range(VARIANTS))
    return tuple("".join(chance.choices(LETTERS, k=size)) for _ in range(VARIANTS))
