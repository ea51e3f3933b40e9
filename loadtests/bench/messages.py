"""The messages that are sent, as the bytes of a client's frames (RFC 6455 5.2), and replies read.

wsload sends them as they are, over and over; so each is compressed on its own. The windows are of
4 KiB, both ways: in a larger one a server would find the whole message that it sent before.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

TEXT: Final = 1
BINARY: Final = 2
KEY: Final = b"\x5a\xc3\x17\xe9"
RSV1: Final = 0x40
WINDOW: Final = 12  # bits
TAIL: Final = b"\x00\x00\xff\xff"  # of a flush, which RFC 7692 7.2.1 leaves out


class Message(NamedTuple):
    """One message: its frames as they are sent, and the payload that has to come back."""

    wire: bytes
    payload: bytes
    opcode: int = BINARY
    compressed: bool = False


def masked(payload: bytes) -> bytes:
    """Return *payload* under KEY."""
    key = (KEY * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(len(payload), "little")


def frame(first: int, payload: bytes) -> bytes:
    """Return a client's frame whose first byte is *first*."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = struct.pack(">BH", 0xFE, size)
    else:
        length = struct.pack(">BQ", 0xFF, size)
    return bytes([first]) + length + KEY + masked(payload)


def binary(size: int) -> Message:
    """Return *size* bytes that are no pattern."""
    payload = random.Random(size).randbytes(size)
    return Message(frame(0x80 | BINARY, payload), payload)


def text(size: int) -> Message:
    """Return about *size* bytes of UTF-8, a quarter of its characters not ASCII."""
    piece = "Grüße aus Köln, 你好, 🎉 and so on. ".encode()
    payload = piece * (size // len(piece)) + b"." * (size % len(piece))
    return Message(frame(0x80 | TEXT, payload), payload, TEXT)


def fragmented(size: int, count: int = 8) -> Message:
    """Return *size* bytes in *count* fragments of the same length."""
    payload = random.Random(size).randbytes(size)
    step = size // count
    pieces = [payload[start : start + step] for start in range(0, size, step)]
    firsts = [BINARY, *[0] * (len(pieces) - 2), 0x80]
    return Message(b"".join(map(frame, firsts, pieces)), payload)


def compressed(size: int) -> Message:
    """Return JSON of *size* bytes as text, compressed."""
    payload = _records(size)
    deflater = zlib.compressobj(6, zlib.DEFLATED, -WINDOW)
    data = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    wire = frame(0x80 | RSV1 | TEXT, data.removesuffix(TAIL))
    return Message(wire, payload, TEXT, compressed=True)


def _records(size: int) -> bytes:
    chance = random.Random(size)
    records = [
        {"id": number, "price": chance.randrange(10**6) / 100, "side": chance.choice("bs")}
        for number in range(size // 20)
    ]
    return json.dumps(records).encode()[: size - 1] + b"]"


def problem(replies: bytes, message: Message) -> str:
    """Return what is wrong with the compressed *replies* of one connection, or nothing.

    The last one may be cut off.
    """
    inflater = zlib.decompressobj(-15)
    for number, (rsv1, data) in enumerate(_messages(replies)):
        payload = inflater.decompress(data + TAIL) if rsv1 else data
        if payload != message.payload:
            return f"reply {number} differs"
    return ""


def _messages(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """Yield each whole data message: whether it is compressed, and its payload as it came."""
    parts: list[bytes] = []
    rsv1 = False
    for first, payload in _frames(data):
        if first & 8:  # control frames come between
            continue
        if not parts:
            rsv1 = bool(first & RSV1)
        parts.append(payload)
        if first & 0x80:
            yield rsv1, b"".join(parts)
            parts = []


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while len(data) >= start + 2:
        extended = {126: 2, 127: 8}.get(data[start + 1], 0)
        begin = start + 2 + extended
        length = int.from_bytes(data[start + 2 : begin], "big") if extended else data[start + 1]
        if len(data) < begin + length:
            return
        yield data[start], data[begin : begin + length]
        start = begin + length


KINDS: Final[dict[str, Callable[[int], Message]]] = {
    "binary": binary,
    "text": text,
    "fragmented": fragmented,
    "compressed": compressed,
}
