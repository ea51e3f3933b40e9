"""Every way to break a rule fails the connection with the code that tells so."""

from __future__ import annotations

import pytest

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side, State
from geventws.core.errors import ProtocolError
from geventws.core.protocol import Protocol
from tests.core.helpers import (
    KEY,
    Raw,
    both_sides,
    closing,
    frame_to,
    raw_head,
    receive,
    sent,
    state,
    verdict,
)

VIOLATIONS = [
    pytest.param([(TEXT, b"", True, 2)], 1002, "a reserved bit is set", id="5.2-rsv"),
    pytest.param([(3,)], 1002, "a reserved opcode", id="5.2-opcode"),
    pytest.param([(PING, b"", False)], 1002, "a fragmented control frame", id="5.5-fragmented"),
    pytest.param([(PONG, bytes(126))], 1002, "a control frame over 125 bytes", id="5.5-long"),
    pytest.param([(CONTINUATION,)], 1002, "a continuation of no message", id="5.4-continuation"),
    pytest.param(
        [(TEXT, b"", False), (BINARY,)], 1002, "a new message inside a fragmented one", id="5.4-new"
    ),
    pytest.param([(TEXT, b"\xff")], 1007, "a text that is not UTF-8", id="8.1-whole"),
    pytest.param(
        [(TEXT, b"\xe2", False), (CONTINUATION, b"A")], 1007, "a text that is not", id="8.1-parts"
    ),
    pytest.param([(TEXT, b"", False)] + 4 * [(CONTINUATION, b"", False)], 1008, "a message of more "
                 "than 3 continuations", id="max-fragments"),
    pytest.param([(BINARY, bytes(1001))], 1009, "a message over 1000 bytes", id="max-size"),
]  # fmt: skip
violations = pytest.mark.parametrize(("frames", "code", "reason"), VIOLATIONS)


@both_sides
@violations
def test_side_fails_the_connection_on_a_violation_after_the_messages_before_it(
    side: Side, frames: list[tuple[int]], code: int, reason: str
) -> None:
    protocol = Protocol(side, 1000, 3)
    protocol.receive_data(frame_to(side, TEXT, b"before") + frame_to(side, PING, b"ping"))
    protocol.receive_data(b"".join(frame_to(side, *frame) for frame in frames))
    assert protocol.next_message() == "before"
    assert state(protocol) == State.OPEN
    assert protocol.next_message() is None
    assert state(protocol) == State.CLOSED
    pong, close = sent(protocol)
    assert pong == Raw(PONG, b"ping", masked=side == Side.CLIENT)
    assert (close.opcode, close.payload[:2]) == (CLOSE, closing(code))
    assert close.payload[2:].decode() == verdict(protocol)[1]
    assert verdict(protocol)[1].startswith(reason)
    assert (verdict(protocol)[0], verdict(protocol)[2]) == (code, False)
    assert isinstance(protocol.closed_error().__cause__, ProtocolError)


@both_sides
@violations
def test_side_looks_at_nothing_after_a_violation(
    side: Side, frames: list[tuple[int]], code: int, reason: str
) -> None:
    protocol = Protocol(side, 1000, 3)
    receive(protocol, b"".join(frame_to(side, *frame) for frame in frames))
    sent(protocol)
    after = frame_to(side, TEXT, b"after") + frame_to(side, PING) + frame_to(side, CLOSE)
    assert receive(protocol, after) == []
    protocol.read_ahead()
    assert (protocol.has_data(), verdict(protocol)[0]) == (False, code)


def test_server_fails_1002_on_an_unmasked_frame() -> None:
    server = Protocol(Side.SERVER)
    assert receive(server, frame_to(Side.CLIENT, TEXT, b"text")) == []
    assert verdict(server)[:2] == (1002, "an unmasked frame from a client (RFC 6455 5.1)")


def test_client_fails_1002_on_a_masked_frame() -> None:
    client = Protocol(Side.CLIENT)
    assert receive(client, frame_to(Side.SERVER, TEXT, b"text")) == []
    assert verdict(client)[:2] == (1002, "a masked frame from a server (RFC 6455 5.1)")


@both_sides
@pytest.mark.parametrize("bad", ["f4 90", "ed a0", "c0", "e0 80", "f0 80", "e2 82 41", "ff"])
def test_side_fails_1007_at_the_first_impossible_byte_of_a_frame_still_arriving(
    side: Side, bad: str
) -> None:
    payload = b"text " + bytes.fromhex(bad)
    head = raw_head(TEXT, 1000, KEY if side == Side.SERVER else b"")
    arrived = head + frame_to(side, TEXT, payload)[-len(payload) :]
    protocol = Protocol(side)
    assert receive(protocol, arrived[:-1]) == []
    assert protocol.state == State.OPEN
    assert receive(protocol, arrived[-1:]) == []
    assert verdict(protocol)[0] == 1007
