from __future__ import annotations

import pytest

from geventws.adapters.ws4py.utf8validator import Utf8Validator

CHARACTERS = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFFFF, 0x10000]
CHARACTERS += [0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF]
IMPOSSIBLE = [b"\x80", b"\xc0", b"\xc1", b"\xe0\x9f", b"\xed\xa0", b"\xf0\x8f", b"\xf4\x90"]
IMPOSSIBLE += [b"\xf5", b"\xff", b"\xe1\x80c", b"\xf1\x80\x80\xc0", b"h\xc3llo"]


@pytest.mark.parametrize("number", CHARACTERS, ids=hex)
def test_decode_has_the_character_at_its_last_byte(number: int) -> None:
    validator = Utf8Validator()
    states = [validator.decode(byte) for byte in chr(number).encode()]
    assert states[-1] == Utf8Validator.UTF8_ACCEPT
    assert validator.codepoint == number
    assert all(state > Utf8Validator.UTF8_REJECT for state in states[:-1])


@pytest.mark.parametrize("data", IMPOSSIBLE)
def test_validate_stops_at_the_first_byte_that_cannot_be(data: bytes) -> None:
    wrong = len(data) - 1 if data != b"h\xc3llo" else 2
    assert Utf8Validator().validate(data) == (False, False, wrong, wrong)
    validator = Utf8Validator()
    assert validator.validate(b"abc")[0]
    assert validator.validate(data) == (False, False, wrong, wrong + 3)


def test_validate_counts_what_it_took() -> None:
    validator = Utf8Validator()
    assert validator.validate(b"") == (True, True, 0, 0)
    assert validator.validate(b"abc") == (True, True, 3, 3)
    assert validator.validate(bytearray(b"\xe2\x82")) == (True, False, 2, 5)
    assert validator.validate(b"\xac") == (True, True, 1, 6)


def test_validate_accepts_nothing_after_a_byte_that_could_not_be_until_reset() -> None:
    validator = Utf8Validator()
    validator.validate(b"\xff")
    assert not validator.validate(b"")[0]
    assert not validator.validate(b"abc")[0]
    validator.reset()
    assert validator.validate(b"abc") == (True, True, 3, 3)


def test_validate_agrees_with_python_on_every_pair_of_bytes() -> None:
    def is_text(data: bytes) -> bool:
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        return True

    pairs = [bytes([first, second]) for first in range(0x70, 0x100) for second in range(256)]
    assert [Utf8Validator().validate(pair)[:2] == (True, True) for pair in pairs] == [
        is_text(pair) for pair in pairs
    ]
