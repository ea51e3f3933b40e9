from __future__ import annotations

import pytest

from geventws.adapters.ws4py import exc
from geventws.core import errors


@pytest.mark.parametrize("name", exc.__all__)
def test_exceptions_are_of_one_tree(name: str) -> None:
    assert issubclass(getattr(exc, name), errors.WebSocketError)
    assert issubclass(getattr(exc, name), exc.WebSocketException)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("HandshakeError", errors.HandshakeError),
        ("ProtocolException", errors.ProtocolError),
        ("FrameTooLargeException", errors.MessageTooBig),
        ("TextFrameEncodingException", errors.InvalidText),
        ("StreamClosed", errors.ConnectionClosed),
        ("StreamClosed", RuntimeError),  # which is what ws4py raised
    ],
)
def test_exceptions_are_caught_by_the_librarys_names(name: str, theirs: type[Exception]) -> None:
    assert issubclass(getattr(exc, name), theirs)


def test_handshake_error_says_what_the_server_answered() -> None:
    error = exc.HandshakeError("no", 403, {"A": "b"}, b"why")
    assert (error.msg, str(error)) == ("no", "no")
    assert (error.status, error.headers, error.body) == (403, {"A": "b"}, b"why")


def test_exceptions_need_no_argument() -> None:
    for kind in (exc.ProtocolException, exc.FrameTooLargeException, exc.InvalidBytesError):
        assert str(kind()) == ""
    assert exc.ProtocolException().code == 1002
    assert exc.FrameTooLargeException().code == 1009
    assert exc.TextFrameEncodingException().code == 1007
    assert exc.StreamClosed().code == 1006
