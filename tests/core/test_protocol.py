from __future__ import annotations

import pytest

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side, State
from geventws.core.errors import ConcurrencyError, ConnectionClosed, ProtocolError
from geventws.core.message import Encoded
from geventws.core.protocol import PONGS, TURN, Protocol
from tests.core.helpers import (
    AGREED,
    Message,
    Raw,
    both_sides,
    bring,
    carry,
    closing,
    deflated,
    ends,
    frame_to,
    joined,
    receive,
    sent,
    state,
    verdict,
)

# Receiving


@both_sides
def test_side_receives_text_as_str_and_binary_as_bytes_in_order(side: Side) -> None:
    protocol = Protocol(side, None, 3)
    data = b"".join(
        frame_to(side, opcode, payload, fin)
        for opcode, payload, fin in [
            (TEXT, "ä".encode(), True),
            (BINARY, b"\xff", True),
            (TEXT, b"in ", False),
            (CONTINUATION, b"", False),
            (CONTINUATION, b"parts", True),
            (TEXT, b"", True),
            (BINARY, b"", True),
        ]
    )
    assert receive(protocol, data) == ["ä", b"\xff", "in parts", "", b""]
    assert protocol.state == State.OPEN


@both_sides
def test_side_returns_nothing_until_a_message_is_whole(side: Side) -> None:
    protocol = Protocol(side)
    data = frame_to(side, TEXT, b"in ", False) + frame_to(side, CONTINUATION, b"parts")
    for at in range(len(data) - 1):
        assert receive(protocol, data[at : at + 1]) == []
        assert protocol.state == State.OPEN
    assert receive(protocol, data[-1:]) == ["in parts"]


@both_sides
def test_side_receives_compressed_messages_where_that_was_agreed(side: Side) -> None:
    data = frame_to(side, TEXT, deflated(b"text"), rsv=4)
    assert receive(Protocol(side, deflate=AGREED), data) == ["text"]
    assert receive(refused := Protocol(side), data) == []
    assert verdict(refused) == (1002, "a reserved bit is set (RFC 6455 5.2)", False)


@both_sides
def test_side_keeps_a_compressed_message_whole_around_a_ping(side: Side) -> None:
    payload = deflated(b"text " * 10)
    data = (
        frame_to(side, TEXT, payload[:3], False, rsv=4)
        + frame_to(side, PING, b"ping")
        + frame_to(side, CONTINUATION, payload[3:])
    )
    assert receive(Protocol(side, deflate=AGREED), data) == ["text " * 10]


# Pings and pongs


@both_sides
@pytest.mark.parametrize("payload", [b"", b"ping", bytes(range(125))], ids=len)
def test_side_answers_a_ping_with_its_payload(side: Side, payload: bytes) -> None:
    protocol = Protocol(side)
    assert not protocol.has_data()
    assert receive(protocol, frame_to(side, PING, payload)) == []
    assert protocol.has_data()
    assert sent(protocol) == [Raw(PONG, payload, masked=side == Side.CLIENT)]
    assert not protocol.has_data()


@both_sides
def test_side_answers_a_ping_in_the_middle_of_a_message(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, TEXT, b"in ", False) + frame_to(side, PING, b"ping"))
    assert [frame.opcode for frame in sent(protocol)] == [PONG]
    assert receive(protocol, frame_to(side, CONTINUATION, b"parts")) == ["in parts"]


@both_sides
def test_side_answers_each_of_several_pings_in_order(side: Side) -> None:
    protocol = Protocol(side)
    payloads = [b"%d" % number for number in range(PONGS)]
    receive(protocol, b"".join(frame_to(side, PING, payload) for payload in payloads))
    assert [frame.payload for frame in sent(protocol)] == payloads


@both_sides
def test_side_answers_the_latest_pings_of_a_flood(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, b"".join(frame_to(side, PING, b"%d" % number) for number in range(500)))
    assert [frame.payload for frame in sent(protocol)] == [
        b"%d" % number for number in range(500 - PONGS, 500)
    ]
    assert protocol.pings_received == 500


def test_side_answers_a_ping_between_its_own_fragments_and_after_what_it_has_to_send() -> None:
    server = Protocol(Side.SERVER)
    server.send_fragment("in ", False)
    receive(server, frame_to(Side.SERVER, PING))
    assert [frame.opcode for frame in sent(server)] == [TEXT, PONG]
    server.send_fragment("parts", True)
    assert [frame.opcode for frame in sent(server)] == [CONTINUATION]


@both_sides
def test_side_notes_pongs_and_takes_unasked_ones(side: Side) -> None:
    protocol = Protocol(side)
    assert receive(protocol, frame_to(side, PONG, b"one") + frame_to(side, PONG)) == []
    assert list(protocol.pongs or ()) == [b"one", b""]
    assert (protocol.state, protocol.has_data()) == (State.OPEN, False)


@both_sides
def test_side_keeps_the_latest_pongs_of_a_flood(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, b"".join(frame_to(side, PONG, b"%d" % number) for number in range(500)))
    assert list(protocol.pongs or ()) == [b"%d" % number for number in range(500 - PONGS, 500)]


# Turns


