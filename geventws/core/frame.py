"""Bytes to frames, and back (RFC 6455 5.2).

bytes -> FrameReader.feed -> next_frame -> Frame          frame_head + payload -> bytes

A data frame that is still arriving is handed on in pieces, each as soon as it is here. A piece is
just a smaller fragment: nothing waits for a long payload, and nothing is copied twice. There are no
parser states either: a head that is half here is read again when more has come.
"""

from __future__ import annotations

from typing import Final

from geventws.core.codes import (
    BINARY,
    CLOSE,
    CONTINUATION,
    NO_STATUS_RECEIVED,
    PONG,
    TEXT,
    sendable,
)
from geventws.core.errors import InvalidText, ProtocolError
from geventws.core.mask import mask, rotate

MAX_CONTROL: Final = 125  # RFC 6455 5.5
_MAX_CONTROL: Final = MAX_CONTROL  # as C has it


class Frame:
    """A frame, or a piece of a data frame.

    The first piece has the frame's opcode and rsv1, later ones are continuations; only the last
    one has the frame's fin.
    """

    __slots__ = ("fin", "left", "opcode", "payload", "rsv1", "starts")

    def __init__(
        self, opcode: int, payload: bytes, fin: bool, rsv1: bool, starts: bool, left: int
    ) -> None:
        self.opcode = opcode
        self.payload = payload  # unmasked
        self.fin = fin
        self.rsv1 = rsv1
        self.starts = starts  # false for all pieces but a frame's first
        self.left = left  # payload bytes of this frame that are still to come

    def __repr__(self) -> str:
        return (
            f"Frame(opcode={self.opcode}, payload={len(self.payload)} bytes, fin={self.fin}, "
            f"rsv1={self.rsv1}, starts={self.starts}, left={self.left})"
        )


class FrameReader:
    """What one peer sends, cut into frames; *masked* as all that a client sends must be.

    *compression* says that rsv1 has a meaning, as permessage-deflate gives it (RFC 7692 6).
    """

    __slots__ = ("_compression", "_data", "_fin", "_key", "_left", "_masked", "_pos")

    def __init__(self, masked: bool, compression: bool) -> None:
        self._masked = masked
        self._compression = compression
        self._data = b""
        self._pos = 0
        # the frame that is still arriving
        self._left = 0
        self._fin = False
        self._key = b""

    def feed(self, data: bytes) -> None:
        """Take bytes off the wire; cheapest when next_frame() has returned all that were here."""
        if self._pos < len(self._data):
            data = self._data[self._pos :] + data
        self._data = data
        self._pos = 0

    def buffered(self) -> int:
        """Return how many bytes have not become part of a frame yet."""
        return len(self._data) - self._pos

    def next_frame(self) -> Frame | None:
        """Return the next frame or piece; None when that takes more bytes.

        Raises:
            ProtocolError: the peer broke a rule of RFC 6455 5; nothing can be read after it.
        """
        if self._left:
            return self._next_piece()
        data = self._data
        view = data  # compiled, a pointer
        pos = self._pos
        have = len(data) - pos
        if have < 2:
            return None
        first = view[pos]
        second = view[pos + 1]
        self._check(first, second)
        length = second & 0x7F
        pos += 2
        if length >= 126:
            width = 2 if length == 126 else 8
            if have < 2 + width:
                return None
            length = self._long_length(pos, width)
            pos += width
        end = len(data)
        if self._masked:
            if end - pos < 4:
                return None
            self._key = view[pos : pos + 4]
            pos += 4
        if end - pos >= length:
            end = pos + length
        elif first & 0x08:
            return None  # control frames are handed on whole
        left = length - (end - pos)
        self._left = left
        self._fin = fin = first > 0x7F
        payload = self._payload(pos, end)
        return _frame(first & 0x0F, payload, left == 0 and fin, first & 0x40 != 0, True, left)

    def _next_piece(self) -> Frame | None:
        size = min(len(self._data), self._left)  # nothing stands before it: all that was is taken
        if not size:
            return None
        self._left -= size
        payload = self._payload(0, size)
        fin = self._left == 0 and self._fin
        return _frame(CONTINUATION, payload, fin, False, False, self._left)

    def _payload(self, start: int, end: int) -> bytes:
        data = self._data
        self._pos = end
        if end == len(data):  # an idle connection keeps no buffer
            self._data = b""
            self._pos = 0
        if not self._masked:
            view = data  # compiled, a pointer
            return view[start:end]
        payload = mask(data, self._key, start, end)
        if self._left:
            self._key = rotate(self._key, end - start)
        return payload

    def _check(self, first: int, second: int) -> None:
        """Raise for a head that RFC 6455 5.2 or 5.5 rules out, as early as its first two bytes."""
        opcode = first & 0x0F
        if first & 0x30 or (first & 0x40 and not (self._compression and TEXT <= opcode <= BINARY)):
            raise ProtocolError("a reserved bit is set (RFC 6455 5.2)")
        if BINARY < opcode < CLOSE or opcode > PONG:
            raise ProtocolError("a reserved opcode (RFC 6455 5.2)")
        if opcode >= CLOSE:
            if first < 0x80:
                raise ProtocolError("a fragmented control frame (RFC 6455 5.5)")
            if second & 0x7F > _MAX_CONTROL:
                raise ProtocolError("a control frame over 125 bytes (RFC 6455 5.5)")
        if (second > 0x7F) != self._masked:
            raise ProtocolError(
                "an unmasked frame from a client (RFC 6455 5.1)"
                if self._masked
                else "a masked frame from a server (RFC 6455 5.1)"
            )

    def _long_length(self, pos: int, width: int) -> int:
        view = self._data  # compiled, a pointer
        if width == 8 and view[pos] > 0x7F:
            raise ProtocolError("a length with its first bit set (RFC 6455 5.2)")
        length = 0
        for index in range(pos, pos + width):
            length = length << 8 | view[index]
        if length <= (_MAX_CONTROL if width == 2 else 0xFFFF):
            raise ProtocolError("a length in more bytes than it takes (RFC 6455 5.2)")
        return length


