"""The words in which the rules are written: what a peer says, and what an echo must answer.

A rule says nothing of sides: an end is held to it as a client and as a server, and its peer masks
as the other one must. An answer is a message put together again, in however many frames it comes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side
from tests.conformance.doors import MAX_SIZE
from tests.core.helpers import KEY, closing, cuts, raw_head, xor

# the codes that an end may be closed with
VIOLATION: Final = (1002,)
NOT_UTF8: Final = (1007,)
TOO_MANY: Final = (1008,)
TOO_BIG: Final = (1009,)
NOT_DEFLATE: Final = (1002, 1007)  # RFC 7692 7.2.2 names none
NO_CODE: Final = 1005  # stands for a close frame without one

RSV1: Final = 4


class Say(NamedTuple):
    """A frame that the peer sends, or as much of one as ever comes."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    width: int = 0  # bytes that its length takes, where not the fewest that do
    missing: int = 0  # bytes of payload that its head tells of and that never come
    astray: bool = False  # it is masked as only those of the other side may be
    cut: int | None = None  # only so many bytes of it come

    def wire(self, side: Side) -> bytes:
        """Return the bytes that arrive at an end of *side*."""
        key = KEY if (side == Side.SERVER) != self.astray else b""
        length = len(self.payload) + self.missing
        head = raw_head(self.opcode, length, key, self.fin, self.rsv, self.width)
        return (head + masked(self.payload, key))[: self.cut]

    def is_whole(self) -> bool:
        """Return whether nothing of it is left out."""
        return not self.missing and self.cut is None


class Pong(NamedTuple):
    """The answer to a ping."""

    payload: bytes


Answer: TypeAlias = "str | bytes | Pong"


class Turn(NamedTuple):
    """What the peer says in one breath, and what it then waits for."""

    sent: tuple[Say, ...]
    heard: tuple[Answer, ...]

    def wire(self, side: Side) -> bytes:
        """Return the bytes that arrive at an end of *side*."""
        return b"".join(said.wire(side) for said in self.sent)


class Compression(NamedTuple):
    """A permessage-deflate that the two ends agree on; "ours" is the end under test."""

    peer_bits: int = 15  # the window of what the peer compresses
    peer_alone: bool = False  # no context takeover
    our_bits: int = 15
    our_alone: bool = False


class Rule(NamedTuple):
    """One thing that RFC 6455 or RFC 7692 says of an open connection, shown on an echo."""

    name: str
    source: str
    turns: tuple[Turn, ...]
    close: tuple[int, ...] = ()  # one of these codes ends it; where there is none, it stays open
    compression: Compression | None = None
    max_size: int = MAX_SIZE  # a door takes this one only

    def ended(self) -> Rule:
        """Return the rule with an end: where it stays open, the peer closes and is answered."""
        if self.close:
            return self
        farewell = Turn((close(1000),), ())
        return self._replace(turns=(*self.turns, farewell), close=(1000,))


# What is said


def text(payload: str | bytes, fin: bool = True, rsv: int = 0) -> Say:
    """Return a text frame; bytes need not be UTF-8."""
    return Say(TEXT, payload.encode() if isinstance(payload, str) else payload, fin, rsv)


def binary(payload: bytes, fin: bool = True, rsv: int = 0) -> Say:
    """Return a binary frame."""
    return Say(BINARY, payload, fin, rsv)


def more(payload: bytes, fin: bool = False) -> Say:
    """Return a continuation; the last one of its message where *fin* is true."""
    return Say(CONTINUATION, payload, fin)


def ping(payload: bytes = b"") -> Say:
    """Return a ping."""
    return Say(PING, payload)


def pong(payload: bytes = b"") -> Say:
    """Return a pong."""
    return Say(PONG, payload)


def close(code: int, reason: str = "") -> Say:
    """Return a close frame."""
    return Say(CLOSE, closing(code, reason))


def fragmented(first: Say, at: Iterable[int]) -> tuple[Say, ...]:
    """Return the message of one frame cut into fragments at these places of its payload."""
    head, *rest = cuts(first.payload, at)
    if not rest:
        return (first,)
    begun = first._replace(payload=head, fin=False)
    return (begun, *(more(each) for each in rest[:-1]), more(rest[-1], True))


def every(size: int, payload: bytes) -> range:
    """Return where to cut *payload* into parts of *size*."""
    return range(size, len(payload), size)


def masked(payload: bytes, key: bytes) -> bytes:
    """Return *payload* masked or unmasked by *key* (RFC 6455 5.3); b"" changes nothing."""
    return xor(payload, key) if key else payload


# What becomes of it

BEFORE: Final = "before"
AFTER: Final = (text("after"), ping(b"after"), close(4000))


def echoed(
    name: str,
    source: str,
    sent: Iterable[Say],
    *heard: Answer,
    compression: Compression | None = None,
    max_size: int = MAX_SIZE,
) -> Rule:
    """Return a rule by which an end answers in this way, and goes on."""
    turn = Turn(tuple(sent), heard)
    return Rule(name, source, (turn,), compression=compression, max_size=max_size)


def ends(
    name: str, source: str, sent: Iterable[Say], *heard: Answer, codes: tuple[int, ...]
) -> Rule:
    """Return a rule by which an end answers the peer's close frame, and nothing after it."""
    return Rule(name, source, (Turn((*sent, *AFTER), heard),), codes)


def fails(
    name: str,
    source: str,
    *sent: Say,
    codes: tuple[int, ...] = VIOLATION,
    heard: tuple[Answer, ...] = (),
    compression: Compression | None = None,
    max_size: int = MAX_SIZE,
) -> Rule:
    """Return a rule by which the last of *sent* fails the connection.

    A message before that is echoed all the same, and so is what is *heard* for the others of
    *sent*; what comes after it is not looked at. Where that last frame is not whole, nothing comes
    after it: the end must not wait for the rest.
    """
    after = AFTER if sent[-1].is_whole() else ()
    turn = Turn((text(BEFORE), *sent, *after), (BEFORE, *heard))
    return Rule(name, source, (turn,), codes, compression, max_size)


# Compression


class Squeezer:
    """Compresses a peer's messages, one after the other in the same window (RFC 7692 7.2.1)."""

    def __init__(
        self, bits: int = 15, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY
    ) -> None:
        self._zlib = zlib.compressobj(level, zlib.DEFLATED, -bits, 8, strategy)

    def squeeze(self, data: bytes) -> bytes:
        """Return the payload of the next message."""
        return (self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH))[:-4]


def squeezed(data: bytes) -> bytes:
    """Return the payload of a first message."""
    return Squeezer().squeeze(data)
