"""What failed, in few words that do not vary: failures are counted by their text."""

from __future__ import annotations

import ssl
from errno import errorcode
from socket import gaierror
from typing import Final

from geventws.core.errors import ConnectionClosed, InvalidHandshake, ProtocolError, Rejected

LOST: Final = "the connection is lost"  # says no more than the code 1006


def failure_text(error: BaseException) -> str:
    """Return what *error* means, raised by a connection or by opening one.

    No text holds an address, an id, a close reason or anything else of the peer's making but codes.
    """
    match error:
        case ConnectionClosed():
            return _closing(error)
        case Rejected():
            return f"refused with {error.status}"
        case InvalidHandshake():
            return f"invalid handshake: {error}"
        case ssl.SSLError():
            return f"TLS failed: {_name(error)}"
        case gaierror():
            return "the name lookup failed"
        case OSError(errno=int()):
            return f"cannot connect: {_name(error)}"
        case _:
            return str(error)


def _closing(closed: ConnectionClosed) -> str:
    cause = closed.__cause__
    if isinstance(cause, ProtocolError):
        return f"protocol error: {cause}"
    if closed.clean:
        return f"closed with {closed.code}"
    return f"connection lost: {_loss(closed)}"


def _loss(closed: ConnectionClosed) -> str:
    error: BaseException = closed
    while error.__cause__ is not None:  # the first thing that went wrong
        error = error.__cause__
    if isinstance(error, OSError) and error.errno is not None:
        return _name(error)
    if closed.reason and closed.reason != LOST:
        return closed.reason  # our own words, for the peer said nothing
    return "no close frame" if error is closed else str(error)


def _name(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):  # whose numbers are not the system's
        return error.reason or type(error).__name__
    return errorcode.get(error.errno or 0, type(error).__name__)
