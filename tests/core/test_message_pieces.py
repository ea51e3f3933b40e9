"""A message handed on while it arrives, and the rest of one that nobody wants."""

from __future__ import annotations

import pytest

from geventws.core.codes import BINARY, CONTINUATION, TEXT, Side
from geventws.core.errors import InvalidText, MessageTooBig, ProtocolError
from geventws.core.frame import Frame
from tests.core.helpers import AGREED, deflated, fragments, frame, opcodes, pieces, read, reader


@pytest.mark.parametrize("rsv1", [False, True], ids=["plain", "compressed"])
def test_reader_hands_on_binary_as_it_comes_while_streaming(rsv1: bool) -> None:
    messages = reader(10_000)
    messages.streaming = True
    data = bytes(at % 251 for at in range(10_000))
    payload = deflated(data) if rsv1 else data
    frames = pieces(BINARY, payload, range(0, len(payload), 50), rsv1)
    found = read(messages, frames)
    assert len(found) > len(frames) / 2
    assert b"".join(piece for piece in found if isinstance(piece, bytes)) == data
    assert messages.buffered() == 0


@pytest.mark.parametrize("rsv1", [False, True], ids=["plain", "compressed"])
def test_reader_hands_on_whole_characters_while_streaming(rsv1: bool) -> None:
    messages = reader()
    messages.streaming = True
    text = "aé€😀"
    deflater = AGREED.deflater(Side.CLIENT)
    parts = [text.encode()[at : at + 1] for at in range(10)]
    frames = [
        frame(
            CONTINUATION if at else TEXT,
            deflater.deflate(part, at == 9) if rsv1 else part,
            at == 9,
            rsv1 and not at,
        )
        for at, part in enumerate(parts)
    ]
    assert [messages.add(each) for each in frames] == [
        *("a", None, "é", None, None, "€", None, None, None, "😀")
    ]


@opcodes
def test_reader_ends_a_message_with_an_empty_piece_where_nothing_else_is_left(opcode: int) -> None:
    messages = reader()
    messages.streaming = True
    found = read(messages, [frame(opcode, b"all", False), frame(CONTINUATION, b"")])
    assert found == (["all", ""] if opcode == TEXT else [b"all", b""])
    assert not messages.arriving()


@pytest.mark.parametrize(
    ("last", "error"),
    [
        pytest.param(frame(CONTINUATION, b"\xff"), InvalidText, id="8.1"),
        pytest.param(frame(CONTINUATION, b"\xe2\x82"), InvalidText, id="8.1-cut"),
        pytest.param(frame(CONTINUATION, b"0123456"), MessageTooBig, id="max-size"),
        pytest.param(frame(TEXT), ProtocolError, id="5.4"),
    ],
)
def test_reader_keeps_to_the_rules_in_what_it_skips(
    last: Frame, error: type[ProtocolError]
) -> None:
    messages = reader(10)
    messages.add(frame(TEXT, b"seen", False))
    messages.skip()
    with pytest.raises(error):
        messages.add(last)


def test_reader_skips_nothing_where_no_message_is_arriving() -> None:
    messages = reader()
    messages.skip()
    assert read(messages, [*fragments(BINARY, b"next", [2])]) == [b"next"]
