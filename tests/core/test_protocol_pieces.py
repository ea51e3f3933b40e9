"""One message received as it arrives, never whole in memory."""

from __future__ import annotations

from itertools import chain

import pytest

from geventws.core.codes import BINARY, CONTINUATION, PING, PONG, TEXT, Side, State
from geventws.core.protocol import TURN, Protocol
from tests.core.helpers import (
    AGREED,
    KEY,
    both_sides,
    cuts,
    deflated,
    frame_to,
    raw_head,
    receive,
    sent,
    verdict,
)

Piece = tuple[str | bytes, bool]


def next_pieces(protocol: Protocol, data: bytes = b"") -> list[Piece]:
    """Give a protocol *data* and return all pieces that it has after that."""
    protocol.receive_data(data)
    pieces = []
    while True:
        protocol.frames_this_turn = 0
        piece = protocol.next_piece()
        if piece is not None:
            pieces.append(piece)
        elif protocol.frames_this_turn < TURN:
            return pieces


@both_sides
def test_side_hands_on_a_binary_message_as_it_arrives(side: Side) -> None:
    protocol = Protocol(side)
    data = frame_to(side, BINARY, bytes(range(100)))
    found = [next_pieces(protocol, part) for part in cuts(data, [3, 20, 60])]
    assert [len(pieces) for pieces in found][1:] == [1, 1, 1]
    pieces = list(chain(*found))
    assert [end for _, end in pieces] == [False] * (len(pieces) - 1) + [True]
    assert b"".join(piece for piece, _ in pieces if isinstance(piece, bytes)) == bytes(range(100))


@both_sides
def test_side_hands_on_whole_characters_of_a_text(side: Side) -> None:
    protocol = Protocol(side)
    data = frame_to(side, TEXT, "aé€😀".encode())
    start = len(data) - 10
    found = [next_pieces(protocol, part) for part in cuts(data, range(start + 1, start + 10))]
    none: list[Piece] = []
    assert found == [
        *([("a", False)], none, [("é", False)], none, none, [("€", False)]),
        *(none, none, none, [("😀", True)]),
    ]


@both_sides
@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
def test_side_hands_on_a_compressed_message_as_it_inflates(side: Side, opcode: int) -> None:
    protocol = Protocol(side, deflate=AGREED)
    text = " ".join(map(str, range(10_000)))
    data = frame_to(side, opcode, deflated(text.encode()), rsv=4)
    found = [next_pieces(protocol, part) for part in cuts(data, range(0, len(data), 1000))]
    pieces = [piece for piece, _ in chain(*found)]
    assert len(pieces) > len(data) / 2000
    joined = "".join(piece if isinstance(piece, str) else piece.decode() for piece in pieces)
    assert joined == text


@both_sides
def test_side_hands_on_whole_messages_and_fragments_as_they_are(side: Side) -> None:
    protocol = Protocol(side)
    parts = frame_to(side, TEXT, b"in ", False) + frame_to(side, CONTINUATION, b"parts")
    assert next_pieces(protocol, frame_to(side, TEXT, b"whole") + parts) == [
        *[("whole", True), ("in ", False), ("parts", True)]
    ]


@both_sides
def test_side_ends_a_message_in_pieces_with_an_empty_one_where_nothing_is_left(side: Side) -> None:
    protocol = Protocol(side)
    data = frame_to(side, BINARY, b"all", False) + frame_to(side, CONTINUATION)
    assert next_pieces(protocol, data) == [(b"all", False), (b"", True)]


@both_sides
def test_side_answers_pings_between_pieces(side: Side) -> None:
    protocol = Protocol(side)
    data = frame_to(side, TEXT, b"in ", False) + frame_to(side, PING, b"ping")
    assert next_pieces(protocol, data) == [("in ", False)]
    assert [frame.opcode for frame in sent(protocol)] == [PONG]


@both_sides
@pytest.mark.parametrize(
    ("behind", "code"), [(b"\xff", 1007), (bytes(11), 1009)], ids=["8.1", "max-size"]
)
def test_side_hands_on_what_came_before_a_violation_in_the_same_message(
    side: Side, behind: bytes, code: int
) -> None:
    protocol = Protocol(side, 10)
    data = frame_to(side, TEXT, b"good", False) + frame_to(side, CONTINUATION, behind)
    assert next_pieces(protocol, data) == [("good", False)]
    assert (protocol.state, verdict(protocol)[0]) == (State.CLOSED, code)


@both_sides
def test_side_hands_on_what_it_had_read_ahead_of_a_message(side: Side) -> None:
    protocol = Protocol(side)
    protocol.receive_data(frame_to(side, TEXT, b"in ", False))
    protocol.read_ahead()
    assert next_pieces(protocol) == [("in ", False)]
    protocol.receive_data(frame_to(side, CONTINUATION, b"par", False))
    protocol.read_ahead()
    protocol.receive_data(frame_to(side, CONTINUATION, b"ts") + frame_to(side, TEXT, b"next"))
    protocol.read_ahead()
    assert protocol.queued() == 2
    assert next_pieces(protocol) == [("parts", True), ("next", True)]


@both_sides
@pytest.mark.parametrize("ahead", [False, True], ids=["arriving", "read-ahead"])
@pytest.mark.parametrize("rsv", [0, 4], ids=["plain", "compressed"])
def test_side_passes_over_the_rest_of_a_message_and_no_more(
    side: Side, ahead: bool, rsv: int
) -> None:
    protocol = Protocol(side, deflate=AGREED)
    payload = deflated(b"text " * 20) if rsv else b"text " * 20
    assert len(next_pieces(protocol, frame_to(side, TEXT, payload[:15], False, rsv))) == 1
    rest = frame_to(side, CONTINUATION, payload[15:]) + frame_to(side, TEXT, b"next")
    if ahead:
        protocol.receive_data(rest)
        protocol.read_ahead()
        protocol.skip_message()
        assert next_pieces(protocol) == [("next", True)]
    else:
        protocol.skip_message()
        assert receive(protocol, rest) == ["next"]


@both_sides
def test_side_fails_1007_on_a_text_that_it_passes_over(side: Side) -> None:
    protocol = Protocol(side)
    next_pieces(protocol, frame_to(side, TEXT, b"good", False))
    protocol.skip_message()
    assert receive(protocol, frame_to(side, CONTINUATION, b"\xff")) == []
    assert verdict(protocol)[0] == 1007


@both_sides
def test_side_counts_a_message_in_pieces_once_and_all_its_bytes(side: Side) -> None:
    protocol = Protocol(side)
    data = frame_to(side, BINARY, bytes(50), False) + frame_to(side, CONTINUATION, bytes(50))
    for part in cuts(data, range(len(data))):
        next_pieces(protocol, part)
    assert (protocol.messages_received, protocol.bytes_received) == (1, 100)


def test_server_never_holds_more_of_a_message_in_pieces_than_it_was_given() -> None:
    server = Protocol(Side.SERVER, None)
    size = 16 * 1024 * 1024
    server.receive_data(raw_head(BINARY, size, KEY))
    chunk = bytes(64 * 1024)
    taken = 0
    for _ in range(size // len(chunk)):
        for piece, _ in next_pieces(server, chunk):
            taken += len(piece)
        assert server.buffered() == 0
    assert taken == size
