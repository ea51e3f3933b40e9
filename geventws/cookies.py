"""Cookies out of a jar of the standard library and back into it, which keeps the rules (RFC 6265).

The jar may be shared, with requests for one: its cookies are those of http and https, and a
WebSocket counts as the one whose security it has.
"""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any
from urllib.request import Request

from geventws.core.headers import Headers
from geventws.uri import URI


def check_jar(cookies: object) -> None:
    """Raise TypeError where *cookies*, an argument of that name, are no jar."""
    if not isinstance(cookies, CookieJar | None):
        raise TypeError(f"cookies: an http.cookiejar.CookieJar, not {type(cookies).__name__}")


def cookies_for(where: URI, jar: CookieJar) -> str | None:
    """Return the Cookie header that *jar* has for *where*; None where that is empty."""
    request = Request(http_url(where))
    jar.add_cookie_header(request)
    return request.get_header("Cookie")


def keep_cookies(where: URI, headers: Headers, jar: CookieJar) -> None:
    """Put what the *headers* of an answer from *where* set into *jar*, as far as it allows."""
    answer: Any = _Answer(headers)
    jar.extract_cookies(answer, Request(http_url(where)))


def http_url(where: URI) -> str:
    """Return the http or https address of the same place (RFC 6455 3)."""
    return f"{'https' if where.secure else 'http'}://{where.authority}{where.target}"


class _Answer:
    """As much of a response as a jar looks at."""

    def __init__(self, headers: Headers) -> None:
        self._message = Message()
        for value in headers.get_all("Set-Cookie"):
            self._message["Set-Cookie"] = value

    def info(self) -> Message:
        return self._message