@both_sides
@pytest.mark.parametrize("opcode", [BINARY, PING, CONTINUATION], ids=["data", "control", "parts"])
def test_side_lets_others_have_a_turn_after_64_frames(side: Side, opcode: int) -> None:
    protocol = Protocol(side)
    first = frame_to(side, BINARY, b"", False) if opcode == CONTINUATION else b""
    protocol.receive_data(first + 4 * TURN * frame_to(side, opcode, b"", opcode != CONTINUATION))
    turns = []
    while protocol.buffered():
        protocol.frames_this_turn = 0
        while protocol.next_message() is not None:
            pass
        turns.append(protocol.frames_this_turn)
    assert turns[:3] == [TURN, TURN, TURN]
    assert protocol.state == State.OPEN


@both_sides
def test_side_counts_what_it_sends_in_its_turn(side: Side) -> None:
    protocol = Protocol(side)
    protocol.send_message("one")
    protocol.send_fragment("two", True)
    protocol.send_encoded(Encoded("three"))
    assert protocol.frames_this_turn == 3


# Sending


@both_sides
def test_side_sends_text_of_str_and_binary_of_bytes(side: Side) -> None:
    protocol = Protocol(side)
    masked = side == Side.CLIENT
    for message in ("ä", b"\xff", bytearray(b"\xfe"), memoryview(b"\xfd")):
        protocol.send_message(message)
    assert [(frame.opcode, frame.payload, frame.masked) for frame in sent(protocol)] == [
        (TEXT, "ä".encode(), masked),
        *((BINARY, payload, masked) for payload in (b"\xff", b"\xfe", b"\xfd")),
    ]


@both_sides
def test_side_sends_fragments(side: Side) -> None:
    protocol = Protocol(side)
    for data, fin in (("in ", False), ("", False), ("parts", True)):
        protocol.send_fragment(data, fin)
    assert [(frame.opcode, frame.fin) for frame in sent(protocol)] == [
        *[(TEXT, False), (CONTINUATION, False), (CONTINUATION, True)]
    ]


@both_sides
def test_side_sends_no_message_inside_a_fragmented_one(side: Side) -> None:
    protocol = Protocol(side)
    protocol.send_fragment("in ", False)
    with pytest.raises(ConcurrencyError):
        protocol.send_message("between")
    with pytest.raises(ConcurrencyError):
        protocol.send_encoded(Encoded("between"))
    with pytest.raises(TypeError):
        protocol.send_fragment(b"parts", True)
    protocol.send_ping(b"between")
    protocol.send_fragment("parts", True)
    assert [frame.payload for frame in sent(protocol)] == [b"in ", b"between", b"parts"]


@both_sides
def test_side_sends_pings_of_up_to_125_bytes(side: Side) -> None:
    protocol = Protocol(side)
    protocol.send_ping()
    protocol.send_ping(bytes(125))
    with pytest.raises(ValueError, match=r"payload: a ping carries at most 125 bytes"):
        protocol.send_ping(bytes(126))
    assert [frame.payload for frame in sent(protocol)] == [b"", bytes(125)]


def test_server_sends_an_encoded_message_uncompressed() -> None:
    client, server = joined(AGREED)
    server.send_encoded(Encoded("to all"))
    assert carry(server, client) == ["to all"]


@both_sides
@pytest.mark.parametrize("message", [None, 1, ["list"], "\ud800"], ids=ascii)
def test_side_sends_nothing_of_a_message_that_it_refuses(side: Side, message: Message) -> None:
    protocol = Protocol(side)
    with pytest.raises((TypeError, UnicodeEncodeError)):
        protocol.send_message(message)
    with pytest.raises((TypeError, UnicodeEncodeError)):
        protocol.send_fragment(message, True)
    assert not protocol.has_data()
    assert protocol.frames_this_turn == 0


# Counters


def test_both_sides_count_the_same() -> None:
    client, server = joined()
    client.send_message("ä")
    client.send_fragment(b"in ", False)
    client.send_ping(b"ping")
    client.send_fragment(b"parts", True)
    carry(client, server)
    assert (client.writer.messages, client.writer.bytes, client.writer.wire) == (2, 10, 38)
    assert (server.messages_received, server.wire_received, server.pings_received) == (2, 38, 1)
    assert server.bytes_received == 10  # "ä" takes two


# Violations


@both_sides
def test_side_fails_the_connection_on_a_violation_after_the_messages_before_it(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"before") + frame_to(side, 3) + b"garbage")
    assert protocol.next_message() == "before"
    assert state(protocol) == State.OPEN
    assert protocol.next_message() is None
    assert state(protocol) == State.CLOSED
    assert verdict(protocol) == (1002, "a reserved opcode (RFC 6455 5.2)", False)
    (close,) = sent(protocol)
    assert (close.opcode, close.payload) == (CLOSE, closing(*verdict(protocol)[:2]))
    assert isinstance(protocol.closed_error().__cause__, ProtocolError)


# Closing


