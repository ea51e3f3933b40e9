"""RFC 6455 8.1 to the byte: a text fails where it stops being UTF-8, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.codes import TEXT
from geventws.core.errors import InvalidText
from geventws.core.frame import Frame
from tests.core.helpers import deflated, fragments, frame, pieces, read, reader

# the Unicode Standard's table 3-7: what may follow each first byte
FOLLOWING = {
    **{first: [] for first in range(0x80)},
    **{first: [(0x80, 0xBF)] for first in range(0xC2, 0xE0)},
    0xE0: [(0xA0, 0xBF), (0x80, 0xBF)],
    **{first: [(0x80, 0xBF), (0x80, 0xBF)] for first in (*range(0xE1, 0xED), 0xEE, 0xEF)},
    0xED: [(0x80, 0x9F), (0x80, 0xBF)],
    0xF0: [(0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)],
    **{first: 3 * [(0x80, 0xBF)] for first in range(0xF1, 0xF4)},
    0xF4: [(0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)],
}


def first_impossible(data: bytes) -> int | None:
    """Return where UTF-8 becomes impossible, at the latest behind the last byte; None: nowhere."""
    following: list[tuple[int, int]] = []
    for at, byte in enumerate(data):
        if following:
            low, high = following[0]
            if not low <= byte <= high:
                return at
            following = following[1:]
        elif byte in FOLLOWING:
            following = FOLLOWING[byte]
        else:
            return at
    return len(data) if following else None


BAD_TEXTS = {
    "8.1-continuation-first": "80",
    "8.1-overlong-slash-c0": "c0af",
    "8.1-overlong-c1": "c1bf",
    "8.1-overlong-e0": "e080af",
    "8.1-overlong-e0-9f": "e09fbf",
    "8.1-overlong-f0": "f08080af",
    "8.1-overlong-f0-8f": "f08fbfbf",
    "8.1-surrogate-first": "eda080",
    "8.1-surrogate-last": "edbfbf",
    "8.1-surrogate-pair": "eda080edb080",
    "8.1-over-10ffff": "f4908080",
    "8.1-f5": "f5808080",
    "8.1-five-bytes": "f888808080",
    "8.1-fe": "fe",
    "8.1-ff": "ff",
    "8.1-cut-two": "c3",
    "8.1-cut-three": "e282",
    "8.1-cut-four": "f09f98",
    "8.1-cut-and-ascii": "e28241",
    "8.1-cut-and-new": "e282e282ac",
}
bad_texts = pytest.mark.parametrize(
    "bad", [bytes.fromhex(text) for text in BAD_TEXTS.values()], ids=list(BAD_TEXTS)
)


@bad_texts
def test_reader_fails_1007_on_a_whole_text_that_is_not_utf8(bad: bytes) -> None:
    with pytest.raises(InvalidText, match=r"not UTF-8 \(RFC 6455 8.1\)") as info:
        reader().add(frame(TEXT, b"text " + bad))
    assert info.value.code == 1007


def failing(frames: list[Frame]) -> int | None:
    """Return which frame the reader fails on; None where it takes them all."""
    messages = reader()
    for number, each in enumerate(frames):
        try:
            messages.add(each)
        except InvalidText:
            return number
    return None


@bad_texts
@pytest.mark.parametrize("before", ["", "text ", "κόσμε"], ids=["start", "ascii", "greek"])
def test_reader_fails_at_the_first_impossible_byte(bad: bytes, before: str) -> None:
    payload = before.encode() + bad
    at = first_impossible(payload)
    assert at is not None
    last = len(payload) - 1
    # the first frame or piece is empty, then each has one byte
    assert failing([*pieces(TEXT, payload, range(len(payload)))]) == min(at, last) + 1
    assert failing(fragments(TEXT, payload, range(len(payload)))) == min(at, last) + 1


# the bytes at every border of the table
BORDERS = bytes.fromhex("41 7f 80 8f 90 9f a0 bf c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")


@given(st.lists(st.sampled_from(BORDERS)))
def test_reader_fails_at_the_first_impossible_byte_of_anything(data: list[int]) -> None:
    payload = bytes(data)
    at = first_impossible(payload)
    frames = fragments(TEXT, payload, range(len(payload)))
    expected = None if at is None else min(at, len(payload) - 1) + 1
    assert failing(frames) == expected


@given(text=st.text(), at=st.lists(st.integers(0, 40)))
def test_reader_takes_any_text_cut_anywhere(text: str, at: list[int]) -> None:
    payload = text.encode()
    for data, rsv1 in ((payload, False), (deflated(payload), True)):
        places = [min(place, len(data)) for place in at]
        for cut in (fragments, pieces):
            assert read(reader(), cut(TEXT, data, places, rsv1)) == [text]


@pytest.mark.parametrize(
    "text", ["\x00", "\x7f", "\x80", "߿", "ࠀ", "퟿", "", "￿", "\U00010000", "\U0010ffff"], ids=ascii
)
def test_reader_takes_the_first_and_last_characters_of_every_width(text: str) -> None:
    payload = text.encode()
    for cut in (fragments, pieces):
        assert read(reader(), cut(TEXT, payload, range(len(payload)), False)) == [text]
