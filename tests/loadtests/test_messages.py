from __future__ import annotations

import pytest

from geventws.core.codes import Side
from geventws.core.protocol import Protocol
from loadtests.bench.messages import KINDS, binary, compressed, fragmented, frame, problem, text
from tests.core.helpers import AGREED

kinds = pytest.mark.parametrize("kind", KINDS)
sizes = pytest.mark.parametrize("size", [120, 128, 70_000])


def server() -> Protocol:
    """Return the server's end of a connection with compression."""
    return Protocol(Side.SERVER, deflate=AGREED)


def replies(payload: str, count: int) -> bytes:
    """Return what a server sends that compresses *payload* in one context."""
    protocol = server()
    sent = bytearray()
    for _ in range(count):
        protocol.send_message(payload)
        for data in protocol.data_to_send():
            sent += data
    return bytes(sent)


@kinds
@sizes
def test_a_server_reads_each_message_again_and_again(kind: str, size: int) -> None:
    message, protocol = KINDS[kind](size), server()
    for _ in range(3):
        protocol.receive_data(message.wire)
        received = protocol.next_message()
        data = received.encode() if isinstance(received, str) else received
        assert data == message.payload
        protocol.frames_this_turn = 0


@kinds
@sizes
def test_a_message_has_the_size_that_was_asked_for(kind: str, size: int) -> None:
    assert len(KINDS[kind](size).payload) == size


def test_a_fragmented_message_is_eight_frames() -> None:
    pieces = [fragmented(1024).payload[start : start + 128] for start in range(0, 1024, 128)]
    firsts = [2, 0, 0, 0, 0, 0, 0, 0x80]
    assert fragmented(1024).wire == b"".join(map(frame, firsts, pieces))


def test_text_is_not_all_ascii() -> None:
    assert not text(1024).payload.isascii()


def test_a_binary_message_is_the_same_each_time() -> None:
    assert binary(1024) == binary(1024) != binary(1025)


def test_compressed_json_is_smaller_than_it_says() -> None:
    message = compressed(4096)
    assert len(message.wire) < len(message.payload) / 2


def test_problem_finds_none_in_replies_of_one_context() -> None:
    message = compressed(4096)
    assert problem(replies(message.payload.decode(), 3), message) == ""


def test_problem_does_not_mind_a_reply_that_is_cut_off() -> None:
    message = compressed(128)
    assert problem(replies(message.payload.decode(), 2)[:-1], message) == ""


def test_problem_takes_replies_that_are_not_compressed() -> None:
    message = compressed(128)
    assert problem(b"\x89\x00\x81\x7e\x00\x80" + message.payload, message) == ""


def test_problem_says_which_reply_is_another() -> None:
    message = compressed(128)
    wrong = replies("something else entirely" * 9, 1)
    assert problem(wrong, message) == "reply 0 differs"
