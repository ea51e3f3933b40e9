"""The closing handshake and every other end, from both sides (RFC 6455 5.5.1, 7)."""

from __future__ import annotations

import pytest

from geventws.core.codes import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Side,
    State,
    sendable,
)
from geventws.core.errors import ConnectionClosed, InvalidText, ProtocolError
from geventws.core.message import Encoded
from geventws.core.protocol import AHEAD_BYTES, Protocol
from tests.core.helpers import (
    AGREED,
    Raw,
    both_sides,
    bring,
    carry,
    closing,
    ends,
    frame_to,
    joined,
    raw_frame,
    receive,
    sent,
    verdict,
    wire,
)

# Beginning it


@both_sides
def test_side_closes_with_1000_and_no_reason_when_nothing_else_is_said(side: Side) -> None:
    protocol = Protocol(side)
    protocol.close()
    assert protocol.close_sent
    assert not protocol.close_received
    assert [(frame.opcode, frame.payload) for frame in sent(protocol)] == [(CLOSE, closing(1000))]


@both_sides
def test_side_sends_each_code_that_may_be_sent_and_no_other(side: Side) -> None:
    for code in range(5001):
        protocol = Protocol(side)
        if sendable(code):
            protocol.close(code, "bye")
            assert sent(protocol) == [Raw(CLOSE, closing(code, "bye"), masked=side == Side.CLIENT)]
        else:
            with pytest.raises(ValueError, match=f"code: {code} may not be sent"):
                protocol.close(code, "bye")
            assert (protocol.state, protocol.has_data()) == (State.OPEN, False)


@both_sides
@pytest.mark.parametrize("reason", [124 * "x", 62 * "é", "\ud800"], ids=ascii)
def test_side_refuses_a_reason_that_does_not_fit(side: Side, reason: str) -> None:
    protocol = Protocol(side)
    with pytest.raises(ValueError, match=r"reason: over 123 bytes|surrogates"):
        protocol.close(1000, reason)
    assert (protocol.state, protocol.has_data()) == (State.OPEN, False)


@both_sides
def test_side_closes_once_however_often_it_is_told_to(side: Side) -> None:
    protocol = Protocol(side)
    protocol.close(4000, "first")
    protocol.close(4001, "second")
    assert [frame.payload for frame in sent(protocol)] == [closing(4000, "first")]
    assert (protocol.close_code, protocol.close_reason) == (4000, "first")
    receive(protocol, frame_to(side, CLOSE, closing(4002)))
    protocol.close(4003, "third")
    assert not protocol.has_data()
    assert verdict(protocol) == (4002, "", True)


@both_sides
def test_side_sends_what_it_has_to_send_before_its_close_frame(side: Side) -> None:
    protocol = Protocol(side)
    protocol.send_message("last")
    receive(protocol, frame_to(side, PING, b"ping"))
    protocol.close()
    assert [frame.opcode for frame in sent(protocol)] == [TEXT, PONG, CLOSE]


@both_sides
def test_side_ends_its_unfinished_message_with_its_close_frame(side: Side) -> None:
    protocol = Protocol(side)
    protocol.send_fragment("in ", False)
    protocol.close()
    with pytest.raises(ConnectionClosed):
        protocol.send_fragment("parts", True)
    assert [frame.opcode for frame in sent(protocol)] == [TEXT, CLOSE]


@both_sides
@pytest.mark.parametrize("answering", [False, True], ids=["closing", "answering"])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("send_message", ("late",)),
        ("send_fragment", ("late", True)),
        ("send_encoded", [Encoded("late")]),
        ("send_ping", (b"late",)),
    ],
)
def test_side_sends_nothing_after_its_close_frame(
    side: Side, answering: bool, method: str, arguments: tuple[object, ...]
) -> None:
    protocol = Protocol(side)
    if answering:
        receive(protocol, frame_to(side, CLOSE))
    else:
        protocol.close()
    sent(protocol)
    with pytest.raises(ConnectionClosed):
        getattr(protocol, method)(*arguments)
    assert not protocol.has_data()


