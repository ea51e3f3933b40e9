"""The exceptions of ws4py, as branches of the library's own tree.

Whoever catches ws4py's names catches what this package raises; whoever catches the library's, see
geventws.core.errors, does too.
"""

from __future__ import annotations

from geventws.core.codes import ABNORMAL_CLOSURE
from geventws.core.errors import ConnectionClosed, InvalidText, MessageTooBig, ProtocolError
from geventws.core.errors import HandshakeError as _HandshakeError
from geventws.core.errors import WebSocketError as WebSocketException

__all__ = [
    "FrameTooLargeException",
    "HandshakeError",
    "InvalidBytesError",
    "ProtocolException",
    "StreamClosed",
    "TextFrameEncodingException",
    "UnsupportedFrameTypeException",
    "WebSocketException",
]


class ProtocolException(ProtocolError):
    """The peer broke a rule of RFC 6455 5."""

    def __init__(self, message: str = "", code: int | None = None) -> None:
        super().__init__(message, code)


class FrameTooLargeException(ProtocolException, MessageTooBig):
    """A frame is longer than it may be: a control frame than 125 bytes, any than 2^63 - 1."""


class UnsupportedFrameTypeException(ProtocolException):
    """A frame has a reserved opcode; raised by nothing here, ProtocolException says it."""


class InvalidBytesError(ProtocolException, InvalidText):
    """A message's bytes are not what they should be; for programs that raise it themselves."""


class TextFrameEncodingException(InvalidBytesError):
    """A text is not UTF-8; for programs that raise it themselves."""


class StreamClosed(ConnectionClosed, RuntimeError):
    """The websocket is terminated, and nothing can be sent on it any more."""

    def __init__(self, code: int = ABNORMAL_CLOSURE, reason: str = "", clean: bool = False) -> None:
        super().__init__(code, reason, clean)


class HandshakeError(_HandshakeError):
    """No connection came about, and *msg* says why.

    Where the server refused, *status*, *headers* and *body* are what it answered, as in Rejected;
    otherwise *status* is None.
    """

    def __init__(
        self,
        msg: str,
        status: int | None = None,
        headers: object = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(msg)
        self.msg = msg
        self.status = status
        self.headers = headers
        self.body = body
