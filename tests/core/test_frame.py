from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.codes import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NO_STATUS_RECEIVED,
    PING,
    PONG,
    TEXT,
    Side,
    sendable,
)
from geventws.core.errors import InvalidText, ProtocolError
from geventws.core.frame import Frame, FrameReader, close_payload, frame_head, parse_close
from tests.core.helpers import KEY, both_sides, cuts, frame_to, raw_frame, raw_head

DATA = (CONTINUATION, TEXT, BINARY)
CONTROL = (CLOSE, PING, PONG)
OPCODES = DATA + CONTROL
LENGTHS = [0, 1, 125, 126, 127, 128, 65534, 65535, 65536, 70000]


def reader(side: Side, compression: bool = False) -> FrameReader:
    return FrameReader(side == Side.SERVER, compression)


def read(frames: FrameReader, data: bytes) -> list[Frame]:
    frames.feed(data)
    return list(iter(frames.next_frame, None))


def key_to(side: Side) -> bytes:
    return KEY if side == Side.SERVER else b""


# Reading, whole frames


@pytest.mark.parametrize(
    ("masked", "wire", "opcode", "payload", "fin"),
    [
        pytest.param(False, "8105 48656c6c6f", TEXT, b"Hello", True, id="5.7-unmasked-text"),
        pytest.param(True, "8185 37fa213d 7f9f4d5158", TEXT, b"Hello", True, id="5.7-masked-text"),
        pytest.param(False, "0103 48656c", TEXT, b"Hel", False, id="5.7-first-fragment"),
        pytest.param(False, "8002 6c6f", CONTINUATION, b"lo", True, id="5.7-last-fragment"),
        pytest.param(False, "8905 48656c6c6f", PING, b"Hello", True, id="5.7-ping"),
        pytest.param(True, "8a85 37fa213d 7f9f4d5158", PONG, b"Hello", True, id="5.7-masked-pong"),
        pytest.param(False, "827e0100" + 256 * "2a", BINARY, 256 * b"*", True, id="5.7-256-bytes"),
        pytest.param(
            False, "827f0000000000010000" + 65536 * "2a", 2, 65536 * b"*", 1, id="5.7-64k"
        ),
    ],
)
def test_reader_reads_the_examples_of_the_rfc(
    masked: bool, wire: str, opcode: int, payload: bytes, fin: bool
) -> None:
    (frame,) = read(FrameReader(masked, False), bytes.fromhex(wire))
    assert (frame.opcode, frame.payload, frame.fin) == (opcode, payload, fin)
    assert (frame.rsv1, frame.starts, frame.left) == (False, True, 0)


@both_sides
@pytest.mark.parametrize("opcode", OPCODES)
@pytest.mark.parametrize("fin", [True, False], ids=["fin", "more"])
def test_reader_reads_every_opcode(side: Side, opcode: int, fin: bool) -> None:
    fin = fin or opcode in CONTROL
    (frame,) = read(reader(side), frame_to(side, opcode, b"payload", fin))
    assert (frame.opcode, frame.payload, frame.fin) == (opcode, b"payload", fin)


@both_sides
@pytest.mark.parametrize("length", LENGTHS)
def test_reader_reads_every_width_of_length(side: Side, length: int) -> None:
    payload = bytes(at % 251 for at in range(length))
    frames = reader(side)
    (frame,) = read(frames, frame_to(side, BINARY, payload))
    assert frame.payload == payload
    assert frames.buffered() == 0


@both_sides
def test_reader_reads_frames_that_arrive_together_in_order(side: Side) -> None:
    frames = reader(side)
    wire = b"".join(frame_to(side, BINARY, b"%d" % number) for number in range(100))
    assert [int(frame.payload) for frame in read(frames, wire)] == list(range(100))


def test_reader_uses_the_key_of_each_frame() -> None:
    wire = b"".join(raw_frame(BINARY, b"payload", bytes([n, 2, n + 1, 4])) for n in range(9))
    assert {frame.payload for frame in read(FrameReader(True, False), wire)} == {b"payload"}


