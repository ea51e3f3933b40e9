from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.codes import BINARY, CONTINUATION, TEXT, Side
from geventws.core.errors import ConcurrencyError, InvalidText, MessageTooBig, ProtocolError
from geventws.core.frame import Frame
from geventws.core.message import (
    GATHER,
    Encoded,
    MessageWriter,
    fragment_limit,
    opcode_of,
    payload_of,
)
from tests.core.helpers import (
    AGREED,
    Cut,
    Message,
    Raw,
    compressing,
    deflated,
    fragments,
    frame,
    head,
    inflated,
    opcodes,
    pieces,
    read,
    read_frames,
    reader,
    written,
)

# Reading


@opcodes
@pytest.mark.parametrize("payload", [b"", b"Hello", "Καλημέρα κόσμε".encode()])
def test_reader_returns_a_message_of_one_frame_at_once(opcode: int, payload: bytes) -> None:
    messages = reader()
    assert messages.add(frame(opcode, payload)) == (payload.decode() if opcode == TEXT else payload)
    assert not messages.arriving()


@opcodes
@pytest.mark.parametrize("at", [[1], [0], [11], [0, 0, 3, 3, 11, 11], range(12)], ids=str)
@pytest.mark.parametrize("cut", [fragments, pieces])
@pytest.mark.parametrize("rsv1", [False, True], ids=["plain", "compressed"])
def test_reader_joins_a_message_however_it_is_cut(
    opcode: int, at: list[int], cut: Cut, rsv1: bool
) -> None:
    payload = deflated(b"Hello world") if rsv1 else b"Hello world"
    frames = cut(opcode, payload, at, rsv1)
    messages = reader()
    assert [messages.add(each) for each in frames[:-1]] == [None] * (len(frames) - 1)
    joined = messages.add(frames[-1])
    assert joined == ("Hello world" if opcode == TEXT else b"Hello world")
    assert not messages.arriving()
    assert messages.buffered() == 0


def test_reader_reads_one_message_after_the_other() -> None:
    frames = [
        frame(TEXT, b"one"),
        *fragments(BINARY, b"two", [1]),
        *pieces(TEXT, b"three", [2]),
        frame(TEXT, deflated(b"four"), rsv1=True),
        frame(BINARY, b""),
    ]
    assert read(reader(), frames) == ["one", b"two", "three", "four", b""]


@pytest.mark.parametrize("fin", [True, False], ids=["fin", "more"])
@pytest.mark.parametrize("before", [[], [frame(TEXT, b"whole")]], ids=["5.4-first", "5.4-next"])
def test_reader_fails_on_a_continuation_of_no_message(before: list[Frame], fin: bool) -> None:
    messages = reader()
    read(messages, before)
    with pytest.raises(ProtocolError, match=r"continuation of no message \(RFC 6455 5.4\)") as info:
        messages.add(frame(CONTINUATION, b"", fin))
    assert info.value.code == 1002


@opcodes
@pytest.mark.parametrize("fin", [True, False], ids=["5.4-fin", "5.4-more"])
@pytest.mark.parametrize("begun", [frame(TEXT, b"a", False), head(TEXT, 5, True)])
def test_reader_fails_on_a_message_inside_another(opcode: int, fin: bool, begun: Frame) -> None:
    messages = reader()
    messages.add(begun)
    with pytest.raises(ProtocolError, match=r"new message inside .* \(RFC 6455 5.4\)") as info:
        messages.add(frame(opcode, b"", fin))
    assert info.value.code == 1002


def test_reader_says_how_much_of_an_unfinished_message_it_holds() -> None:
    messages = reader()
    assert (messages.buffered(), messages.arriving()) == (0, False)
    messages.add(frame(TEXT, b"12345", False))
    assert (messages.buffered(), messages.arriving()) == (5, True)


# Reading, limits


@opcodes
@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([(11, True, 0)], id="whole"),
        pytest.param([(0, False, 11)], id="declared"),
        pytest.param([(10, False, 0), (1, True, 0)], id="gathered"),
        pytest.param([(10, False, 0), (0, False, 1)], id="gathered-and-declared"),
        pytest.param([(10, False, 0), (0, False, 2**63 - 1)], id="longest-declared"),
        pytest.param([(0, False, 2**63 - 1)], id="longest-declared-first"),
    ],
)
def test_reader_fails_1009_as_soon_as_a_message_is_over_max_size(
    opcode: int, frames: list[tuple[int, bool, int]]
) -> None:
    messages = reader(10)
    *before, last = [
        Frame(CONTINUATION if n else opcode, size * b"x", fin, False, True, left)
        for n, (size, fin, left) in enumerate(frames)
    ]
    assert read(messages, before) == []
    with pytest.raises(MessageTooBig, match="a message over 10 bytes") as info:
        messages.add(last)
    assert info.value.code == 1009