def _frame(opcode: int, payload: bytes, fin: bool, rsv1: bool, starts: bool, left: int) -> Frame:
    """Return what Frame() does; compiled, without making Python objects of the arguments."""
    frame = Frame.__new__(Frame)
    frame.opcode = opcode
    frame.payload = payload
    frame.fin = fin
    frame.rsv1 = rsv1
    frame.starts = starts
    frame.left = left
    return frame


def frame_head(opcode: int, length: int, fin: bool, rsv1: bool, key: bytes) -> bytes:
    """Return what stands before *length* bytes of payload; *key* is b"" where nothing is masked."""
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    masked = 0x80 if key else 0
    if length < 126:
        head = _pair(first, masked | length)
    elif length <= 0xFFFF:
        head = _pair(first, masked | 126) + _pair(length >> 8, length & 0xFF)
    else:
        head = _pair(first, masked | 127) + length.to_bytes(8, "big")
    return head + key if key else head


def _pair(first: int, second: int) -> bytes:
    """Return two bytes, from a store of those that were needed before, and their neighbours."""
    row = _pairs[first]
    if row is None:
        row = _pairs[first] = [bytes((first, each)) for each in range(256)]
    return row[second]


_pairs: list[list[bytes] | None] = [None] * 256


def check_close(code: int, reason: str) -> None:
    """Raise TypeError where *code* is no int, or *reason* no str; both may be of any value."""
    if not isinstance(code, int):
        raise TypeError(f"code: an int, not {type(code).__name__}")
    if not isinstance(reason, str):
        raise TypeError(f"reason: a str, not {type(reason).__name__}")


def close_payload(code: int, reason: str) -> bytes:
    """Return the payload of a close frame (RFC 6455 5.5.1).

    Raises:
        TypeError: *code* is no int, or *reason* no str.
        ValueError: *code* may not be sent, or *reason* is over 123 bytes of UTF-8.
    """
    check_close(code, reason)
    if not sendable(code):
        raise ValueError(f"code: {code} may not be sent (RFC 6455 7.4)")
    payload = code.to_bytes(2, "big") + reason.encode()
    if len(payload) > MAX_CONTROL:
        raise ValueError("reason: over 123 bytes of UTF-8 (RFC 6455 5.5)")
    return payload


def short_reason(reason: str) -> str:
    """Return what a close frame has room for of *reason*, in whole characters (RFC 6455 5.5)."""
    return reason.encode(errors="replace")[: MAX_CONTROL - 2].decode(errors="ignore")


def parse_close(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason of a close frame; 1005 stands for no code.

    Raises:
        ProtocolError: the code may not be sent, or half of one is there (RFC 6455 7.4).
        InvalidText: the reason is not UTF-8.
    """
    if not payload:
        return NO_STATUS_RECEIVED, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not sendable(code):
        raise ProtocolError("a close code that may not be sent (RFC 6455 7.4)")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise InvalidText("a close reason that is not UTF-8 (RFC 6455 5.5.1)") from None