# Answering it


@both_sides
def test_side_echoes_each_code_that_may_be_sent_and_answers_others_with_1002(side: Side) -> None:
    for code in range(5001):
        protocol = Protocol(side)
        receive(protocol, frame_to(side, CLOSE, closing(code, "bye")))
        (answer,) = sent(protocol)
        assert protocol.state == State.CLOSED
        if sendable(code):
            assert answer.payload == closing(code)
            assert verdict(protocol) == (code, "bye", True)
        else:
            reason = "a close code that may not be sent (RFC 6455 7.4)"
            assert answer.payload == closing(1002, reason)
            assert verdict(protocol) == (1002, reason, False)


@both_sides
def test_side_answers_an_empty_close_frame_with_an_empty_one(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, CLOSE))
    assert sent(protocol) == [Raw(CLOSE, b"", masked=side == Side.CLIENT)]
    assert verdict(protocol) == (1005, "", True)


@both_sides
def test_side_answers_a_close_frame_of_one_byte_with_1002(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, CLOSE, b"\x03"))
    assert [frame.payload[:2] for frame in sent(protocol)] == [closing(1002)]
    assert type(protocol.closed_error().__cause__) is ProtocolError


@both_sides
@pytest.mark.parametrize("reason", ["80", "c0af", "eda080", "f4908080", "e282"])
def test_side_answers_a_reason_that_is_not_utf8_with_1007(side: Side, reason: str) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, CLOSE, closing(1000) + bytes.fromhex(reason)))
    assert [frame.payload[:2] for frame in sent(protocol)] == [closing(1007)]
    assert type(protocol.closed_error().__cause__) is InvalidText


@both_sides
def test_side_takes_the_longest_reason_there_is(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, CLOSE, closing(1000, 41 * "€")))
    assert verdict(protocol) == (1000, 41 * "€", True)


@both_sides
def test_side_answers_a_close_frame_inside_a_fragmented_message(side: Side) -> None:
    protocol = Protocol(side)
    data = frame_to(side, TEXT, b"in ", False) + frame_to(side, CLOSE, closing(1001))
    assert receive(protocol, data + frame_to(side, CONTINUATION, b"parts")) == []
    assert [frame.payload for frame in sent(protocol)] == [closing(1001)]
    assert verdict(protocol) == (1001, "", True)


@both_sides
def test_side_receives_what_came_before_a_close_frame_and_nothing_behind_it(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(
        frame_to(side, TEXT, b"one")
        + frame_to(side, BINARY, b"two")
        + frame_to(side, CLOSE, closing(1000))
        + frame_to(side, PING, b"late")
        + frame_to(side, TEXT, b"late")
        + frame_to(side, CLOSE, closing(1001))
    )
    assert protocol.next_message() == "one"
    assert protocol.next_message() == b"two"
    assert (protocol.state, protocol.has_data()) == (State.OPEN, False)
    assert protocol.next_message() is None
    assert [frame.opcode for frame in sent(protocol)] == [CLOSE]
    assert receive(protocol) == []
    assert verdict(protocol) == (1000, "", True)


@both_sides
def test_side_answers_a_ping_before_it_answers_a_close_frame(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, PING, b"ping") + frame_to(side, CLOSE))
    assert [frame.opcode for frame in sent(protocol)] == [PONG, CLOSE]


# After our close frame


def test_both_sides_may_close_at_once() -> None:
    client, server = joined()
    client.close(4000, "client")
    server.close(4001, "server")
    to_server, to_client = wire(client), wire(server)
    assert receive(server, to_server) == receive(client, to_client) == []
    assert verdict(client) == (4001, "server", True)
    assert verdict(server) == (4000, "client", True)
    assert not client.has_data()
    assert not server.has_data()


