"""Every exception the library raises, in one tree.

WebSocketError
├─ HandshakeError            no connection came about
│  ├─ InvalidURI             the caller's address (also a ValueError)
│  ├─ InvalidHandshake       the peer's HTTP is not what RFC 6455 4 asks for
│  └─ Rejected               the server said no: .status .headers .body
├─ ConnectionClosed          the conversation is over: .code .reason .clean
├─ ProtocolError             the peer broke a rule: .code is what it is closed with
│  ├─ InvalidText            1007
│  └─ MessageTooBig          1009
└─ ConcurrencyError          two callers where only one may be (also a RuntimeError)

Whose fault it is decides the branch. A ProtocolError never reaches an application bare: it fails
the connection and arrives as the __cause__ of ConnectionClosed. Timeouts are the builtin
TimeoutError.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from geventws.core.codes import INVALID_DATA, MESSAGE_TOO_BIG, PROTOCOL_ERROR


class WebSocketError(Exception):
    """The root of all that this library raises of its own."""


class HandshakeError(WebSocketError):
    """No connection came about."""


class InvalidURI(HandshakeError, ValueError):
    """The address is not a WebSocket URI (RFC 6455 3)."""


class InvalidHandshake(HandshakeError):
    """The peer's half of the opening handshake breaks a rule of RFC 6455 4 or RFC 9112.

    *status* and *headers* are what a server answers with; a client has no use for them.
    """

    def __init__(
        self, message: str, status: int = 400, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = tuple(headers)


class Rejected(HandshakeError):
    """The server answered the opening handshake with something else than 101.

    *headers* are Headers, and *body* is what came of it, cut off where it is long.
    """

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        super().__init__(status, headers, body)
        self.status = status
        self.headers = headers
        self.body = body

    def __str__(self) -> str:
        return f"the server answered {self.status}"


class ConnectionClosed(WebSocketError):
    """The connection is closed; every message that came before was received.

    *code* is the peer's close code; 1005 where its close frame had none; the code we failed the
    connection with where the peer broke a rule; 1006 where it was lost. *clean* tells whether both
    close frames were exchanged (RFC 6455 7.1.4 to 7.1.6).
    """

    def __init__(self, code: int, reason: str, clean: bool) -> None:
        super().__init__(code, reason, clean)
        self.code = code
        self.reason = reason
        self.clean = clean

    def __str__(self) -> str:
        how = "closed" if self.clean else "lost"
        return f"connection {how}: {self.code} {self.reason}".rstrip()


class ProtocolError(WebSocketError):
    """The peer broke a rule; *code* is the close code that tells it so (RFC 6455 7.4.1)."""

    code = PROTOCOL_ERROR

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidText(ProtocolError):
    """A text message or a close reason is not UTF-8 (RFC 6455 8.1)."""

    code = INVALID_DATA


class MessageTooBig(ProtocolError):
    """A message is larger than *max_size*, as declared, gathered or inflated."""

    code = MESSAGE_TOO_BIG


class ConcurrencyError(WebSocketError, RuntimeError):
    """Two callers are where only one may be, as two that receive on one connection."""