@both_sides
def test_side_exchanges_close_frames_when_it_closes(side: Side) -> None:
    protocol = Protocol(side)
    protocol.close(4000, "bye")
    assert state(protocol) == State.CLOSING
    assert sent(protocol) == [Raw(CLOSE, closing(4000, "bye"), masked=side == Side.CLIENT)]
    assert receive(protocol, frame_to(side, CLOSE, closing(4001, "ok"))) == []
    assert state(protocol) == State.CLOSED
    assert verdict(protocol) == (4001, "ok", True)
    assert not protocol.has_data()


@both_sides
def test_side_sends_no_message_after_its_close_frame(side: Side) -> None:
    protocol = Protocol(side)
    protocol.close()
    sent(protocol)
    for send in (protocol.send_message, lambda data: protocol.send_fragment(data, True)):
        with pytest.raises(ConnectionClosed) as raised:
            send("late")
        assert (raised.value.code, raised.value.clean) == (1000, False)
    with pytest.raises(ConnectionClosed):
        protocol.send_ping()
    receive(protocol, frame_to(side, PING) + frame_to(side, TEXT, b"passed over"))
    protocol.close(1001)
    assert not protocol.has_data()


@both_sides
def test_side_echoes_the_code_of_a_close_frame(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, CLOSE, closing(1001, "away")))
    assert sent(protocol) == [Raw(CLOSE, closing(1001), masked=side == Side.CLIENT)]
    assert verdict(protocol) == (1001, "away", True)


@both_sides
def test_side_is_closed_with_1006_by_the_end_of_the_stream_and_keeps_the_cause(side: Side) -> None:
    protocol = Protocol(side)
    cause = ConnectionResetError()
    protocol.receive_data(frame_to(side, TEXT, b"before") + frame_to(side, TEXT, b"half")[:-1])
    protocol.receive_eof(cause)
    protocol.receive_eof(OSError())
    assert receive(protocol) == ["before"]
    assert verdict(protocol) == (1006, "", False)
    assert protocol.closed_error().__cause__ is cause
    assert not protocol.has_data()


@both_sides
def test_side_tells_the_peer_another_code_than_the_application_when_asked_to(side: Side) -> None:
    protocol = Protocol(side)
    cause = TimeoutError()
    protocol.abort(1006, "no pong", cause, wire=1011)
    protocol.abort(1011, "again")
    assert [frame.payload for frame in sent(protocol)] == [closing(1011, "no pong")]
    assert verdict(protocol) == (1006, "no pong", False)
    assert protocol.closed_error().__cause__ is cause


@both_sides
def test_side_tells_the_peer_nothing_when_the_connection_is_lost(side: Side) -> None:
    protocol = Protocol(side)
    protocol.abort(1006, "lost")
    assert (verdict(protocol), protocol.has_data()) == ((1006, "lost", False), False)


# Reading ahead


@both_sides
@ends
def test_side_holds_what_ends_the_conversation_until_the_messages_before_it_are_received(
    side: Side, end: str, code: int
) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"before") + frame_to(side, BINARY, b"it"))
    bring(end, protocol, side)
    protocol.read_ahead()
    protocol.read_ahead()
    assert (protocol.state, protocol.queued(), protocol.wants_data()) == (State.OPEN, 2, False)
    assert not protocol.has_data()
    assert receive(protocol) == ["before", b"it"]
    assert (protocol.state, protocol.queued()) == (State.CLOSED, 0)
    assert verdict(protocol)[0] == code


@both_sides
@ends
def test_side_ends_the_conversation_at_once_where_no_message_waits(
    side: Side, end: str, code: int
) -> None:
    protocol = Protocol(side)
    assert protocol.wants_data()
    bring(end, protocol, side)
    protocol.read_ahead()
    assert (protocol.state, protocol.wants_data()) == (State.CLOSED, False)
    assert verdict(protocol)[0] == code


@both_sides
@ends
def test_side_that_closes_keeps_what_arrived_before_and_sees_the_end_at_once(
    side: Side, end: str, code: int
) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"before"))
    protocol.close()
    assert protocol.wants_data()
    bring(end, protocol, side)
    protocol.read_ahead()
    assert verdict(protocol)[0] == code
    assert receive(protocol) == ["before"]
    assert [frame.payload for frame in sent(protocol)] == [closing(1000)]


# Receiving pieces


@both_sides
def test_side_receives_a_message_in_pieces_and_skips_the_rest_of_another(side: Side) -> None:
    protocol = Protocol(side)
    assert protocol.next_piece() is None
    protocol.receive_data(frame_to(side, TEXT, b"in ", False))
    assert protocol.next_piece() == ("in ", False)
    assert protocol.next_piece() is None
    protocol.receive_data(frame_to(side, CONTINUATION, b"parts", False))
    protocol.read_ahead()
    assert protocol.next_piece() == ("parts", False)
    protocol.receive_data(frame_to(side, CONTINUATION, b"end") + frame_to(side, TEXT, b"next"))
    protocol.read_ahead()
    protocol.skip_message()
    assert protocol.next_piece() == ("next", True)
    protocol.receive_data(frame_to(side, TEXT, b"again in ", False))
    assert protocol.next_piece() == ("again in ", False)
    protocol.skip_message()
    assert receive(protocol, frame_to(side, CONTINUATION, b"parts")) == []
