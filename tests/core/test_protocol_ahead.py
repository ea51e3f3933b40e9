"""Reading ahead for an application that is not asking: what is kept, how much, and what waits."""

from __future__ import annotations

import pytest

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side, State
from geventws.core.protocol import AHEAD_BYTES, AHEAD_MESSAGES, TURN, Protocol
from tests.core.helpers import (
    AGREED,
    both_sides,
    bring,
    closing,
    deflated,
    ends,
    frame_to,
    receive,
    sent,
    state,
    verdict,
)


def read_ahead(protocol: Protocol, data: bytes = b"") -> None:
    """Give a protocol *data* and let it read ahead as far as it wants to."""
    protocol.receive_data(data)
    while True:
        protocol.frames_this_turn = 0
        protocol.read_ahead()
        if protocol.frames_this_turn < TURN:
            return


@both_sides
def test_side_keeps_messages_in_order_for_whoever_asks_later(side: Side) -> None:
    protocol = Protocol(side)
    parts = frame_to(side, TEXT, b"in ", False) + frame_to(side, CONTINUATION, b"parts")
    read_ahead(protocol, frame_to(side, TEXT, b"whole") + parts + frame_to(side, BINARY, b""))
    assert protocol.queued() == 3
    assert receive(protocol, frame_to(side, TEXT, b"next")) == ["whole", "in parts", b"", "next"]
    assert protocol.queued() == 0


@both_sides
def test_side_keeps_16_messages_and_leaves_the_others_as_they_came(side: Side) -> None:
    protocol = Protocol(side)
    read_ahead(protocol, b"".join(frame_to(side, BINARY, b"%d" % number) for number in range(100)))
    assert (protocol.queued(), protocol.wants_data()) == (AHEAD_MESSAGES, False)
    assert receive(protocol) == [b"%d" % number for number in range(100)]
    assert (protocol.buffered(), protocol.wants_data()) == (0, True)


@both_sides
def test_side_wants_data_again_when_there_is_room_for_a_message(side: Side) -> None:
    protocol = Protocol(side)
    read_ahead(protocol, AHEAD_MESSAGES * frame_to(side, TEXT, b"text"))
    assert not protocol.wants_data()
    protocol.next_message()
    assert protocol.wants_data()


