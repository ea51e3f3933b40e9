from __future__ import annotations

import struct
from typing import Any

import pytest

from geventws.adapters.ws4py.framing import Frame
from geventws.adapters.ws4py.messaging import (
    BinaryMessage,
    CloseControlMessage,
    PingControlMessage,
    PongControlMessage,
    TextMessage,
)
from geventws.adapters.ws4py.streaming import Stream
from tests.rawpeer import BINARY, CLOSE, PING, PONG, TEXT, close_frame, frame


def fed(*frames: bytes, step: int = 0) -> Stream:
    """Return a stream that was sent *frames*, each at once, or all in portions of *step*."""
    stream = Stream()
    data = b"".join(frames)
    portions = [data[at : at + step] for at in range(0, len(data), step)] if step else frames
    for portion in portions:
        stream.parser.send(portion)
    return stream


def error_of(*frames: bytes) -> int:
    (error,) = fed(*frames).errors
    assert isinstance(error, CloseControlMessage)
    return error.code


@pytest.mark.parametrize("step", [0, 1, 3])
def test_stream_parses_messages(step: int) -> None:
    stream = fed(frame(TEXT, b"hello"), step=step)
    assert isinstance(stream.message, TextMessage)
    assert stream.has_message
    assert stream.has_messages
    assert stream.message.data == b"hello"
    binary = fed(frame(BINARY, b"\xff" * 70_000), step=step * 1000)
    assert isinstance(binary.message, BinaryMessage)
    assert binary.message.data == b"\xff" * 70_000


def test_stream_shows_what_has_come_of_a_message() -> None:
    stream = fed(frame(TEXT, b"hel", fin=False))
    assert stream.message is not None
    assert (stream.message.data, stream.has_message) == (b"hel", False)
    stream.parser.send(frame(PING, b"between"))
    stream.parser.send(frame(0, b"lo"))
    assert (stream.message.data, stream.has_message) == (b"hello", True)
    assert [ping.data for ping in stream.pings] == [b"between"]


def test_stream_without_anything_has_no_message() -> None:
    stream = Stream()
    assert (stream.message, stream.has_message, stream.closing) == (None, False, None)
    stream.message = None
    assert (stream.pings, stream.pongs, stream.errors) == ([], [], [])


def test_stream_asks_for_what_the_frame_still_wants() -> None:
    data = frame(TEXT, b"x" * 300)
    stream = Stream()
    wanted, sizes, at = 1, [], 0
    while at < len(data):
        sizes.append(wanted)
        portion, at = data[at : at + wanted], at + wanted
        wanted = stream.parser.send(portion)
    assert (sizes, wanted) == ([1, 1, 2, 4, 300], 1)
    assert stream.has_message


def test_stream_loses_none_of_several_frames_at_once() -> None:
    together = b"".join(frame(TEXT, str(number).encode()) for number in range(5))
    stream = fed(together + frame(PING) + frame(PONG) + close_frame(1000, "bye"))
    got = []
    while stream.has_message:
        got.append(str(stream.message))
        stream.message = None
    assert got == ["0", "1", "2", "3", "4"]
    assert isinstance(stream.pings[0], PingControlMessage)
    assert isinstance(stream.pongs[0], PongControlMessage)
    assert stream.closing is not None
    assert (stream.closing.code, stream.closing.reason) == (1000, "bye")


def test_stream_keeps_messages_that_nobody_looked_at() -> None:
    stream = fed(frame(TEXT, b"1") + frame(TEXT, b"2"))
    assert str(stream.message) == "1"
    stream.message = None
    stream.parser.send(frame(TEXT, b"3"))
    assert str(stream.message) == "2"
    stream.parser.send(frame(TEXT, b"4"))  # and so 2, which was looked at, has had its time
    assert str(stream.message) == "3"


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999])
def test_stream_takes_every_close_code_that_may_be_sent(code: int) -> None:
    stream = fed(close_frame(code))
    assert stream.closing is not None
    assert stream.closing.code == code


def test_stream_takes_a_close_without_a_code_for_1005() -> None:
    closing = fed(frame(CLOSE)).closing
    assert closing is not None
    assert (closing.code, closing.reason) == (1005, "")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(TEXT, b"plain", masked=False)], 1002),
        ([frame(TEXT, masked=False)], 1002),
        ([frame(TEXT, b"a", fin=False), frame(TEXT, b"b")], 1002),
        ([frame(TEXT, b"a", fin=False), frame(BINARY, b"b")], 1002),
        ([frame(0, b"a")], 1002),
        ([frame(3)], 1002),
        ([frame(PING, b"x" * 126)], 1002),
        ([frame(CLOSE, b"x")], 1002),
        ([frame(CLOSE, struct.pack("!H", 1005))], 1002),
        ([frame(CLOSE, b"\x03\xe8\xff")], 1007),
        ([frame(TEXT, b"h\xc3llo")], 1007),
        ([frame(TEXT, b"\xc3", fin=False), frame(0)], 1007),
        ([b"\x82\xff" + struct.pack("!Q", 2**62) + b"mask"], 1009),
    ],
)
def test_stream_finds_what_the_peer_does_wrong(frames: list[bytes], code: int) -> None:
    assert error_of(*frames) == code


def test_close_that_may_not_be_sent_is_an_error_and_no_closing() -> None:
    stream = fed(close_frame(1005))
    assert [error.code for error in stream.errors] == [1002]
    assert stream.closing is None


def test_stream_looks_at_nothing_after_an_error() -> None:
    stream = fed(frame(3), frame(TEXT, b"later"))
    assert stream.message is None
    assert len(stream.errors) == 1


def test_client_masks_and_expects_no_masks() -> None:
    client = Stream(always_mask=True, expect_masking=False)
    client.parser.send(frame(TEXT, b"plain", masked=False))
    assert str(client.message) == "plain"
    client.parser.send(frame(TEXT, b"masked"))
    assert client.errors[0].code == 1002
    for build in (client.ping, client.pong):
        built = Frame()
        built.parser.send(build("x"))
        assert built.unmask(built.body) == b"x"


def test_stream_makes_messages_to_send() -> None:
    stream = Stream()
    made: list[Any] = [stream.text_message("a"), stream.binary_message(b"a"), stream.close()]
    assert [type(each) for each in made] == [TextMessage, BinaryMessage, CloseControlMessage]
    assert (stream.ping("x"), stream.pong("x")) == (b"\x89\x01x", b"\x8a\x01x")
