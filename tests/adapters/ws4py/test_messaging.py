from __future__ import annotations

from typing import Any

import pytest

from geventws.adapters.ws4py.exc import FrameTooLargeException
from geventws.adapters.ws4py.framing import Frame
from geventws.adapters.ws4py.messaging import (
    BinaryMessage,
    CloseControlMessage,
    Message,
    PingControlMessage,
    PongControlMessage,
    TextMessage,
    decoded,
    encoded,
    texts,
)


def frame_of(data: bytes) -> Frame:
    frame = Frame()
    frame.parser.send(data)
    return frame


@pytest.mark.parametrize("data", ["été", "été".encode(), bytearray("été".encode())])
def test_text_is_kept_as_bytes_and_counted_in_characters(data: Any) -> None:
    message = TextMessage(data)
    assert message.data == "été".encode()
    assert (str(message), len(message), message.opcode) == ("été", 3, 1)
    assert (message.is_text, message.is_binary, message.encoding) == (True, False, "utf-8")


@pytest.mark.parametrize("data", [b"\xff\x00", bytearray(b"\xff\x00"), memoryview(b"\xff\x00")])
def test_binary_is_kept_as_bytes(data: Any) -> None:
    message = BinaryMessage(data)
    assert (message.data, len(message), str(message)) == (b"\xff\x00", 2, "b'\\xff\\x00'")
    assert (message.is_text, message.is_binary, message.opcode) == (False, True, 2)


@pytest.mark.parametrize("make", [TextMessage, BinaryMessage, PingControlMessage])
def test_messages_need_no_data(make: Any) -> None:
    assert (make().data, len(make()), make().completed) == (b"", 0, False)


def test_messages_refuse_other_data() -> None:
    with pytest.raises(TypeError, match="data"):
        TextMessage(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no encoding"):
        BinaryMessage("text")  # type: ignore[arg-type]


def test_messages_can_be_extended_and_completed() -> None:
    message = Message(1, "a", "latin-1")
    message.extend("é")
    message.extend(b"b")
    message.completed = True
    assert (message.data, str(message), message.completed) == (b"a\xe9b", "aéb", True)
    assert repr(message) == "<Message b'a\\xe9b'>"


def test_single_is_one_frame() -> None:
    plain = frame_of(TextMessage("hello").single())
    assert (plain.fin, plain.opcode, plain.body, plain.masking_key) == (1, 1, b"hello", None)
    masked = frame_of(TextMessage("hello").single(mask=True))
    assert masked.unmask(masked.body) == b"hello"
    assert TextMessage("hello").single(mask=True) != TextMessage("hello").single(mask=True)


def test_fragments_have_the_opcode_once_and_fin_at_the_end() -> None:
    message = BinaryMessage(b"part")
    flags: list[dict[str, bool]] = [{"first": True}, {}, {"last": True, "mask": True}]
    frames = [frame_of(message.fragment(**each)) for each in flags]
    assert [(frame.opcode, frame.fin) for frame in frames] == [(2, 0), (0, 0), (0, 1)]
    assert frames[2].unmask(frames[2].body) == b"part"


def test_text_that_is_not_utf_8_is_not_sent() -> None:
    with pytest.raises(UnicodeDecodeError):
        TextMessage(b"\xff").single()
    assert frame_of(TextMessage(b"\xc3").fragment(first=True)).body == b"\xc3"


@pytest.mark.parametrize("make", [PingControlMessage, PongControlMessage])
def test_pings_and_pongs_carry_at_most_125_bytes(make: Any) -> None:
    assert len(make(b"x" * 125).single()) == 127
    with pytest.raises(FrameTooLargeException):
        make(b"x" * 126).single()


@pytest.mark.parametrize("reason", ["so long", b"so long"])
def test_close_has_a_code_and_a_reason_of_str(reason: Any) -> None:
    message = CloseControlMessage(1001, reason)
    assert (message.code, message.reason, str(message)) == (1001, "so long", "so long")
    assert frame_of(message.single()).body == b"\x03\xe9so long"


@pytest.mark.parametrize("code", [None, 1005])
def test_close_without_a_code_is_empty_on_the_wire(code: int | None) -> None:
    message = CloseControlMessage(code)
    assert (message.code, message.data, message.single()) == (1005, b"", b"\x88\x00")


@pytest.mark.parametrize("code", [999, 1004, 1006, 1015, 2999, 5000])
def test_close_codes_that_may_not_be_sent_are_not(code: int) -> None:
    with pytest.raises(ValueError, match="may not be sent"):
        CloseControlMessage(code).single()


def test_close_refuses_long_reasons_and_numbers_that_are_no_codes() -> None:
    with pytest.raises(ValueError, match="123 bytes"):
        CloseControlMessage(1000, "x" * 124).single()
    with pytest.raises(ValueError, match="two bytes"):
        CloseControlMessage(65536)


def test_payloads_are_texts_or_bytes_as_asked_for() -> None:
    for payload in ("€", "€".encode(), bytearray(b"\xe2\x82\xac")):
        assert (decoded(payload), encoded(payload)) == ("€", b"\xe2\x82\xac")
    with pytest.raises(UnicodeDecodeError):
        decoded(b"\xff")


def test_texts_of_bytes_are_whole_characters() -> None:
    assert list(texts(["a", b"\xe2", b"\x82", b"\xac.", "b"])) == ["a", "", "", "€.", "b"]
    with pytest.raises(UnicodeDecodeError):
        list(texts([b"\xe2"]))