@both_sides
@pytest.mark.parametrize(("size", "kept"), [(AHEAD_BYTES // 2 - 1, 3), (AHEAD_BYTES, 1)])
def test_side_keeps_64_kib_and_the_message_that_passes_it(side: Side, size: int, kept: int) -> None:
    protocol = Protocol(side)
    read_ahead(protocol, 4 * frame_to(side, BINARY, bytes(size)))
    assert (protocol.queued(), protocol.wants_data()) == (kept, False)
    assert receive(protocol) == 4 * [bytes(size)]


@both_sides
@pytest.mark.parametrize("text", [b"x", "é".encode()])
def test_side_wants_no_more_of_a_large_message_than_64_kib(side: Side, text: bytes) -> None:
    protocol = Protocol(side)
    payload = text * AHEAD_BYTES
    data = frame_to(side, TEXT, payload)
    before = data[: len(data) - len(payload) + AHEAD_BYTES - 1]
    read_ahead(protocol, before)
    assert protocol.wants_data()
    read_ahead(protocol, data[len(before) : len(before) + 1])
    assert (protocol.buffered(), protocol.wants_data()) == (AHEAD_BYTES, False)
    assert receive(protocol, data[len(before) + 1 :]) == [payload.decode()]


@both_sides
def test_side_says_how_many_bytes_it_holds_of_whatever_kind(side: Side) -> None:
    protocol = Protocol(side)
    read_ahead(protocol, frame_to(side, BINARY, bytes(1000)) + frame_to(side, TEXT, b"100 ", False))
    before = protocol.buffered()
    read_ahead(protocol, frame_to(side, PING, bytes(9))[:-1])
    assert (before, protocol.buffered()) == (1004, 1004 + len(frame_to(side, PING, bytes(8))))


@both_sides
def test_side_keeps_little_of_many_messages_that_inflate_much(side: Side) -> None:
    protocol = Protocol(side, deflate=AGREED._replace(client_no_context_takeover=True,
                                                      server_no_context_takeover=True))  # fmt: skip
    bomb = frame_to(side, BINARY, deflated(bytes(1_000_000)), rsv=4)
    read_ahead(protocol, 10 * bomb)
    assert protocol.queued() == 1
    assert len(receive(protocol)) == 10


@both_sides
def test_side_lets_others_have_a_turn_while_it_reads_ahead(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(2 * TURN * frame_to(side, PING, b"ping"))
    protocol.read_ahead()
    assert (protocol.frames_this_turn, protocol.pings_received) == (TURN, TURN)
    protocol.read_ahead()
    assert protocol.pings_received == TURN


@both_sides
def test_side_answers_pings_and_notes_pongs_behind_messages_that_wait(side: Side) -> None:
    protocol = Protocol(side)
    message = frame_to(side, TEXT, b"text")
    read_ahead(protocol, message + frame_to(side, PING, b"ping") + frame_to(side, PONG, b"pong"))
    assert [(frame.opcode, frame.payload) for frame in sent(protocol)] == [(PONG, b"ping")]
    assert list(protocol.pongs or ()) == [b"pong"]
    assert receive(protocol) == ["text"]


@both_sides
def test_side_answers_a_ping_inside_a_message_that_is_arriving(side: Side) -> None:
    protocol = Protocol(side)
    read_ahead(protocol, frame_to(side, TEXT, b"in ", False) + frame_to(side, PING, b"ping"))
    assert [frame.payload for frame in sent(protocol)] == [b"ping"]
    assert (protocol.queued(), protocol.buffered()) == (0, 3)
    assert receive(protocol, frame_to(side, CONTINUATION, b"parts")) == ["in parts"]


@both_sides
@ends
def test_side_may_send_while_it_holds_the_end_behind_a_message(
    side: Side, end: str, code: int
) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"before"))
    bring(end, protocol, side)
    read_ahead(protocol)
    protocol.send_message("answer")
    assert [frame.opcode for frame in sent(protocol)] == [TEXT]
    assert receive(protocol) == ["before"]
    assert [frame.opcode for frame in sent(protocol)] == ([] if code == 1006 else [CLOSE])
    assert verdict(protocol)[0] == code


@both_sides
@ends
def test_side_looks_at_nothing_behind_what_it_holds(side: Side, end: str, code: int) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"before"))
    bring(end, protocol, side)
    protocol.read_ahead()
    if end != "end-of-stream":
        read_ahead(protocol, frame_to(side, TEXT, b"after") + frame_to(side, PING, b"after"))
    assert (protocol.queued(), protocol.has_data(), protocol.wants_data()) == (1, False, False)
    assert receive(protocol) == ["before"]
    assert verdict(protocol)[0] == code


@both_sides
def test_side_takes_the_end_of_the_stream_behind_what_it_holds_for_nothing_new(side: Side) -> None:
    protocol = Protocol(side)
    read_ahead(protocol, frame_to(side, TEXT, b"before") + frame_to(side, CLOSE, closing(4000)))
    protocol.receive_eof(ConnectionResetError())
    protocol.read_ahead()
    assert receive(protocol) == ["before"]
    assert verdict(protocol) == (4000, "", True)


@both_sides
def test_side_ends_behind_the_last_message_that_it_read_ahead(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(2 * frame_to(side, TEXT, b"text"))
    protocol.receive_eof()
    protocol.read_ahead()
    assert protocol.next_message() == "text"
    protocol.read_ahead()
    assert state(protocol) == State.OPEN
    assert protocol.next_message() == "text"
    protocol.read_ahead()
    assert state(protocol) == State.CLOSED
