"""Messages as objects that carry their bytes, in ws4py's way.

str | bytes -> Message -> single(), fragment() -> bytes of frames
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from typing import Final

from geventws.adapters.ws4py.framing import (
    OPCODE_BINARY,
    OPCODE_CLOSE,
    OPCODE_CONTINUATION,
    OPCODE_PING,
    OPCODE_PONG,
    OPCODE_TEXT,
    Frame,
)
from geventws.core.codes import NO_STATUS_RECEIVED
from geventws.core.frame import check_close, close_payload
from geventws.core.mask import masking_key

__all__ = [
    "BinaryMessage",
    "CloseControlMessage",
    "Message",
    "PingControlMessage",
    "PongControlMessage",
    "TextMessage",
]

Data = str | bytes | bytearray | memoryview

_MAX_CODE: Final = 0xFFFF


class Message:
    """A message: its *opcode*, and its payload as bytes in *data*, which it keeps.

    *completed* tells, of a received one, whether all of it is here.
    """

    def __init__(
        self, opcode: int, data: Data | None = b"", encoding: str | None = "utf-8"
    ) -> None:
        """Take the payload; a str is encoded, None is nothing.

        Raises:
            TypeError: *data* is of another type, or a str where there is no *encoding*.
        """
        self.opcode = opcode
        self.encoding = encoding
        self.completed = False
        self.data = self._bytes(data)

    def single(self, mask: bool = False) -> bytes:
        """Return the message as one frame, with a random masking key where *mask* says so.

        Raises:
            ValueError: the message cannot be sent: a text is not UTF-8.
            FrameTooLargeException: a ping or pong is over 125 bytes.
        """
        self.check()
        return self._frame(self.opcode, True, mask)

    def fragment(self, first: bool = False, last: bool = False, mask: bool = False) -> bytes:
        """Return the payload as a frame of a message of several; only the first has the opcode."""
        return self._frame(self.opcode if first else OPCODE_CONTINUATION, last, mask)

    def extend(self, data: Data) -> None:
        """Add *data* to the payload.

        Raises:
            TypeError: as when the message is made.
        """
        self.data += self._bytes(data)

    def check(self) -> None:
        """Raise ValueError where the whole message cannot be sent as it is."""

    def _frame(self, opcode: int, fin: bool, mask: bool) -> bytes:
        return Frame(opcode, self.data, masking_key() if mask else None, int(fin)).build()

    def _bytes(self, data: Data | None) -> bytes:
        if isinstance(data, str):
            if self.encoding is None:
                raise TypeError("data: a str, and no encoding")
            return data.encode(self.encoding)
        if data is None or isinstance(data, (bytes, bytearray, memoryview)):
            return bytes(data or b"")
        raise TypeError(f"data: str or bytes, not {type(data).__name__}")

    def __len__(self) -> int:
        """Return how many characters a text has; of anything binary, how many bytes."""
        return len(self.data if self.encoding is None else str(self))

    def __str__(self) -> str:
        """Return the text; what is binary, as Python writes bytes."""
        return str(self.data) if self.encoding is None else self.data.decode(self.encoding)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.data!r}>"


class TextMessage(Message):
    """A text."""

    is_binary: Final = False
    is_text: Final = True

    def __init__(self, text: Data | None = None) -> None:
        super().__init__(OPCODE_TEXT, text)

    def check(self) -> None:
        """Raise UnicodeDecodeError, a ValueError, where the text is not UTF-8 (RFC 6455 8.1)."""
        self.data.decode()


class BinaryMessage(Message):
    """Bytes."""

    is_binary: Final = True
    is_text: Final = False

    def __init__(self, bytes: bytes | bytearray | memoryview | None = None) -> None:
        super().__init__(OPCODE_BINARY, bytes, None)


class CloseControlMessage(Message):
    """A close frame: its *code*, and its *reason* as str. Code 1005 stands for none (7.4.1)."""

    def __init__(self, code: int | None = 1000, reason: Data | None = "") -> None:
        """Take what the frame says; a *reason* of bytes is UTF-8.

        Raises:
            TypeError, ValueError: *code* is no number that two bytes can hold, or *reason* no text.
        """
        self.code = NO_STATUS_RECEIVED if code is None else code
        self.reason = reason if isinstance(reason, str) else bytes(reason or b"").decode()
        check_close(self.code, self.reason)
        if not 0 <= self.code <= _MAX_CODE:
            raise ValueError("code: a number of two bytes (RFC 6455 5.5.1)")
        text = b"" if code is None else self.code.to_bytes(2, "big") + self.reason.encode()
        super().__init__(OPCODE_CLOSE, b"" if self.code == NO_STATUS_RECEIVED else text)

    def check(self) -> None:
        """Raise ValueError where the code may not be sent, or the reason is over 123 bytes."""
        if self.code != NO_STATUS_RECEIVED:
            close_payload(self.code, self.reason)

    def __str__(self) -> str:
        return self.reason


class PingControlMessage(Message):
    """A ping."""

    def __init__(self, data: Data | None = None) -> None:
        super().__init__(OPCODE_PING, data)


class PongControlMessage(Message):
    """A pong."""

    def __init__(self, data: Data | None) -> None:
        super().__init__(OPCODE_PONG, data)


# What send() takes


def encoded(data: Data) -> bytes:
    """Return the payload of a binary message; str is sent as UTF-8."""
    return data.encode() if isinstance(data, str) else _octets(data)


def decoded(data: Data) -> str:
    """Return a text; bytes have to be UTF-8, or it is a UnicodeDecodeError."""
    return data if isinstance(data, str) else _octets(data).decode()


def texts(items: Iterable[Data]) -> Iterator[str]:
    """Yield *items* as texts; where bytes end within a character, the next ones begin with it."""
    decode = getincrementaldecoder("utf-8")().decode
    for item in items:
        yield item if isinstance(item, str) else decode(_octets(item))
    decode(b"", True)


def _octets(data: bytes | bytearray | memoryview) -> bytes:
    # bytes(5) would be five zeros
    return data if isinstance(data, bytes) else bytes(memoryview(data))
