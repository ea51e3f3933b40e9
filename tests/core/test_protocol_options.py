"""What a Protocol is told when it is made, and what it takes for granted."""

from __future__ import annotations

import pytest

from geventws.core.codes import BINARY, CONTINUATION, Side, State
from geventws.core.protocol import (
    AHEAD_BYTES,
    AHEAD_MESSAGES,
    MAX_SIZE,
    PONGS,
    TURN,
    Protocol,
)
from tests.core.helpers import (
    AGREED,
    KEY,
    both_sides,
    carry,
    frame_to,
    joined,
    raw_head,
    receive,
    sent,
)


def test_limits_are_those_the_documentation_names() -> None:
    assert (MAX_SIZE, AHEAD_MESSAGES, AHEAD_BYTES) == (1024 * 1024, 16, 64 * 1024)
    assert (TURN, PONGS) == (64, 32)


@both_sides
def test_side_is_open_and_silent_when_it_is_made(side: Side) -> None:
    protocol = Protocol(side)
    assert (protocol.state, protocol.has_data(), protocol.wants_data()) == (State.OPEN, False, True)
    assert (protocol.close_code, protocol.close_reason, protocol.error) == (0, "", None)
    assert (protocol.buffered(), protocol.queued(), protocol.frames_this_turn) == (0, 0, 0)


@both_sides
@pytest.mark.parametrize(
    ("max_size", "declared", "closed"),
    [(10, 10, 0), (10, 11, 1009), (None, 2**63 - 1, 0), (MAX_SIZE, MAX_SIZE + 1, 1009)],
)
def test_side_fails_1009_when_a_frame_says_that_it_is_over_max_size(
    side: Side, max_size: int | None, declared: int, closed: int
) -> None:
    protocol = Protocol(side, max_size)
    assert receive(protocol, raw_head(BINARY, declared, KEY if side == Side.SERVER else b"")) == []
    assert protocol.close_code == closed


@both_sides
@pytest.mark.parametrize(
    ("max_size", "given", "limit"),
    [(MAX_SIZE, None, 4096), (1, None, 1024), (MAX_SIZE, 2, 2), (None, 2, 2), (None, None, 9999)],
)
def test_side_takes_as_many_fragments_as_it_was_told_or_fit_max_size(
    side: Side, max_size: int | None, given: int | None, limit: int
) -> None:
    protocol = Protocol(side, max_size, given)
    receive(protocol, frame_to(side, BINARY, b"", False))
    receive(protocol, limit * frame_to(side, CONTINUATION, b"", False))
    assert protocol.state == State.OPEN
    receive(protocol, frame_to(side, CONTINUATION, b"", False))
    assert protocol.close_code == (0 if limit == 9999 else 1008)


@both_sides
def test_side_leaves_messages_under_the_agreed_threshold_alone(side: Side) -> None:
    protocol = Protocol(side, deflate=AGREED._replace(threshold=10))
    protocol.send_message(b"123456789")
    protocol.send_message(b"1234567890")
    assert [frame.rsv for frame in sent(protocol)] == [0, 4]


@pytest.mark.parametrize("server_alone", [False, True])
@pytest.mark.parametrize("client_alone", [False, True])
def test_sides_build_on_earlier_messages_where_that_was_agreed(
    server_alone: bool, client_alone: bool
) -> None:
    agreed = AGREED._replace(
        server_no_context_takeover=server_alone, client_no_context_takeover=client_alone
    )
    client, server = joined(agreed)
    text = " ".join(map(str, range(100)))
    for sender, receiver, alone in ((client, server, client_alone), (server, client, server_alone)):
        sizes = []
        for _ in range(2):
            before = sender.writer.wire
            sender.send_message(text)
            sizes.append(sender.writer.wire - before)
            assert carry(sender, receiver) == [text]
        assert (sizes[0] == sizes[1]) == alone
