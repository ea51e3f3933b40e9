"""What a writer makes of messages, beside what test_message.py holds."""

from __future__ import annotations

import pytest

from geventws.core.codes import PING, Side
from geventws.core.message import GATHER, Encoded, MessageWriter
from tests.core.helpers import AGREED, Raw, compressing, inflated, written


def test_writer_masks_every_frame_with_a_key_of_its_own() -> None:
    writer = MessageWriter(True)
    for _ in range(100):
        writer.message(b"")
    assert len({data[2:] for data in writer.take()}) > 90  # each is a head and its key


def test_writer_hands_over_a_large_payload_without_copying_it() -> None:
    writer = MessageWriter(False)
    payload = bytes(GATHER)
    writer.message(payload)
    _, same = writer.take()
    assert same is payload
    writer.message(payload[1:])
    assert len(writer.take()) == 1


def test_writer_refuses_text_that_has_no_utf8() -> None:
    writer = MessageWriter(False)
    for make in (writer.message, lambda data: writer.fragment(data, True), Encoded):
        with pytest.raises(UnicodeEncodeError):
            make("\ud800")
    assert (writer.take(), writer.messages, writer.bytes, writer.wire) == ([], 0, 0, 0)


def test_writer_leaves_messages_under_the_threshold_alone() -> None:
    writer = compressing(threshold=10)
    writer.message(b"123456789")
    writer.message(b"1234567890")
    assert [each.rsv for each in written(writer)] == [0, 4]


def test_writer_compresses_fragments_of_any_size_and_says_so_on_the_first() -> None:
    writer = compressing(threshold=10)
    for part, fin in (("frag", False), ("", False), ("ments", True)):
        writer.fragment(part, fin)
    frames = written(writer)
    assert [each.rsv for each in frames] == [4, 0, 0]
    assert inflated(frames) == b"fragments"


def test_writer_puts_control_frames_between_fragments_and_never_compresses_them() -> None:
    writer = compressing()
    writer.fragment("one", False)
    writer.frame(PING, b"ping", True, False)
    writer.fragment("two", True)
    first, ping, last = written(writer)
    assert ping == Raw(PING, b"ping")
    assert inflated([first, last]) == b"onetwo"


def test_writer_counts_messages_their_bytes_and_what_that_is_on_the_wire() -> None:
    writer = MessageWriter(True)
    writer.message("é")
    writer.fragment(b"one", False)
    assert (writer.messages, writer.bytes) == (1, 5)
    writer.fragment(b"two", True)
    writer.frame(PING, b"", True, False)
    assert (writer.messages, writer.bytes, writer.wire) == (2, 8, 3 * 6 + 8 + 6)
    assert writer.wire == len(b"".join(writer.take()))


# Messages for many


def test_encoded_message_is_deflated_once_for_all_that_have_the_same_window() -> None:
    encoded = Encoded("news " * 50)
    here, there = (AGREED.deflater(Side.SERVER) for _ in range(2))
    other = AGREED._replace(server_max_window_bits=9).deflater(Side.SERVER)
    assert encoded.deflated(here) is encoded.deflated(there)
    assert encoded.deflated(here) is not encoded.deflated(other)


def test_encoded_message_under_the_threshold_is_left_alone() -> None:
    writer = compressing(threshold=10)
    writer.encoded(Encoded(b"123456789"))
    writer.encoded(Encoded(b"1234567890"))
    assert [each.rsv for each in written(writer)] == [0, 4]


@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no-takeover"])
def test_client_understands_messages_for_many_among_its_own(takeover: bool) -> None:
    agreed = AGREED._replace(server_no_context_takeover=not takeover)
    writer = MessageWriter(False, agreed.deflater(Side.SERVER))
    inflater = agreed.inflater(Side.CLIENT)
    said = [b"what repeats, repeats %d" % number for number in range(6)]
    for number, message in enumerate(said):
        if number % 2:
            writer.encoded(Encoded(message))
        else:
            writer.message(message)
    frames = written(writer)
    assert [each.rsv for each in frames] == [4] * 6
    assert [inflater.inflate(each.payload, None, True) for each in frames] == said
    assert writer.bytes == sum(map(len, said))


def test_message_may_be_of_a_subclass() -> None:
    class Blob(bytes):
        pass

    class Words(str):
        __slots__ = ()

    writer = MessageWriter(False)
    for message in (Blob(b"blob"), Words("words")):
        writer.message(message)
        writer.fragment(message, True)
        writer.encoded(Encoded(message))
    payloads = [each.payload for each in written(writer)]
    assert payloads == [b"blob"] * 3 + [b"words"] * 3
