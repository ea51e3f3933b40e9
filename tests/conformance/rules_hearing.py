"""What an end under test says, put together again and held against a rule."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PONG, TEXT, Side
from tests.conformance.rules_words import NO_CODE, RSV1, Answer, Compression, Pong, masked

MAX_CONTROL: Final = 125  # RFC 6455 5.5


class Hearing:
    """Reads the bytes that an end of *side* writes; AssertionError where they break the protocol.

    *heard* are the answers since it was last emptied, and *close* is the code of its close frame,
    after which nothing may come.
    """

    def __init__(self, side: Side, compression: Compression | None) -> None:
        self.heard: list[Answer] = []
        self.close: int | None = None
        self._masks = side == Side.CLIENT
        self._compression = compression
        self._data = bytearray()
        self._size = 2  # of the frame that arrives, as far as it is known
        # the message that arrives
        self._opcode = 0
        self._compressed = False
        self._payload = b""
        self._inflater = self._begin()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data
        while len(self._data) >= self._size:
            if (head := self._head()) is None:
                continue
            assert self.close is None, "a frame comes after a close frame (RFC 6455 5.5.1)"
            payload = bytes(self._data[head : self._size])
            key = bytes(self._data[head - 4 : head]) if self._masks else b""
            first = self._data[0]
            del self._data[: self._size]
            self._size = 2
            self._frame(first, masked(payload, key))

    def ends(self) -> None:
        """Take note that no more bytes come."""
        assert not self._data, "the stream ends within a frame"
        assert self.close is not None, "the stream ends without a close frame"

    def has(self, expected: tuple[Answer, ...]) -> bool:
        """Return whether all that a turn waits for is here."""
        return len(self.heard) >= len(expected)

    def expect(self, expected: tuple[Answer, ...]) -> None:
        """Hold what was heard in a turn against what should be, and empty it.

        A pong may overtake messages (RFC 6455 5.5.3: "as soon as is practical"); none may
        overtake it.
        """
        heard, self.heard = self.heard, []
        assert _messages(heard) == _messages(expected)
        assert _pongs(heard) == _pongs(expected)
        places = zip(_places(heard), _places(expected), strict=True)
        assert all(place <= latest for place, latest in places), "a pong comes later than it may"

    def _head(self) -> int | None:
        """Return how long the frame's head is, once the whole frame is here."""
        second = self._data[1]
        assert (second > 0x7F) == self._masks, "a frame is masked wrongly (RFC 6455 5.1)"
        width = {126: 2, 127: 8}.get(second & 0x7F, 0)
        head = 2 + width + 4 * self._masks
        if len(self._data) < head:
            self._size = head
            return None
        length = second & 0x7F
        if width:
            length = int.from_bytes(self._data[2 : 2 + width])
            assert length > (MAX_CONTROL if width == 2 else 0xFFFF), "a length is too long"
        self._size = head + length
        return head if len(self._data) >= self._size else None

    def _frame(self, first: int, payload: bytes) -> None:
        opcode, fin, rsv = first & 0x0F, first > 0x7F, first >> 4 & 7
        if opcode in (PONG, CLOSE):
            assert fin, "a control frame in fragments (RFC 6455 5.5)"
            assert not rsv, "a reserved bit is set (RFC 6455 5.2)"
            assert len(payload) <= MAX_CONTROL, "a large control frame (RFC 6455 5.5)"
            self._control(opcode, payload)
            return
        assert opcode in (TEXT, BINARY, CONTINUATION), f"opcode {opcode}"
        assert (opcode == CONTINUATION) == (self._opcode != 0), "fragments of two messages"
        assert not rsv or (rsv == RSV1 and opcode and self._compression), "a reserved bit is set"
        if opcode:
            self._opcode, self._compressed, self._payload = opcode, rsv == RSV1, b""
        self._payload += payload
        if fin:
            self._message()

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PONG:
            self.heard.append(Pong(payload))
            return
        assert len(payload) != 1, "half a close code (RFC 6455 5.5.1)"
        payload[2:].decode()
        self.close = int.from_bytes(payload[:2]) if payload else NO_CODE

    def _message(self) -> None:
        payload = self._inflated() if self._compressed else self._payload
        self.heard.append(payload.decode() if self._opcode == TEXT else payload)
        self._opcode = 0

    def _inflated(self) -> bytes:
        assert self._compression is not None
        if self._compression.our_alone:
            self._inflater = self._begin()
        inflated: bytes = self._inflater.decompress(self._payload + b"\x00\x00\xff\xff")
        return inflated

    def _begin(self) -> Any:
        """Return what inflates no more than the window that was agreed on allows."""
        return zlib.decompressobj(-(self._compression or Compression()).our_bits)


def _messages(answers: Sequence[Answer]) -> list[str | bytes]:
    return [each for each in answers if not isinstance(each, Pong)]


def _pongs(answers: Sequence[Answer]) -> list[Pong]:
    return [each for each in answers if isinstance(each, Pong)]


def _places(answers: Sequence[Answer]) -> list[int]:
    """Return of each pong how many messages stand before it."""
    places = [place for place, each in enumerate(answers) if isinstance(each, Pong)]
    return [place - nth for nth, place in enumerate(places)]
