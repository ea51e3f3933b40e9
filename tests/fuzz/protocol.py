"""Fuzzing protocol with what is below it: one conversation, however it is cut and read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from geventws.core.codes import (
    ABNORMAL_CLOSURE,
    CLOSE,
    INVALID_DATA,
    MESSAGE_TOO_BIG,
    State,
    sendable,
)
from geventws.core.errors import ProtocolError
from geventws.core.protocol import AHEAD_BYTES, AHEAD_MESSAGES, PONGS, TURN, Protocol
from tests.core.helpers import Message, Raw, receive, sent, state, verdict
from tests.fuzz.given import (
    HALF_A_FRAME,
    Settings,
    failure,
    is_beyond_judging,
    parts,
    settings,
    split,
    stream,
)

HALF_A_CHARACTER: Final = 3


class Outcome(NamedTuple):
    """All that can be seen of a protocol after its stream has ended."""

    messages: list[Message]
    verdict: tuple[int, str, bool]
    error: str
    sent: list[Raw]
    pongs: list[bytes]
    counted: tuple[int, int, int]


def check(data: bytes) -> object:
    """Read a stream whole, cut, ahead and in pieces; two bytes of options for settings()."""
    (first, second), steps, payload = split(data, 2)
    given = settings(first, second)
    bytes_sent = stream(first, given, payload)
    cut = parts(bytes_sent, steps)
    outcomes = [_outcome(given, by_message, [bytes_sent])]
    outcomes += [_outcome(given, way, cut) for way in (by_message, ahead, by_piece)]
    bits = 15 if given.deflate is None else min(given.deflate[:2])
    if not is_beyond_judging(bits, [each.error for each in outcomes]):
        seen = [_comparable(given, each) for each in outcomes]
        assert seen[1:] == seen[:-1]
    return [outcomes[0], *(each for each in outcomes if each != outcomes[0])]


def _outcome(given: Settings, way: Way, cut: list[bytes]) -> Outcome:
    protocol = given.protocol()
    messages = way(given, protocol, cut)
    _check_sizes(messages, given.max_size)
    protocol.receive_eof()
    assert receive(protocol) == []
    _check_end(protocol)
    error = failure(protocol.error) if isinstance(protocol.error, ProtocolError) else ""
    frames = sent(protocol)
    _check_sent(frames, protocol.close_code)
    counted = protocol.messages_received, protocol.wire_received, protocol.pings_received
    return Outcome(messages, verdict(protocol), error, frames, list(protocol.pongs or ()), counted)


def _check_sizes(messages: list[Message], max_size: int | None) -> None:
    sizes = [len(each.encode() if isinstance(each, str) else each) for each in messages]
    assert max_size is None or max(sizes, default=0) <= max_size


def _check_end(protocol: Protocol) -> None:
    assert state(protocol) == State.CLOSED
    assert len(protocol.pongs or ()) <= PONGS
    assert protocol.error is None or isinstance(protocol.error, ProtocolError)


def _check_sent(frames: list[Raw], code: int) -> None:
    """Check that a close frame was sent once and last, and only where the connection was there."""
    ends = [frame for frame in frames if frame.opcode == CLOSE]
    if code == ABNORMAL_CLOSURE:
        assert ends == []
        return
    assert ends == frames[-1:]
    payload = ends[0].payload
    assert payload == b"" or sendable(int.from_bytes(payload[:2], "big"))


def _comparable(given: Settings, outcome: Outcome) -> object:
    """Return of an *outcome* what may not depend on the cuts.

    What inflates to something wrong may be wrong in several ways, and which one is seen first
    depends on how much is inflated at once.
    """
    if given.deflate is None or outcome.verdict[0] not in (INVALID_DATA, MESSAGE_TOO_BIG):
        return outcome
    return outcome.messages, outcome.sent[:-1], outcome.pongs, outcome.counted


# Ways to read


def by_message(given: Settings, protocol: Protocol, cut: list[bytes]) -> list[Message]:
    """Ask for messages whenever something has come."""
    messages: list[Message] = []
    for part in cut:
        messages += receive(protocol, part)
        if given.max_size is not None and state(protocol) == State.OPEN:
            assert protocol.buffered() <= given.max_size + HALF_A_FRAME
    return messages


def ahead(given: Settings, protocol: Protocol, cut: list[bytes]) -> list[Message]:
    """Read ahead, and ask for messages only where nothing more is wanted."""
    messages: list[Message] = []
    for part in cut:
        if not protocol.wants_data():
            messages += receive(protocol)
        protocol.receive_data(part)
        protocol.frames_this_turn = 0
        protocol.read_ahead()
        assert protocol.queued() <= AHEAD_MESSAGES
        assert not protocol.queued() or state(protocol) == State.OPEN, "an end overtook a message"
        if given.max_size is not None and state(protocol) == State.OPEN:
            held = AHEAD_BYTES + 2 * given.max_size + HALF_A_FRAME + len(part)
            assert protocol.buffered() <= held
    return messages + receive(protocol)


def by_piece(given: Settings, protocol: Protocol, cut: list[bytes]) -> list[Message]:
    """Ask for pieces; return the messages they make."""
    messages: list[Message] = []
    begun: list[Message] = []
    for part in cut:
        protocol.receive_data(part)
        while True:
            protocol.frames_this_turn = 0
            found = protocol.next_piece()
            if found is not None:
                begun.append(found[0])
                if found[1]:
                    messages.append(_whole(begun))
                    begun.clear()
            elif protocol.frames_this_turn < TURN:
                break
        if state(protocol) == State.OPEN:
            assert protocol.buffered() <= HALF_A_FRAME + HALF_A_CHARACTER
    return messages


def _whole(pieces: list[Message]) -> Message:
    joined: Message = type(pieces[0])().join(pieces)  # type: ignore[arg-type]
    return joined


Way = Callable[[Settings, Protocol, list[bytes]], list[Message]]
