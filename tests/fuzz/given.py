"""What the targets share: how fuzz bytes become options, cuts, settings and frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from geventws.core.codes import (
    BINARY,
    CLOSE,
    CONTINUATION,
    INVALID_DATA,
    MESSAGE_TOO_BIG,
    PING,
    POLICY_VIOLATION,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    Side,
)
from geventws.core.deflate import Agreed
from geventws.core.errors import InvalidHandshake, ProtocolError
from geventws.core.frame import MAX_CONTROL
from geventws.core.protocol import Protocol
from tests.core.helpers import KEY, PLAIN, raw_frame

# The most of a control frame that waits for its last byte: head, key, payload.
HALF_A_FRAME: Final = 2 + 4 + MAX_CONTROL - 1
# After so many parts the rest comes in one, so that no input takes long.
MOST_PARTS: Final = 48
MOST_BUILT: Final = 100_000  # bytes of a stream, more than is read ahead
STATUSES: Final = {400, 403, 405, 414, 426, 431, 505}
CODES: Final = {PROTOCOL_ERROR, INVALID_DATA, POLICY_VIOLATION, MESSAGE_TOO_BIG}
OPCODES: Final = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, TEXT, 3]
MANY: Final = 64  # times a payload is repeated


def split(data: bytes, options: int) -> tuple[bytes, bytes, bytes]:
    """Return so many bytes of *options*, two steps for parts(), and the payload."""
    head = data[: options + 2].ljust(options + 2, b"\0")
    return head[:options], head[options:], data[options + 2 :]


def parts(payload: bytes, steps: bytes) -> list[bytes]:
    """Return *payload* in parts as long as the *steps* say in turn; 0 takes all that is left."""
    made: list[bytes] = []
    at = 0
    while at < len(payload) or not made:
        step = steps[len(made) % len(steps)]
        if not step or len(made) == MOST_PARTS:
            step = len(payload)
        made.append(payload[at : at + step])
        at += step
    return made


def is_beyond_judging(bits: int, errors: Iterable[str]) -> bool:
    """Return whether zlib may have judged by the cuts alone.

    It refuses a distance beyond a window of under 15 bits only where its output does not reach back
    so far, and that begins anew with each of its calls. A peer that minds its window never notices.
    """
    return bits < 15 and any("bad DEFLATE data" in error for error in errors)


def failure(error: InvalidHandshake | ProtocolError) -> str:
    """Return what can be seen of *error*; its text may be sent, so it is checked here."""
    text = str(error)
    assert text.isascii()
    assert len(text) <= MAX_CONTROL - 2
    number = error.status if isinstance(error, InvalidHandshake) else error.code
    assert number in (STATUSES if isinstance(error, InvalidHandshake) else CODES)
    return f"{type(error).__name__}({number}): {text}"


class Settings(NamedTuple):
    """What a Protocol is made with."""

    side: Side
    max_size: int | None
    max_fragments: int | None
    deflate: Agreed | None

    def protocol(self) -> Protocol:
        """Return a new Protocol."""
        return Protocol(*self)

    def peer_side(self) -> Side:
        """Return which side the other end is."""
        return Side.CLIENT if self.side == Side.SERVER else Side.SERVER

    def peer(self) -> Protocol:
        """Return the other end, which takes everything."""
        return Protocol(self.peer_side(), None, None, self.deflate)


def settings(first: int, second: int) -> Settings:
    """Return what two bytes of options say; bit 2 of the *first* is for stream()."""
    bits, alone = 8 + (second & 7), bool(second & 8)
    agreed = Agreed(bits, bits, alone, alone, second >> 4 & 7, 5, second >> 7 and 20)
    return Settings(
        Side(first & 1),
        (100, 1000, 70_000, None)[first >> 3 & 3],
        (None, 1, 5, 40)[first >> 5 & 3],
        agreed if first & 2 else None,
    )


def stream(first: int, given: Settings, payload: bytes) -> bytes:
    """Return what the peer sends: the *payload* itself, or the frames it describes."""
    return b"".join(_built(given, payload)) if first & 4 else payload


def _built(given: Settings, payload: bytes) -> Iterator[bytes]:
    """Yield frames; each is a byte of what it is, one for its length, and its payload.

    Of the first byte, bit 7 is fin, bit 6 rsv1, bit 5 compresses, bit 4 repeats the payload.
    """
    deflater = given.deflate and given.deflate.deflater(given.peer_side())
    at = made = 0
    while at < len(payload) and made < MOST_BUILT:
        first, length = payload[at], (payload[at + 1 : at + 2] or b"\0")[0]
        content = payload[at + 2 : at + 2 + length] * (MANY if first & 16 else 1)
        if deflater is not None and first & 32:
            content = deflater.deflate(content, first > 127)
        at += 2 + length
        made += 2 + len(content)
        key = PLAIN if len(content) > MAX_CONTROL else KEY
        opcode, rsv = OPCODES[first & 7], first >> 4 & 4
        masked = key if given.side == Side.SERVER else b""
        yield raw_frame(opcode, content, masked, first > 127, rsv)
