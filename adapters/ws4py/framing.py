"""Single frames, built and parsed in ws4py's way (RFC 6455 5.2).

Frame(opcode, body, ...).build() -> bytes          bytes -> Frame().parser.send() -> .opcode, .body
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from geventws.adapters.ws4py.exc import FrameTooLargeException, ProtocolException
from geventws.core.codes import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from geventws.core.errors import ProtocolError
from geventws.core.frame import MAX_CONTROL, FrameReader, frame_head
from geventws.core.mask import mask

__all__ = ["Frame"]

OPCODE_CONTINUATION: Final = CONTINUATION
OPCODE_TEXT: Final = TEXT
OPCODE_BINARY: Final = BINARY
OPCODE_CLOSE: Final = CLOSE
OPCODE_PING: Final = PING
OPCODE_PONG: Final = PONG

_KNOWN: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_TOO_LONG: Final = 1 << 63

# Yields how many bytes it wants, and is sent as many, or fewer.
Parser = Generator[int | None, bytes | bytearray | None, None]


class Frame:
    """One frame. What build() makes of the attributes, *parser* makes attributes of.

    *body* is bytes as they are on the wire: a parsed one is masked still where *masking_key*, of
    four bytes, is not None. *rest* is what *parser* was sent beyond the end of the frame.
    """

    def __init__(
        self,
        opcode: int | None = None,
        body: bytes = b"",
        masking_key: bytes | None = None,
        fin: int = 0,
        rsv1: int = 0,
        rsv2: int = 0,
        rsv3: int = 0,
    ) -> None:
        """Take what to build; nothing for a frame to parse.

        Raises:
            TypeError: *body* is no bytes.
        """
        if not isinstance(body, bytes):
            raise TypeError(f"body: bytes, not {type(body).__name__}")
        self.opcode = opcode
        self.body = body
        self.masking_key = masking_key
        self.fin = fin
        self.rsv1 = rsv1
        self.rsv2 = rsv2
        self.rsv3 = rsv3
        self.payload_length = len(body)
        self.rest = b""
        self._parser: Parser | None = None

    @property
    def parser(self) -> Parser:
        """The generator to send bytes to; it gives back how many more it wants, None at the end.

        Sent less it asks again. After None it has nothing more to say: StopIteration.

        Raises:
            ProtocolException: a reserved bit or opcode, a fragmented control frame, a length in
                more bytes than it takes.
            FrameTooLargeException: a control frame over 125 bytes, or a length over 2^63 - 1.
        """
        if self._parser is None:
            self._parser = self._parsing()
            next(self._parser)
        return self._parser

    def build(self) -> bytes:
        """Return the frame's bytes, the body masked where there is a masking key.

        Raises:
            ValueError: *fin* or a reserved bit is not 0 or 1, the opcode is a reserved one, or the
                masking key is not of four bytes.
            FrameTooLargeException: a control frame over 125 bytes, or a length over 2^63 - 1.
        """
        if self.opcode not in _KNOWN:
            raise ValueError("opcode: a reserved one (RFC 6455 5.2)")
        if any(bit not in (0, 1) for bit in (self.fin, self.rsv1, self.rsv2, self.rsv3)):
            raise ValueError("fin, rsv1, rsv2, rsv3: 0 or 1")
        _check_length(self.opcode, self.payload_length)
        key = self.masking_key or b""
        head = bytearray(
            frame_head(self.opcode, self.payload_length, self.fin == 1, self.rsv1 == 1, key)
        )
        head[0] |= self.rsv2 << 5 | self.rsv3 << 4
        return bytes(head + (self.mask(self.body) if key else self.body))

    def mask(self, data: bytes | bytearray) -> bytearray:
        """Return *data* masked, or unmasked, by the masking key.

        Raises:
            ValueError: the masking key is not of four bytes.
        """
        if self.masking_key is None:
            raise ValueError("masking_key: there is none")
        return bytearray(mask(data, self.masking_key, 0, len(data)))

    unmask = mask

    def _parsing(self) -> Parser:
        data = bytearray()
        while wanted := missing(data):
            before = len(data)
            data += (yield wanted) or b""
            if data and (before < 2 or before < head_size(data)):
                self._read_head(bytes(data[: head_size(data)]))
        end = head_size(data)
        self.body = bytes(data[end : end + self.payload_length])
        self.rest = bytes(data[end + self.payload_length :])
        yield None

    def _read_head(self, head: bytes) -> None:
        """Take the attributes from as much of the *head* as is here."""
        self.fin, self.rsv1, self.rsv2, self.rsv3 = (head[0] >> bit & 1 for bit in (7, 6, 5, 4))
        self.opcode = head[0] & 0x0F
        self.payload_length = payload_size(head)
        _check_length(self.opcode, self.payload_length)
        reader = FrameReader(head[1:2] > b"\x7f", False)
        reader.feed(head if len(head) > 1 else head + b"\0")  # nothing is wrong with that one
        try:
            reader.next_frame()
        except ProtocolError as error:
            raise ProtocolException(str(error), error.code) from None
        self.masking_key = head[-4:] if head[1:2] > b"\x7f" and not missing(head, 0) else None


def missing(data: bytes | bytearray, payload: int | None = None) -> int:
    """Return how many bytes *data*, a frame's beginning, wants for its next part; 0 when whole.

    The parts are its two first bytes one by one, an extended length, the masking key, and the
    payload, of *payload* bytes where that is not what the head says.
    """
    if len(data) < 2:
        return 1
    length_end = 2 + _width(data)
    if len(data) < length_end:
        return length_end - len(data)
    end = head_size(data)
    if len(data) < end:
        return end - len(data)
    size = payload_size(data) if payload is None else payload
    return max(end + size - len(data), 0)


def head_size(data: bytes | bytearray) -> int:
    """Return where the payload of a frame begins, as far as its first two bytes say."""
    return 2 + _width(data) + (4 if data[1:2] > b"\x7f" else 0)


def payload_size(data: bytes | bytearray) -> int:
    """Return the length that a frame's head says, as far as it is here."""
    width = _width(data)
    if len(data) < 2 + width:
        return data[1] & 0x7F if len(data) > 1 else 0
    return int.from_bytes(data[2 : 2 + width], "big") if width else data[1] & 0x7F


def _width(data: bytes | bytearray) -> int:
    return {126: 2, 127: 8}.get(data[1] & 0x7F, 0) if len(data) > 1 else 0


def _check_length(opcode: int, length: int) -> None:
    if opcode >= CLOSE and length > MAX_CONTROL:
        raise FrameTooLargeException("a control frame over 125 bytes (RFC 6455 5.5)")
    if length >= _TOO_LONG:
        raise FrameTooLargeException("a length with its first bit set (RFC 6455 5.2)")