@pytest.mark.parametrize("size", [0, 1], ids=["empty", "full"])
def test_reader_takes_max_fragments_continuations_and_fails_1008_on_one_more(size: int) -> None:
    messages = reader(None, 5)
    parts = fragments(BINARY, 6 * size * b"x", [n * size for n in range(1, 6)])
    assert read(messages, parts) == [6 * size * b"x"]
    read(messages, parts[:5])
    messages.add(frame(CONTINUATION, b"", False))
    with pytest.raises(ProtocolError, match="a message of more than 5 continuations") as info:
        messages.add(frame(CONTINUATION, b"x"))
    assert info.value.code == 1008


def test_reader_fails_1009_when_a_compressed_frame_declares_what_cannot_be_within() -> None:
    with pytest.raises(MessageTooBig):
        reader(1000).add(head(BINARY, 3000, rsv1=True))
    with pytest.raises(MessageTooBig):
        reader(1000).add(head(BINARY, 2**63 - 1, rsv1=True))


@pytest.mark.parametrize(
    ("max_size", "limit"),
    [(None, 1024), (1, 1024), (1024 * 256, 1024), (1024 * 257, 1028), (1024 * 1024, 4096)],
)
def test_fragment_limit_is_a_frame_per_256_bytes_and_at_least_1024(
    max_size: int | None, limit: int
) -> None:
    assert fragment_limit(max_size) == limit


# Reading, text


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"\xff"], id="8.1-whole"),
        pytest.param([b"a\xc0"], id="8.1-impossible"),
        pytest.param([b"\xe2", b"A"], id="8.1-impossible-next"),
        pytest.param([b"\xed", b"\xa0"], id="8.1-surrogate"),
        pytest.param([b"\xe2\x82"], id="8.1-cut"),
    ],
)
@pytest.mark.parametrize("rsv1", [False, True], ids=["plain", "compressed"])
def test_reader_fails_1007_on_a_text_that_is_not_utf8(parts: list[bytes], rsv1: bool) -> None:
    messages = reader()
    deflater = AGREED.deflater(Side.CLIENT)
    last = len(parts) - 1
    for number, part in enumerate(parts):
        payload = deflater.deflate(part, number == last) if rsv1 else part
        each = frame(CONTINUATION if number else TEXT, payload, number == last, rsv1 and not number)
        if number < last:
            assert messages.add(each) is None
        else:
            with pytest.raises(InvalidText, match=r"not UTF-8 \(RFC 6455 8.1\)") as info:
                messages.add(each)
            assert info.value.code == 1007


def test_reader_does_not_take_binary_for_text() -> None:
    assert read(reader(), fragments(BINARY, b"\xff\xc0\x80", [1, 2])) == [b"\xff\xc0\x80"]


# Reading, in pieces


def test_reader_gives_what_is_here_of_a_message_and_forgets_it() -> None:
    messages = reader()
    assert messages.take() is None
    messages.add(frame(TEXT, "aé".encode()[:2], False))
    assert messages.take() == "a"
    assert messages.take() is None
    assert messages.buffered() == 1
    assert messages.add(frame(CONTINUATION, "aé".encode()[2:] + b"b")) == "éb"
    assert messages.take() is None


@opcodes
def test_reader_lets_the_rest_of_a_message_pass_when_told_to_skip_it(opcode: int) -> None:
    messages = reader()
    messages.add(frame(opcode, b"seen", False))
    messages.skip()
    assert messages.buffered() == 0
    assert messages.add(frame(CONTINUATION, b"unseen", False)) is None
    assert messages.buffered() == 0
    rest = [frame(CONTINUATION, b"unseen"), frame(BINARY, b"next"), *fragments(TEXT, b"last", [2])]
    assert read(messages, rest) == [b"next", "last"]


# Writing

masks = pytest.mark.parametrize("masking", [True, False], ids=["client", "server"])


@masks
@pytest.mark.parametrize(
    ("message", "opcode", "payload"),
    [
        pytest.param("", TEXT, b"", id="5.6-empty-text"),
        pytest.param("Hellö", TEXT, "Hellö".encode(), id="5.6-text"),
        pytest.param(b"", BINARY, b"", id="5.6-empty-binary"),
        pytest.param(b"\xff\x00", BINARY, b"\xff\x00", id="5.6-bytes"),
        pytest.param(bytearray(b"\xff\x00"), BINARY, b"\xff\x00", id="5.6-bytearray"),
        pytest.param(memoryview(b"-\xff-\x00")[1::2], BINARY, b"\xff\x00", id="5.6-memoryview"),
        pytest.param(bytes(GATHER), BINARY, bytes(GATHER), id="5.6-large"),
    ],
)
def test_writer_makes_one_frame_of_a_message(
    masking: bool, message: Message, opcode: int, payload: bytes
) -> None:
    writer = MessageWriter(masking)
    writer.message(message)
    assert written(writer) == [Raw(opcode, payload, masked=masking)]


@pytest.mark.parametrize("bad", [None, 1, 1.5, ["a"]], ids=repr)
def test_writer_refuses_what_is_neither_text_nor_bytes(bad: Any) -> None:
    writer = MessageWriter(False)
    name = type(bad).__name__
    for make in (writer.message, lambda data: writer.fragment(data, True), Encoded, payload_of):
        with pytest.raises(TypeError, match=f"message: str or bytes, not {name}"):
            make(bad)
    assert (writer.take(), writer.messages, writer.bytes, writer.wire) == ([], 0, 0, 0)


