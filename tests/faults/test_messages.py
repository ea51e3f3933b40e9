"""Messages that are huge, endless, in crumbs, or small until they are inflated, by the hundred."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache

import pytest

from tests.crowds import Elsewhere, crowd, each
from tests.rawpeer import BINARY, CLOSE, TEXT, RawPeer, frame

CONT = 0
MANY = 200
MEBIBYTE = 1024 * 1024
DEFLATE = "permessage-deflate"


@pytest.fixture(scope="module")
def server() -> Iterator[Elsewhere]:
    """Give a server with the defaults."""
    with Elsewhere() as elsewhere:
        yield elsewhere


def declared(size: int) -> bytes:
    """Return the head of a binary frame, and the first byte of its payload."""
    return struct.pack("!BBQI", 0x80 | BINARY, 0x80 | 127, size, 0) + b"x"


@cache
def bomb(size: int, parts: int = 1) -> bytes:
    """Return a text message that inflates to *size* bytes, a thousand times as many as it has."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [deflater.compress(bytes(MEBIBYTE)) for _ in range(size // MEBIBYTE)]
    pieces += [deflater.compress(bytes(size % MEBIBYTE)), deflater.flush(zlib.Z_SYNC_FLUSH)]
    data = b"".join(pieces)[:-4]
    assert len(data) * 500 < size
    step = -(-len(data) // parts)
    slices = [data[at : at + step] for at in range(0, len(data), step)]
    frames = [frame(CONT, each, fin=False) for each in slices]
    first, last = bytearray(frames[0]), bytearray(frames[-1])
    first[0] |= 0x40 | BINARY
    if len(frames) == 1:
        return bytes([first[0] | 0x80]) + bytes(first[1:])
    last[0] |= 0x80
    return b"".join([bytes(first), *frames[1:-1], bytes(last)])


def saying(data: bytes, extensions: str | None = None) -> Callable[[RawPeer], int]:
    """Return what opens a WebSocket, says *data* and returns the code it is closed with."""

    def say(peer: RawPeer) -> int:
        peer.upgrade(Sec_WebSocket_Extensions=extensions)
        with suppress(OSError):  # the server may end before it has heard all
            peer.send(data)
        code, _ = peer.read_close()
        return code

    return say


def crumbs(payload: bytes) -> bytes:
    """Return a message in more fragments than it may have."""
    return frame(TEXT, payload, fin=False) + frame(CONT, payload, fin=False) * 4100


# What is said by how many, in what extension; what that is answered; how many MiB it may cost.
CASES = {
    "declared too large": (declared(MEBIBYTE + 1), MANY, None, 1009, 16),
    "declared as large as can be": (declared((1 << 63) - 1), MANY, None, 1009, 16),
    "declared larger": (declared(1 << 63), MANY, None, 1002, 16),
    "in fragments of one byte": (crumbs(b"a"), 20, None, 1008, 16),
    "in empty fragments": (crumbs(b""), 20, None, 1008, 16),
    # these are found to be too large when max_size of them has come
    "gathered too large": (
        *(frame(BINARY, bytes(600_000), fin=False) + frame(CONT, bytes(600_000)), 50),
        *(None, 1009, 100),
    ),
    "a bomb by a byte": (bomb(MEBIBYTE + 1), 50, DEFLATE, 1009, 100),
    "a bomb by its ratio": (bomb(160 * MEBIBYTE), 50, DEFLATE, 1009, 100),
    "a bomb in fragments": (bomb(16 * MEBIBYTE, 100), 50, DEFLATE, 1009, 100),
}


@pytest.mark.parametrize("case", CASES)
def test_message_over_a_limit_is_closed_and_costs_no_memory(server: Elsewhere, case: str) -> None:
    data, count, extensions, code, mebibytes = CASES[case]
    with server.growing_less_than(mebibytes), crowd(server.address, count) as peers:
        assert Counter(each(peers, saying(data, extensions))) == {code: count}


@pytest.mark.parametrize(
    "unfinished",
    [
        declared(MEBIBYTE),
        frame(TEXT, b"a", fin=False) + frame(CONT, b"a", fin=False) * 200,
        frame(TEXT, b"a", fin=False) + frame(CONT, b"a", fin=False) + b"\x80",
    ],
    ids=["declared", "in crumbs", "amid a head"],
)
def test_message_that_never_ends_holds_what_came_of_it(unfinished: bytes) -> None:
    def begin(peer: RawPeer) -> None:
        peer.upgrade()
        peer.send(unfinished)

    # a server of its own: the peak of one that has seen bombs would hide what this costs
    with Elsewhere() as server, server.growing_less_than(20), crowd(server.address, MANY) as peers:
        each(peers, begin)


def test_message_as_large_as_may_be_is_served_to_many_at_once(server: Elsewhere) -> None:
    message = frame(BINARY, bytes(MEBIBYTE))

    def echo(peer: RawPeer) -> tuple[int, int]:
        peer.upgrade()
        peer.send(message)
        opcode, payload = peer.read_frame()
        peer.end()
        return opcode, len(payload)

    with server.growing_less_than(120), crowd(server.address, 20) as peers:
        assert each(peers, echo) == [(BINARY, MEBIBYTE)] * 20


def test_nothing_after_a_violation_is_answered(server: Elsewhere) -> None:
    def break_a_rule(peer: RawPeer) -> tuple[int, bytes]:
        peer.upgrade()
        peer.send(frame(3), *[frame(TEXT, b"hi")] * 100)
        opcode, _ = peer.read_frame()
        return opcode, peer.read_to_end()

    with crowd(server.address, MANY) as peers:
        assert each(peers, break_a_rule) == [(CLOSE, b"")] * MANY
