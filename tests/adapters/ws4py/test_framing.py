from __future__ import annotations

import pytest

from geventws.adapters.ws4py.exc import FrameTooLargeException, ProtocolException
from geventws.adapters.ws4py.framing import (
    OPCODE_BINARY,
    OPCODE_CLOSE,
    OPCODE_CONTINUATION,
    OPCODE_PING,
    OPCODE_TEXT,
    Frame,
)

KEY = b"\x01\x02\x03\x04"


def parsed(data: bytes, step: int = 1) -> Frame:
    """Return the frame in *data*, sent in portions of *step*."""
    frame = Frame()
    for at in range(0, len(data), step):
        frame.parser.send(data[at : at + step])
    return frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "masked"])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_frame_is_parsed_as_it_was_built(size: int, key: bytes | None, step: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    built = Frame(OPCODE_BINARY, body, key, fin=1).build()
    frame = parsed(built, step)
    assert (frame.opcode, frame.fin, frame.payload_length) == (OPCODE_BINARY, 1, size)
    assert (frame.masking_key, frame.rest) == (key, b"")
    assert (frame.unmask(frame.body) if key else frame.body) == body


def test_parser_says_how_many_bytes_it_wants_next() -> None:
    built = Frame(OPCODE_TEXT, b"x" * 300, KEY, fin=1).build()
    frame = Frame()
    wanted, sizes, at = 1, [], 0
    while wanted:
        sizes.append(wanted)
        portion, at = built[at : at + wanted], at + wanted
        wanted = frame.parser.send(portion) or 0
    assert sizes == [1, 1, 2, 4, 300]
    with pytest.raises(StopIteration):
        next(frame.parser)


def test_parser_asks_again_where_it_was_sent_nothing() -> None:
    frame = Frame()
    assert frame.parser.send(b"") == 1
    assert frame.parser.send(None) == 1
    assert frame.parser.send(bytearray(b"\x81")) == 1


def test_frame_keeps_what_came_after_it() -> None:
    assert parsed(Frame(OPCODE_TEXT, b"hello", fin=1).build() + b"spill", 100).rest == b"spill"


@pytest.mark.parametrize("first", [0xC1, 0xA1, 0x91, 0x83, 0x8B, 0x09], ids=hex)
def test_parser_refuses_reserved_bits_and_opcodes_and_fragmented_pings(first: int) -> None:
    with pytest.raises(ProtocolException):
        Frame().parser.send(bytes([first]))


def test_parser_knows_what_has_come_of_a_head() -> None:
    frame = Frame()
    frame.parser.send(b"\x82")
    assert (frame.fin, frame.opcode) == (1, OPCODE_BINARY)
    assert frame.parser.send(b"\x7e") == 2
    assert frame.payload_length == 126
    assert frame.parser.send(b"\x01\x00") == 256
    assert frame.payload_length == 256


@pytest.mark.parametrize("data", [b"\x81\x7e\x00\x01", b"\x81\x7f" + bytes(7) + b"\xff"])
def test_parser_refuses_a_length_in_more_bytes_than_it_takes(data: bytes) -> None:
    with pytest.raises(ProtocolException, match="length"):
        Frame().parser.send(data)


@pytest.mark.parametrize("data", [b"\x89\x7e\x00\x80", b"\x82\x7f\x80" + bytes(7)])
def test_parser_refuses_frames_that_are_too_large(data: bytes) -> None:
    with pytest.raises(FrameTooLargeException):
        Frame().parser.send(data)


@pytest.mark.parametrize(
    "arguments",
    [{"opcode": 3}, {"opcode": 0xB}, {}, {"opcode": 1, "fin": 2}, {"opcode": 1, "rsv3": 2}],
)
def test_build_refuses_what_no_frame_has(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"0 or 1|opcode"):
        Frame(**arguments).build()  # type: ignore[arg-type]


def test_build_refuses_frames_that_are_too_large() -> None:
    frame = Frame(OPCODE_BINARY, fin=1)
    frame.payload_length = 1 << 63
    with pytest.raises(FrameTooLargeException):
        frame.build()
    with pytest.raises(FrameTooLargeException):
        Frame(OPCODE_PING, bytes(126), fin=1).build()


def test_build_sets_each_bit() -> None:
    assert Frame(OPCODE_CLOSE, rsv1=1, rsv2=0, rsv3=1, fin=0).build() == b"\x58\x00"
    assert Frame(OPCODE_CONTINUATION, rsv2=1, fin=1).build() == b"\xa0\x00"


def test_body_is_bytes_and_the_masking_key_of_four() -> None:
    with pytest.raises(TypeError, match="body"):
        Frame(OPCODE_TEXT, "text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="four bytes"):
        Frame(OPCODE_TEXT, b"text", b"sixsix", fin=1).build()
    with pytest.raises(ValueError, match="masking_key"):
        Frame(OPCODE_TEXT, b"text").mask(b"text")


def test_mask_is_undone_by_itself() -> None:
    frame = Frame(masking_key=KEY)
    masked = frame.mask(b"hello world")
    assert isinstance(masked, bytearray)
    assert masked != b"hello world"
    assert frame.unmask(masked) == b"hello world"