@masks
@pytest.mark.parametrize(
    ("parts", "opcode"),
    [
        ([b"one", b"", b"three"], BINARY),
        (["one", "", "three"], TEXT),
        ([b"", bytearray(b"two"), memoryview(b"three")], BINARY),
        (["only"], TEXT),
    ],
    ids=["binary", "text", "kinds-of-bytes", "one"],
)
def test_writer_makes_one_frame_of_each_fragment(
    masking: bool, parts: list[Message], opcode: int
) -> None:
    writer = MessageWriter(masking)
    for number, part in enumerate(parts, 1):
        writer.fragment(part, number == len(parts))
    frames = written(writer)
    assert [each.opcode for each in frames] == [opcode] + [CONTINUATION] * (len(parts) - 1)
    assert [each.fin for each in frames] == [False] * (len(parts) - 1) + [True]
    assert [each.payload for each in frames] == [payload_of(part) for part in parts]


@pytest.mark.parametrize(("first", "other"), [("text", b"binary"), (b"binary", "text")])
def test_writer_refuses_text_and_binary_in_one_message(first: Message, other: Message) -> None:
    writer = MessageWriter(False)
    writer.fragment(first, False)
    with pytest.raises(TypeError, match="message: its items are all str or all bytes"):
        writer.fragment(other, True)
    writer.fragment(first, True)
    writer.fragment(other, True)
    assert [(each.opcode == CONTINUATION, each.fin) for each in written(writer)] == [
        *[(False, False), (True, True), (False, True)]
    ]


def test_writer_refuses_a_message_inside_a_fragmented_one() -> None:
    writer = MessageWriter(False)
    writer.fragment("one", False)
    with pytest.raises(ConcurrencyError, match=r"inside a fragmented one \(RFC 6455 5.4\)"):
        writer.message("two")
    with pytest.raises(ConcurrencyError, match=r"inside a fragmented one \(RFC 6455 5.4\)"):
        writer.encoded(Encoded("two"))
    writer.fragment("three", True)
    assert [each.payload for each in written(writer)] == [b"one", b"three"]
    assert writer.messages == 1


@pytest.mark.parametrize("message", ["compress " * 50, b"compress " * 50], ids=["text", "binary"])
def test_writer_compresses_a_message_where_that_was_agreed(message: Message) -> None:
    writer = compressing()
    writer.message(message)
    (only,) = written(writer)
    opcode, payload = opcode_of(message), payload_of(message)
    assert (only.opcode, only.fin, only.rsv) == (opcode, True, 4)
    assert len(only.payload) < 50
    assert inflated([only]) == payload


def test_writer_does_not_build_on_what_it_was_told_to_forget() -> None:
    text = "compress " * 9
    for writer, length in ((compressing(), "same"), (compressing(), "longer")):
        writer.message(text)
        (lost,) = written(writer)
        if length == "longer":
            writer.forget()
        writer.message(text)
        (kept,) = written(writer)
        assert (len(kept.payload) < len(lost.payload)) == (length == "same")
    assert inflated([kept]) == text.encode()


def test_writer_has_nothing_to_forget_where_it_does_not_compress() -> None:
    writer = MessageWriter(False)
    writer.forget()
    writer.message("text")
    assert written(writer) == [Raw(TEXT, b"text")]


def test_encoded_message_is_a_frame_for_any_number_of_clients() -> None:
    encoded = Encoded("Hellö")
    assert (list(read_frames(encoded.plain)), encoded.size) == ([Raw(TEXT, "Hellö".encode())], 6)
    writer = MessageWriter(False)
    writer.encoded(encoded)
    assert written(writer) == [Raw(TEXT, "Hellö".encode())]
    assert (writer.messages, writer.bytes, writer.wire) == (1, 6, 8)


def test_encoded_message_does_not_change_with_what_it_was_made_of() -> None:
    data = bytearray(b"before")
    encoded = Encoded(data)
    data[:] = b"behind"
    assert encoded.message == b"before"
    assert list(read_frames(encoded.plain)) == [Raw(BINARY, b"before")]


def test_writer_gives_what_it_made_once() -> None:
    writer = MessageWriter(False)
    assert not writer.pending()
    assert writer.take() == []
    writer.message(b"one")
    assert writer.pending()
    assert written(writer) == [Raw(BINARY, b"one")]
    assert not writer.pending()
    assert writer.take() == []


# Both


@masks
@given(
    sent=st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), max_size=5),
    compress=st.booleans(),
)
def test_reader_reads_what_a_writer_writes(
    masking: bool, sent: list[list[bytes]], compress: bool
) -> None:
    writer = MessageWriter(masking, AGREED.deflater(Side.CLIENT) if compress else None)
    for parts in sent:
        for number, part in enumerate(parts, 1):
            writer.fragment(part, number == len(parts))
    frames = [frame(raw.opcode, raw.payload, raw.fin, raw.rsv == 4) for raw in written(writer)]
    assert read(reader(), frames) == [b"".join(parts) for parts in sent]
