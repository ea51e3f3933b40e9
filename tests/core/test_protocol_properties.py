"""What holds for any bytes, cut anywhere, and for any conversation of two sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Side, State, sendable
from geventws.core.deflate import Agreed
from geventws.core.errors import ProtocolError
from geventws.core.protocol import TURN, Protocol
from tests.core.helpers import (
    AGREED,
    KEY,
    PLAIN,
    Message,
    both_sides,
    closing,
    cuts,
    deflated,
    frame_to,
    joined,
    raw_frame,
    raw_head,
    receive,
    sent,
    verdict,
    wire,
)
from tests.core.linear import is_linear

compressions = st.sampled_from([None, AGREED])
texts = st.text(max_size=60).map(str.encode)
controls = st.tuples(
    st.sampled_from([PING, PONG]), st.binary(max_size=20), st.just(True), st.just(0)
)
close_frames = st.builds(
    lambda code, reason: (CLOSE, closing(code, reason), True, 0),
    st.sampled_from([1000, 1001, 3000, 4999]) | st.integers(0, 5000),
    st.text(max_size=20),
)
any_frames = st.tuples(
    st.integers(0, 15), st.binary(max_size=140), st.booleans(), st.sampled_from([0, 0, 4, 1, 7])
)
contents = st.one_of(
    *[st.tuples(st.just(TEXT), texts, st.just(0))] * 3,
    st.tuples(st.just(BINARY), st.binary(max_size=140), st.just(0)),
    st.tuples(st.just(TEXT), st.just(deflated(b"compressed")), st.just(4)),
    st.tuples(st.just(TEXT), st.binary(max_size=20), st.just(0)),  # seldom UTF-8
    st.tuples(st.just(BINARY), st.just(bytes(600)), st.just(0)),
)


@st.composite
def message_frames(draw: st.DrawFn) -> list[tuple[int, bytes, bool, int]]:
    """Return a message in a few fragments, with control frames between them."""
    opcode, payload, rsv = draw(contents)
    most = draw(st.sampled_from([1, 2, 3, 4, 5]))
    parts = list(cuts(payload, draw(st.lists(st.integers(0, len(payload)), max_size=most))))
    frames = []
    for number, part in enumerate(parts, 1):
        first = number == 1
        frames.append((opcode if first else CONTINUATION, part, number == len(parts), rsv * first))
        frames += draw(st.lists(controls, max_size=1))
    return frames


@st.composite
def streams(draw: st.DrawFn, side: Side) -> bytes:
    """Return bytes as a peer of *side* might send them: mostly right, and sometimes cut short."""
    frames = [frame for part in draw(st.lists(message_frames(), max_size=4)) for frame in part]
    frames += draw(st.lists(close_frames | any_frames, max_size=1))
    frames += draw(st.lists(controls, max_size=1))
    data = b"".join(frame_to(side, *frame) for frame in frames)
    return data[: len(data) - draw(st.sampled_from([0, 0, 1, 5]))]


def cut_in_few(data: st.DataObject, stream: bytes) -> list[bytes]:
    """Return a stream cut at a few places, any."""
    return list(cuts(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=12))))


def cut_somewhere(data: st.DataObject, stream: bytes) -> list[bytes]:
    """Return a stream in single bytes, or cut in few."""
    if data.draw(st.booleans()):
        return list(cuts(stream, range(1, len(stream))))
    return cut_in_few(data, stream)


# Ways to read; each returns whole messages


def by_message(protocol: Protocol, parts: Iterable[bytes]) -> list[Message]:
    return [message for part in parts for message in receive(protocol, part)]


def ahead(protocol: Protocol, parts: Iterable[bytes]) -> list[Message]:
    messages: list[Message] = []
    for part in parts:
        protocol.receive_data(part)
        protocol.frames_this_turn = 0
        protocol.read_ahead()
        if protocol.queued() > 2:
            messages += receive(protocol)
    return messages + receive(protocol)


def by_piece(protocol: Protocol, parts: Iterable[bytes]) -> list[Message]:
    messages: list[Message] = []
    begun: list[Message] = []
    for part in parts:
        protocol.receive_data(part)
        while True:
            protocol.frames_this_turn = 0
            found = protocol.next_piece()
            if found is not None:
                begun.append(found[0])
                if found[1]:
                    messages.append(type(found[0])().join(begun))  # type: ignore[arg-type]
                    begun.clear()
            elif protocol.frames_this_turn < TURN:
                break
    return messages


Way = Callable[[Protocol, Iterable[bytes]], list[Message]]
every_way = pytest.mark.parametrize("way", [by_message, ahead, by_piece])


def outcome(side: Side, deflate: Agreed | None, way: Way, parts: list[bytes]) -> tuple[object, ...]:
    """Return all that can be seen of a protocol that was given these parts."""
    protocol = Protocol(side, 1000, 5, deflate)
    messages = way(protocol, parts)
    return (
        messages,
        protocol.state,
        verdict(protocol),
        sent(protocol),
        list(protocol.pongs or ()),
        protocol.pings_received,
        protocol.wire_received,
    )


@every_way
@both_sides
@settings(deadline=None)
@given(data=st.data(), deflate=compressions)
def test_side_sees_the_same_wherever_the_bytes_are_cut(
    side: Side, way: Way, data: st.DataObject, deflate: Agreed | None
) -> None:
    stream = data.draw(streams(side))
    parts = cut_somewhere(data, stream)
    assert outcome(side, deflate, way, parts) == outcome(side, deflate, by_message, [stream])


def check_end(protocol: Protocol) -> None:
    """Check that a protocol is open and has said nothing of an end, or said it once and last."""
    frames = sent(protocol)
    ends = [frame for frame in frames if frame.opcode == CLOSE]
    if protocol.state == State.OPEN:
        assert ends == []
        return
    assert protocol.state == State.CLOSED
    assert ends == frames[-1:]
    payload = ends[0].payload
    assert payload == b"" or sendable(int.from_bytes(payload[:2], "big"))
    assert protocol.close_received or isinstance(protocol.error, ProtocolError)


@every_way
@both_sides
@settings(deadline=None)
@given(garbage=st.binary(), data=st.data(), deflate=compressions)
def test_side_answers_garbage_with_a_close_frame_at_most(
    side: Side, way: Way, garbage: bytes, data: st.DataObject, deflate: Agreed | None
) -> None:
    protocol = Protocol(side, deflate=deflate)
    way(protocol, cut_somewhere(data, garbage))
    check_end(protocol)


@every_way
@both_sides
@settings(deadline=None)
@given(data=st.data(), deflate=compressions)
def test_side_answers_damaged_frames_with_a_close_frame_at_most(
    side: Side, way: Way, data: st.DataObject, deflate: Agreed | None
) -> None:
    stream = bytearray(data.draw(streams(side)))
    for at in data.draw(st.lists(st.integers(0, len(stream) - 1), max_size=3)) if stream else ():
        stream[at] ^= data.draw(st.integers(1, 255))
    protocol = Protocol(side, deflate=deflate)
    way(protocol, cut_somewhere(data, bytes(stream)))
    check_end(protocol)


messages = st.lists(
    st.lists(st.text(max_size=100), min_size=1, max_size=4)
    | st.lists(st.binary(max_size=100) | st.just(bytes(70_000)), min_size=1, max_size=4),
    max_size=5,
)


@every_way
@both_sides
@settings(deadline=None)
@given(conversation=messages, data=st.data(), deflate=compressions)
def test_what_one_side_sends_the_other_receives(
    side: Side,
    way: Way,
    conversation: list[list[Message]],
    data: st.DataObject,
    deflate: Agreed | None,
) -> None:
    client, server = joined(deflate)
    sender, receiver = (client, server) if side == Side.CLIENT else (server, client)
    for parts in conversation:
        if len(parts) == 1:
            sender.send_message(parts[0])
        else:
            for number, part in enumerate(parts, 1):
                sender.send_fragment(part, number == len(parts))
    bytes_sent = wire(sender)
    received = way(receiver, cut_in_few(data, bytes_sent))
    assert received == [type(parts[0])().join(parts) for parts in conversation]  # type: ignore[arg-type]
    assert receiver.messages_received == sender.writer.messages == len(conversation)
    assert receiver.wire_received == sender.writer.wire == len(bytes_sent)
    assert not receiver.has_data()


# Work grows as the bytes do


def large(size: int) -> list[bytes]:
    """Return a frame of *size* times 128 bytes, at most 16 MiB, that arrives in parts of 64 KiB."""
    return [raw_head(BINARY, size << 7, KEY)] + [bytes(1 << 16)] * (size >> 9)


def flood(size: int) -> list[bytes]:
    """Return a message of *size* / 4 frames of a byte that arrive in parts of 64 KiB."""
    rest = raw_frame(CONTINUATION, b"*", PLAIN, False) * (size // 4 - 2)
    data = raw_frame(BINARY, b"*", PLAIN, False) + rest + raw_frame(CONTINUATION, b"*", PLAIN)
    return [data[at : at + (1 << 16)] for at in range(0, len(data), 1 << 16)]


def drip(size: int) -> list[bytes]:
    """Return a frame of *size* / 4 bytes that arrives byte by byte."""
    data = raw_frame(BINARY, bytes(size // 4), PLAIN)
    return list(cuts(data, range(1, len(data))))


@pytest.mark.parametrize("make", [large, flood, drip])
@pytest.mark.parametrize("way", [by_message, by_piece])
def test_server_takes_time_in_proportion_to_what_arrives(
    make: Callable[[int], list[bytes]], way: Way
) -> None:
    assert is_linear(lambda size: way(Protocol(Side.SERVER, None), make(size)))
