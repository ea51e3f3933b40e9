"""The buffer of messages; its C twin is tried by way of the modules that it is compiled into."""

from __future__ import annotations

import pytest

from geventws.core import growing
from geventws.core.codes import BINARY, CONTINUATION, Side
from geventws.core.protocol import Protocol
from tests.core.helpers import frame_to

CHUNK = 64 * 1024
BELIEVED = 1024 * 1024  # bytes that the C twin makes room for before they came


def test_what_is_added_is_taken_in_its_order() -> None:
    buffer = growing.add(None, 0, b"one, ", 100)
    buffer = growing.add(buffer, 5, b"two, ", 3)
    buffer = growing.add(buffer, 10, b"three", 0)
    assert growing.take(buffer, 15) == b"one, two, three"


def test_nothing_is_taken_where_nothing_was_added() -> None:
    assert growing.take(None, 0) == b""


@pytest.mark.parametrize("size", [CHUNK, BELIEVED - 1, BELIEVED, BELIEVED + 1, 5 * BELIEVED // 2])
def test_large_message_is_whole_however_much_of_it_was_believed(size: int) -> None:
    payload = bytes(range(251)) * (size // 251 + 1)
    payload = payload[:size]
    protocol = Protocol(Side.SERVER, None)
    wire = frame_to(Side.SERVER, BINARY, payload)
    for at in range(0, len(wire), CHUNK):
        assert protocol.next_message() is None
        protocol.frames_this_turn = 0
        protocol.receive_data(wire[at : at + CHUNK])
    assert protocol.next_message() == payload


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_message_of_many_fragments_is_whole(size: int) -> None:
    parts = [bytes([number]) * size for number in range(200)]
    protocol = Protocol(Side.SERVER, None)
    protocol.receive_data(frame_to(Side.SERVER, BINARY, parts[0], False))
    for number, part in enumerate(parts[1:], 2):
        protocol.frames_this_turn = 0
        assert protocol.next_message() is None
        protocol.receive_data(frame_to(Side.SERVER, CONTINUATION, part, number == len(parts)))
    assert protocol.next_message() == b"".join(parts)
