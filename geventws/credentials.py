"""Who a client says it is: basic authentication, or whatever a callable returns (RFC 9110 11)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import unquote

from geventws.core.errors import InvalidURI

Auth: TypeAlias = "tuple[str, str] | Callable[[], str] | None"

# of an address up to its host: the scheme, and what stands before the last at sign
_match_userinfo = re.compile(r"([^/?#]*//)([^/?#]*)@").match
_PLAIN = r"(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"  # RFC 3986 3.2.1
_match_plain = re.compile(rf"{_PLAIN}+(?::{_PLAIN}*)?").fullmatch


def basic(user: str, password: str) -> str:
    """Return the Authorization of *user*, in UTF-8 (RFC 7617).

    Raises:
        ValueError: *user* has a colon, or a lone surrogate is in either.
    """
    if ":" in user:
        raise ValueError("auth: a user with a colon, which basic authentication cannot say")
    try:
        return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    except UnicodeEncodeError:
        raise ValueError("auth: a lone surrogate, which UTF-8 has no bytes for") from None


def authorization(auth: Auth) -> str:
    """Return the header value for *auth*; a callable is asked again each time.

    Raises:
        TypeError, ValueError: *auth* is no credentials, or the callable returned no str.
        Exception: whatever the callable raises.
    """
    match auth:
        case (str(user), str(password)):
            return basic(user, password)
        case _ if not callable(auth):
            raise TypeError("auth: a pair of user and password, or a callable")
    value = auth()
    if not isinstance(value, str):
        raise TypeError(f"auth: a callable that returns a str, not {type(value).__name__}")
    return value


def split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return *url* without its user and password, and these, decoded; None where it has none.

    Raises:
        InvalidURI: there are some, but not as RFC 3986 3.2.1 has them.
    """
    found = _match_userinfo(url) if isinstance(url, str) else None
    if found is None:
        return url, None
    if not _match_plain(found[2]):
        raise InvalidURI("url: credentials that are not percent-encoded (RFC 3986 3.2.1)")
    user, _, password = found[2].partition(":")
    try:
        return found[1] + url[found.end() :], (decoded(user), decoded(password))
    except UnicodeDecodeError:
        raise InvalidURI("url: credentials that are not UTF-8 (RFC 3986 2.5)") from None


def decoded(text: str) -> str:
    """Return *text* without its percent-encoding; UnicodeDecodeError where that is not UTF-8."""
    return unquote(text, errors="strict")