@both_sides
@given(data=st.data())
def test_reader_gives_the_same_wherever_the_bytes_are_cut(side: Side, data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
    wire = b"".join(frame_to(side, BINARY, payload) for payload in payloads)
    frames = reader(side)
    whole: list[bytes] = []
    for part in cuts(wire, data.draw(st.lists(st.integers(0, len(wire)), max_size=20))):
        for frame in read(frames, part):
            if frame.starts:
                whole.append(b"")
            whole[-1] += frame.payload
    assert whole == payloads
    assert frames.buffered() == 0


# Reading, pieces


@both_sides
def test_reader_hands_on_a_data_frame_in_pieces_as_they_arrive(side: Side) -> None:
    frames = reader(side, compression=True)
    wire = frame_to(side, TEXT, bytes(range(200)), fin=True, rsv=4)
    head = len(wire) - 200
    pieces = [
        frame
        for part in cuts(wire, [head, head + 3, head + 100, head + 199])
        for frame in read(frames, part)
    ]
    assert [piece.payload for piece in pieces] == list(cuts(bytes(range(200)), [0, 3, 100, 199]))
    assert [piece.opcode for piece in pieces] == [TEXT] + 4 * [CONTINUATION]
    assert [piece.starts for piece in pieces] == [True] + 4 * [False]
    assert [piece.rsv1 for piece in pieces] == [True] + 4 * [False]
    assert [piece.left for piece in pieces] == [200, 197, 100, 1, 0]
    assert [piece.fin for piece in pieces] == 4 * [False] + [True]


@both_sides
@pytest.mark.parametrize("opcode", DATA)
@pytest.mark.parametrize("fin", [True, False], ids=["fin", "more"])
def test_reader_gives_a_frames_fin_to_its_last_piece(side: Side, opcode: int, fin: bool) -> None:
    wire = frame_to(side, opcode, b"0123456789", fin)
    frames = reader(side)
    both = [piece for part in cuts(wire, [len(wire) - 5]) for piece in read(frames, part)]
    assert [piece.fin for piece in both] == [False, fin]


@both_sides
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("size", range(9))
def test_reader_unmasks_pieces_of_any_size(side: Side, before: int, size: int) -> None:
    wire = frame_to(side, BINARY, bytes(before)) + frame_to(side, BINARY, bytes(range(100)))
    frames = reader(side)
    parts = cuts(wire, [len(wire) - 100 + size, len(wire) - 50])
    _, *pieces = [piece for part in parts for piece in read(frames, part)]
    assert b"".join(piece.payload for piece in pieces) == bytes(range(100))


@both_sides
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_reader_waits_for_a_whole_head(side: Side, length: int) -> None:
    head = raw_head(BINARY, length, key_to(side))
    frames = reader(side)
    assert [frame for at in range(len(head) - 1) for frame in read(frames, head[at : at + 1])] == []
    assert frames.buffered() == len(head) - 1
    (frame,) = read(frames, head[-1:])
    assert (frame.payload, frame.left) == (b"", length)


@both_sides
@pytest.mark.parametrize("opcode", CONTROL)
def test_reader_hands_on_control_frames_whole(side: Side, opcode: int) -> None:
    wire = frame_to(side, opcode, 125 * b"*")
    frames = reader(side)
    assert [frame for at in range(len(wire) - 1) for frame in read(frames, wire[at : at + 1])] == []
    (frame,) = read(frames, wire[-1:])
    assert (frame.payload, frame.fin, frame.left) == (125 * b"*", True, 0)


@both_sides
def test_reader_keeps_nothing_of_a_payload_that_it_handed_on(side: Side) -> None:
    frames = reader(side)
    read(frames, raw_head(BINARY, 2**40, key_to(side)) + bytes(100_000))
    assert frames.buffered() == 0


@both_sides
def test_reader_says_how_many_bytes_wait(side: Side) -> None:
    frames = reader(side)
    wire = frame_to(side, BINARY, b"first") + frame_to(side, PING, b"second")[:-1]
    frames.feed(wire)
    assert frames.buffered() == len(wire)
    frames.next_frame()
    assert frames.buffered() == len(frame_to(side, PING, b"second")) - 1


@both_sides
def test_reader_goes_on_when_fed_before_all_was_read(side: Side) -> None:
    frames = reader(side)
    wire = b"".join(frame_to(side, BINARY, b"%d" % number) for number in range(50))
    for part in cuts(wire, range(0, len(wire), 7)):
        frames.feed(part)
    assert [frame.payload for frame in read(frames, b"")] == [b"%d" % n for n in range(50)]


@both_sides
def test_reader_takes_the_longest_length_there_is(side: Side) -> None:
    frames = reader(side)
    (frame,) = read(frames, raw_head(BINARY, 2**63 - 1, key_to(side)))
    assert frame.left == 2**63 - 1
    (frame,) = read(frames, bytes(10))
    assert (frame.left, frame.fin) == (2**63 - 11, False)


# Reading, violations

NAMES = dict(zip(OPCODES, ("continuation", "text", "binary", "close", "ping", "pong"), strict=True))
VIOLATIONS = [
    *[
        pytest.param(opcode, 0, {"rsv": rsv}, 2, "reserved", id=f"5.2-rsv-{rsv}-{NAMES[opcode]}")
        for rsv in range(1, 8)
        for opcode in OPCODES
    ],
    *[
        pytest.param(opcode, 0, {}, 2, "reserved opcode", id=f"5.2-opcode-{opcode}")
        for opcode in (*range(3, 8), *range(11, 16))
    ],
    *[
        pytest.param(opcode, 0, {"fin": 0}, 2, "fragmented", id=f"5.5-fragment-{NAMES[opcode]}")
        for opcode in CONTROL
    ],
    *[
        pytest.param(opcode, length, {}, 2, "over 125", id=f"5.5-{NAMES[opcode]}-of-{length}")
        for opcode in CONTROL
        for length in (126, 65536)
    ],
    *[
        pytest.param(
            BINARY, length, {"width": width}, 2 + width, "in more", id=f"5.2-{length}-in-{width}"
        )
        for length, width in [(0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8)]
    ],
    *[
        pytest.param(BINARY, length, {}, 10, "first bit set", id=f"5.2-length-{length:#x}")
        for length in (2**63, 2**63 + 5, 2**64 - 1)
    ],
]


@both_sides
@pytest.mark.parametrize(("opcode", "length", "head", "seen_at", "text"), VIOLATIONS)
def test_reader_fails_at_the_byte_that_breaks_a_rule(
    side: Side, opcode: int, length: int, head: dict[str, Any], seen_at: int, text: str
) -> None:
    wire = raw_head(opcode, length, key_to(side), **head)
    frames = reader(side)
    assert read(frames, wire[: seen_at - 1]) == []
    frames.feed(wire[seen_at - 1 : seen_at])
    with pytest.raises(ProtocolError, match=rf"{text}.* \(RFC 6455 5\.") as raised:
        frames.next_frame()
    assert raised.value.code == 1002


@pytest.mark.parametrize("opcode", OPCODES)
def test_server_fails_on_an_unmasked_frame(opcode: int) -> None:
    frames = reader(Side.SERVER)
    frames.feed(raw_head(opcode, 0))
    with pytest.raises(ProtocolError, match=r"an unmasked frame from a client \(RFC 6455 5.1\)"):
        frames.next_frame()


@pytest.mark.parametrize("opcode", OPCODES)
def test_client_fails_on_a_masked_frame(opcode: int) -> None:
    frames = reader(Side.CLIENT)
    frames.feed(raw_head(opcode, 0, KEY)[:2])
    with pytest.raises(ProtocolError, match=r"a masked frame from a server \(RFC 6455 5.1\)"):
        frames.next_frame()


@both_sides
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_reader_takes_rsv1_as_compressed_where_that_was_agreed(side: Side, opcode: int) -> None:
    (frame,) = read(reader(side, compression=True), frame_to(side, opcode, b"*", rsv=4))
    assert frame.rsv1


@both_sides
@pytest.mark.parametrize(
    ("opcode", "rsv"),
    [
        *[pytest.param(opcode, 4, id=f"RFC7692-6-opcode-{opcode}") for opcode in (0, 8, 9, 10)],
        *[pytest.param(TEXT, rsv, id=f"5.2-rsv-{rsv}") for rsv in (1, 2, 3, 5, 6, 7)],
    ],
)
def test_reader_fails_on_other_reserved_bits_where_compression_was_agreed(
    side: Side, opcode: int, rsv: int
) -> None:
    frames = reader(side, compression=True)
    frames.feed(frame_to(side, opcode, rsv=rsv))
    with pytest.raises(ProtocolError, match="a reserved bit is set"):
        frames.next_frame()


@both_sides
@given(data=st.binary(max_size=300))
def test_reader_raises_nothing_but_protocol_errors_on_garbage(side: Side, data: bytes) -> None:
    frames = reader(side)
    with suppress(ProtocolError):
        total = sum(len(frame.payload) for frame in read(frames, data))
        assert total + frames.buffered() <= len(data)


def test_frame_is_told_apart_at_a_glance() -> None:
    frame = Frame(TEXT, b"payload", True, False, True, 0)
    assert repr(frame) == (
        "Frame(opcode=1, payload=7 bytes, fin=True, rsv1=False, starts=True, left=0)"
    )


# Writing


@pytest.mark.parametrize("key", [b"", KEY], ids=["server", "client"])
@pytest.mark.parametrize("length", [*LENGTHS, 2**32, 2**63 - 1])
@pytest.mark.parametrize("opcode", OPCODES)
def test_frame_head_uses_the_fewest_bytes(opcode: int, length: int, key: bytes) -> None:
    for fin in (True, False):
        assert frame_head(opcode, length, fin, False, key) == raw_head(opcode, length, key, fin)


def test_frame_head_sets_rsv1_for_a_compressed_message() -> None:
    assert frame_head(TEXT, 5, True, True, b"") == raw_head(TEXT, 5, rsv=4)


# Close frames


@pytest.mark.parametrize("size", [0, 1, 123])
def test_close_payload_is_a_code_and_a_reason(size: int) -> None:
    assert close_payload(1000, size * "x") == b"\x03\xe8" + size * b"x"


def test_close_payload_takes_each_code_that_may_be_sent_and_no_other() -> None:
    for code in range(-1, 5001):
        if sendable(code):
            assert parse_close(close_payload(code, "bye")) == (code, "bye")
        else:
            with pytest.raises(ValueError, match=rf"code: {code} may not be sent \(RFC 6455 7.4\)"):
                close_payload(code, "")


@pytest.mark.parametrize("reason", [124 * "x", 62 * "é", 41 * "€" + "x"])
def test_close_payload_refuses_a_reason_over_123_bytes(reason: str) -> None:
    with pytest.raises(ValueError, match="reason: over 123 bytes"):
        close_payload(1000, reason)


def test_close_payload_refuses_a_reason_without_utf8() -> None:
    with pytest.raises(UnicodeEncodeError):
        close_payload(1000, "\ud800")


def test_parse_close_reads_no_code_as_1005() -> None:
    assert parse_close(b"") == (NO_STATUS_RECEIVED, "")


def test_parse_close_reads_a_code_without_a_reason() -> None:
    assert parse_close(b"\x0f\xa0") == (4000, "")


def test_parse_close_fails_on_half_a_code() -> None:
    for byte in range(256):
        with pytest.raises(ProtocolError, match="may not be sent"):
            parse_close(bytes([byte]))


def test_parse_close_takes_each_code_that_may_be_sent_and_no_other() -> None:
    for code in range(65536):
        payload = code.to_bytes(2, "big")
        if sendable(code):
            assert parse_close(payload) == (code, "")
        else:
            with pytest.raises(ProtocolError, match=r"may not be sent \(RFC 6455 7.4\)") as raised:
                parse_close(payload)
            assert raised.value.code == 1002


@pytest.mark.parametrize(
    "reason", ["80", "c0af", "eda080", "f4908080", "e282", "61ff"], ids=lambda bad: f"8.1-{bad}"
)
def test_parse_close_fails_on_a_reason_that_is_not_utf8(reason: str) -> None:
    with pytest.raises(InvalidText) as raised:
        parse_close(b"\x03\xe8" + bytes.fromhex(reason))
    assert raised.value.code == 1007


@given(code=st.integers(3000, 4999), reason=st.text(max_size=30))
def test_close_payload_is_read_back_as_it_was(code: int, reason: str) -> None:
    assert parse_close(close_payload(code, reason)) == (code, reason)
