"""UTF-8, validated byte by byte as it comes (RFC 3629 4).

For programs that use ws4py's validator themselves: what this library receives it decodes at once.
"""

from __future__ import annotations

from typing import Final

ACCEPT: Final = 0
REJECT: Final = 1
STATES: Final = 9
CLASSES: Final = 16


def _table() -> list[int]:
    """Return the class of each byte, then of each state where a byte of each class leads.

    States are what may come next: 0 a character, 2 to 4 so many bytes less one of 80..BF, the
    others a second byte that RFC 3629 4 narrows.
    """
    # which class, from which byte on; where a character of that class leads
    starts = [(0x00, 0), (0x80, 1), (0x90, 9), (0xA0, 7), (0xC0, 8), (0xC2, 2), (0xE0, 10)]
    starts += [(0xE1, 3), (0xED, 4), (0xEE, 3), (0xF0, 11), (0xF1, 6), (0xF4, 5), (0xF5, 8)]
    begin = {0: ACCEPT, 2: 2, 10: 4, 3: 3, 4: 5, 11: 6, 6: 7, 5: 8}
    follow = {
        2: {1: ACCEPT, 9: ACCEPT, 7: ACCEPT},
        3: {1: 2, 9: 2, 7: 2},
        4: {7: 2},  # E0: A0..BF, or it is longer than it has to be
        5: {1: 2, 9: 2},  # ED: 80..9F, or it is a surrogate
        6: {9: 3, 7: 3},  # F0: 90..BF, or it is longer than it has to be
        7: {1: 3, 9: 3, 7: 3},
        8: {1: 3},  # F4: 80..8F, or it is beyond U+10FFFF
    }
    classes = [max(pair for pair in starts if pair[0] <= byte)[1] for byte in range(256)]
    rows = [begin, {}, *(follow[state] for state in range(2, STATES))]
    return classes + [row.get(each, REJECT) for row in rows for each in range(CLASSES)]


class Utf8Validator:
    """Says of bytes, as they come, whether they can be UTF-8.

    *codepoint* is what decode() has of the character that arrives.
    """

    UTF8VALIDATOR_DFA: Final = _table()
    UTF8_ACCEPT: Final = ACCEPT
    UTF8_REJECT: Final = REJECT

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.state = ACCEPT
        self.codepoint = 0
        self.i = 0  # bytes so far

    def decode(self, b: int) -> int:
        """Take one byte; return UTF8_ACCEPT at a character's end, UTF8_REJECT where it cannot be.

        Anything else says that the character goes on.
        """
        kind = self.UTF8VALIDATOR_DFA[b]
        if self.state == ACCEPT:
            self.codepoint = (0xFF >> kind) & b
        else:
            self.codepoint = self.codepoint << 6 | b & 0x3F
        self.state = self._next(b)
        return self.state

    def validate(self, ba: bytes | bytearray) -> tuple[bool, bool, int, int]:
        """Take more bytes: are they valid, do they end a character, how many were taken, in all.

        The counts are those before the first byte that cannot be. After such a byte nothing is
        valid until reset().
        """
        before = self.i
        for byte in ba:
            self.state = self._next(byte)
            if self.state == REJECT:
                return False, False, self.i - before, self.i
            self.i += 1
        valid = self.state != REJECT
        return valid, self.state == ACCEPT, self.i - before, self.i

    def _next(self, byte: int) -> int:
        table = self.UTF8VALIDATOR_DFA
        return table[256 + self.state * CLASSES + table[byte]]
