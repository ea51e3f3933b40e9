"""Every end without a closing handshake: of the stream, or by giving up (RFC 6455 7.1)."""

from __future__ import annotations

import pytest

from geventws.core.codes import CLOSE, PING, PONG, TEXT, Side, State
from geventws.core.errors import ProtocolError
from geventws.core.protocol import Protocol
from tests.core.helpers import both_sides, closing, frame_to, receive, sent, state, verdict

# The end of the stream

HALVES = {
    "between-frames": b"",
    "in-a-head": b"\x81",
    "in-a-payload": frame_to(Side.CLIENT, TEXT, b"text")[:-1],
    "in-a-message": frame_to(Side.CLIENT, TEXT, b"text", False),
    "in-a-close-frame": frame_to(Side.CLIENT, CLOSE, closing(1000))[:-1],
}


@pytest.mark.parametrize("half", HALVES.values(), ids=list(HALVES))
@pytest.mark.parametrize("close", [False, True], ids=["open", "closing"])
def test_side_is_closed_with_1006_wherever_the_stream_ends(half: bytes, close: bool) -> None:
    client = Protocol(Side.CLIENT)
    if close:
        client.close(4000, "bye")
    client.receive_data(half)
    client.receive_eof()
    assert state(client) == (State.CLOSING if close else State.OPEN)
    assert receive(client) == []
    assert state(client) == State.CLOSED
    assert verdict(client) == (1006, "", False)
    assert client.closed_error().__cause__ is None


@both_sides
@pytest.mark.parametrize("payload", [closing(1000), b"x"], ids=["close", "violation"])
def test_side_does_not_blame_a_lost_stream_for_what_came_before(side: Side, payload: bytes) -> None:
    protocol = Protocol(side)
    lost = ConnectionResetError()
    protocol.receive_data(frame_to(side, CLOSE, payload))
    protocol.receive_eof(lost)
    receive(protocol)
    protocol.receive_eof(lost)
    receive(protocol)
    assert verdict(protocol)[0] == (1000 if payload == closing(1000) else 1002)
    assert protocol.closed_error().__cause__ is not lost


# Giving up


@both_sides
@pytest.mark.parametrize("code", [1001, 1008, 1011, 1013, 4000])
def test_side_tells_the_peer_the_code_it_gives_up_with(side: Side, code: int) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, PING, b"ping"))
    protocol.abort(code, "enough")
    assert [frame.opcode for frame in sent(protocol)] == [PONG, CLOSE]
    assert verdict(protocol) == (code, "enough", False)


@both_sides
def test_side_that_gives_up_after_its_close_frame_sends_no_other(side: Side) -> None:
    protocol = Protocol(side)
    protocol.close()
    sent(protocol)
    protocol.abort(1011, "enough")
    assert not protocol.has_data()
    assert verdict(protocol) == (1011, "enough", False)


@both_sides
def test_side_that_gives_up_still_has_what_it_read_ahead_but_not_what_it_held(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"before") + frame_to(side, CLOSE, closing(1000)))
    protocol.read_ahead()
    protocol.abort(1006, "lost")
    assert receive(protocol, frame_to(side, TEXT, b"after")) == ["before"]
    assert (verdict(protocol), protocol.has_data()) == ((1006, "lost", False), False)


@both_sides
def test_side_that_gives_up_after_keeping_all_loses_nothing_that_had_arrived(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(50 * frame_to(side, TEXT, b"before"))
    protocol.keep_all()
    assert protocol.state == State.OPEN
    protocol.abort(1011, "enough")
    assert receive(protocol, frame_to(side, TEXT, b"after")) == 50 * ["before"]


@both_sides
def test_side_that_is_closed_stays_so(side: Side) -> None:
    protocol = Protocol(side)
    receive(protocol, frame_to(side, CLOSE, closing(1000)))
    sent(protocol)
    protocol.abort(1011, "late", OSError())
    protocol.fail(ProtocolError("late"))
    protocol.close(1001, "late")
    protocol.receive_eof(OSError())
    assert receive(protocol, frame_to(side, TEXT, b"late")) == []
    protocol.skip_message()
    assert protocol.next_piece() is None
    assert (verdict(protocol), protocol.has_data()) == ((1000, "", True), False)
    assert protocol.closed_error().__cause__ is None
    assert protocol.wire_received == len(
        frame_to(side, CLOSE, closing(1000)) + frame_to(side, TEXT, b"late")
    )
