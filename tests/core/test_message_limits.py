"""The limits of a message, beside those that test_message.py holds."""

from __future__ import annotations

import os

import pytest

from geventws.core.codes import BINARY, CONTINUATION
from geventws.core.deflate import Deflater
from geventws.core.errors import MessageTooBig, ProtocolError
from geventws.core.frame import Frame
from tests.core.helpers import Cut, deflated, fragments, frame, head, opcodes, pieces, read, reader


@opcodes
@pytest.mark.parametrize("cut", [[], [4], [0, 10]], ids=["whole", "two", "three"])
def test_reader_takes_a_message_of_max_size(opcode: int, cut: list[int]) -> None:
    assert len(read(reader(10), fragments(opcode, b"0123456789", cut))) == 1


def test_reader_counts_a_message_from_its_beginning_though_pieces_were_taken() -> None:
    messages = reader(10)
    messages.streaming = True
    assert messages.add(frame(BINARY, bytes(10), False)) == bytes(10)
    with pytest.raises(MessageTooBig):
        messages.add(frame(CONTINUATION, b"x"))


def test_reader_counts_each_message_on_its_own() -> None:
    assert read(reader(3, 2), 5 * fragments(BINARY, b"abc", [1])) == 5 * [b"abc"]


def test_reader_with_limits_of_0_takes_empty_messages_of_one_frame_alone() -> None:
    assert reader(0, 0).add(frame(BINARY)) == b""
    assert read(reader(0), fragments(BINARY, b"", [0])) == [b""]
    for message in (frame(BINARY, b"x"), head(BINARY, 1), frame(BINARY, deflated(b"x"), rsv1=True)):
        with pytest.raises(MessageTooBig):
            reader(0).add(message)
    messages = reader(0, 0)
    messages.add(frame(BINARY, b"", False))
    with pytest.raises(ProtocolError, match="a message of more than 0 continuations"):
        messages.add(frame(CONTINUATION))


def test_reader_without_max_size_takes_any() -> None:
    messages = reader(None)
    assert messages.add(head(BINARY, 2**63 - 1)) is None
    assert messages.add(Frame(CONTINUATION, b"x", False, False, False, 2**63 - 2)) is None


@pytest.mark.parametrize("mem_level", range(1, 10))
@pytest.mark.parametrize("level", [0, 1, 6])
def test_reader_takes_max_size_that_grew_by_deflating(mem_level: int, level: int) -> None:
    data = os.urandom(1 << 17)
    deflater = Deflater(9, True, level, mem_level)
    payload = deflater.deflate(data, True)
    assert len(payload) > len(data)
    messages = reader(len(data))
    assert read(messages, pieces(BINARY, payload, range(0, len(payload), 5000), True)) == [data]


@pytest.mark.parametrize("cut", [fragments, pieces])
def test_reader_fails_1009_on_a_message_that_inflates_to_over_max_size(
    cut: Cut,
) -> None:
    payload = deflated(bytes(1_000_001))
    assert len(payload) < 2000
    with pytest.raises(MessageTooBig):
        read(reader(1_000_000), cut(BINARY, payload, range(0, len(payload), 100), True))


def test_reader_fails_1007_on_what_does_not_inflate() -> None:
    with pytest.raises(ProtocolError) as info:
        reader().add(frame(BINARY, b"\xff\xff\xff", rsv1=True))
    assert info.value.code == 1007


def test_reader_does_not_count_pieces_as_fragments() -> None:
    assert read(reader(None, 1), pieces(BINARY, bytes(100), range(1, 100))) == [bytes(100)]


def test_reader_without_max_fragments_takes_any_number() -> None:
    frames = fragments(BINARY, b"", [0] * 9999)
    assert read(reader(1), frames) == [b""]