@both_sides
def test_side_passes_over_what_comes_after_its_close_frame(side: Side) -> None:
    protocol = Protocol(side)
    protocol.close()
    sent(protocol)
    data = [
        frame_to(side, TEXT, b"late"),
        frame_to(side, CONTINUATION, b"of nothing"),
        frame_to(side, TEXT, b"\xff"),
        frame_to(side, PING, b"unanswered"),
    ]
    assert receive(protocol, b"".join(data)) == []
    assert (protocol.state, protocol.has_data()) == (State.CLOSING, False)
    receive(protocol, frame_to(side, CLOSE, closing(1000)))
    assert verdict(protocol) == (1000, "", True)


@both_sides
def test_side_that_closed_notes_pongs_to_the_end(side: Side) -> None:
    protocol = Protocol(side)
    protocol.send_ping(b"ping")
    protocol.close()
    receive(protocol, frame_to(side, PONG, b"ping"))
    assert list(protocol.pongs or ()) == [b"ping"]


@both_sides
def test_side_sends_no_second_close_frame_on_a_violation_after_its_own(side: Side) -> None:
    protocol = Protocol(side)
    protocol.close()
    sent(protocol)
    receive(protocol, raw_frame(TEXT, b"", b"" if side == Side.SERVER else b"mask"))
    assert not protocol.has_data()
    assert (verdict(protocol)[0], verdict(protocol)[2]) == (1002, False)


@both_sides
def test_side_receives_what_had_arrived_before_it_closed(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(
        frame_to(side, TEXT, b"one")
        + frame_to(side, PING, b"ping")
        + frame_to(side, BINARY, b"two")
        + frame_to(side, TEXT, b"three")[:-1]
    )
    protocol.close()
    assert [frame.opcode for frame in sent(protocol)] == [PONG, CLOSE]
    assert receive(protocol, frame_to(side, TEXT, b"three")[-1:]) == ["one", b"two"]
    assert protocol.state == State.CLOSING


@both_sides
def test_side_keeps_a_bounded_part_of_a_flood_that_had_arrived_before_it_closed(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, BINARY, bytes(1000)) * 1000)
    protocol.close()
    kept = protocol.queued()
    assert 2 * AHEAD_BYTES <= 1000 * kept < 2 * AHEAD_BYTES + 1000
    assert receive(protocol) == kept * [bytes(1000)]


@both_sides
@ends
def test_side_that_closes_when_the_end_has_arrived_takes_that(
    side: Side, end: str, code: int
) -> None:
    protocol = Protocol(side)
    bring(end, protocol, side)
    protocol.close(4002)
    assert (protocol.state, verdict(protocol)[0]) == (State.CLOSED, code)
    frames = sent(protocol)
    assert [frame.payload[:2] for frame in frames] == ([] if code == 1006 else [closing(code)])


@both_sides
@ends
@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "unread"])
def test_side_that_closes_with_messages_before_the_end_receives_them(
    side: Side, end: str, code: int, ahead: bool
) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"before"))
    bring(end, protocol, side)
    if ahead:
        protocol.read_ahead()
    protocol.close(4002)
    protocol.read_ahead()
    assert (protocol.state, verdict(protocol)[0]) == (State.CLOSED, code)
    assert receive(protocol) == ["before"]
    assert [frame.opcode for frame in sent(protocol)] == [CLOSE]


@both_sides
def test_side_that_closes_with_its_read_ahead_full_still_sees_the_answer(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(40 * frame_to(side, TEXT, b"before"))
    protocol.read_ahead()
    assert not protocol.wants_data()
    protocol.close()
    assert protocol.wants_data()
    protocol.receive_data(frame_to(side, TEXT, b"after") + frame_to(side, CLOSE, closing(1000)))
    protocol.frames_this_turn = 0
    protocol.read_ahead()
    assert verdict(protocol) == (1000, "", True)
    assert receive(protocol) == 40 * ["before"]


def test_a_closing_handshake_ends_a_compressed_conversation_cleanly() -> None:
    client, server = joined(AGREED)
    client.send_message("last")
    client.close(1000, "bye")
    assert carry(client, server) == ["last"]
    assert carry(server, client) == []
    assert verdict(server) == (1000, "bye", True)
    assert verdict(client) == (1000, "", True)
