"""Cookies out of a jar of the standard library and back into it, which keeps the rules (RFC 6265).

The jar may be shared, with requests for one: its cookies are those of http and https, and a
WebSocket counts as the one whose security it has.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from geventws.core.headers import Headers
from geventws.uri import URI


@runtime_checkable
class Jar(Protocol):
    """What is asked of an http.cookiejar.CookieJar; importing that takes as long as all of ours."""

    def add_cookie_header(self, request: Any) -> None:
        """Give *request* its Cookie header."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take the cookies of *response*, which answers *request*."""


def check_jar(cookies: object) -> None:
    """Raise TypeError where *cookies*, an argument of that name, are no jar."""
    if cookies is not None and (isinstance(cookies, type) or not isinstance(cookies, Jar)):
        raise TypeError(f"cookies: an http.cookiejar.CookieJar, not {type(cookies).__name__}")


def cookies_for(where: URI, jar: Jar) -> str | None:
    """Return the Cookie header that *jar* has for *where*; None where that is empty."""
    request = _Request(where)
    jar.add_cookie_header(request)
    return request.get_header("Cookie")


def keep_cookies(where: URI, headers: Headers, jar: Jar) -> None:
    """Put what the *headers* of an answer from *where* set into *jar*, as far as it allows."""
    jar.extract_cookies(_Answer(headers), _Request(where))


def http_url(where: URI) -> str:
    """Return the http or https address of the same place (RFC 6455 3)."""
    return f"{'https' if where.secure else 'http'}://{where.authority}{where.target}"


class _Request:
    """As much of a urllib.request.Request as a jar looks at."""

    unverifiable = False  # RFC 2965 3.3.6: the caller has approved of it

    def __init__(self, where: URI) -> None:
        self.type = "https" if where.secure else "http"
        self.host = where.authority
        self.origin_req_host = where.host
        self._url = http_url(where)
        self._headers: dict[str, str] = {}

    def get_full_url(self) -> str:
        return self._url

    def has_header(self, name: str) -> bool:
        return name in self._headers

    def get_header(self, name: str, default: str | None = None) -> str | None:
        return self._headers.get(name, default)

    def header_items(self) -> list[tuple[str, str]]:
        return list(self._headers.items())

    def add_unredirected_header(self, name: str, value: str) -> None:
        self._headers[name] = value


class _Answer:
    """As much of a response as a jar looks at."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def info(self) -> _Answer:
        return self

    def get_all(self, name: str, default: Any = None) -> Any:
        # RFC 6265 9.4: Set-Cookie2 is historic
        return self._headers.get_all(name) if name == "Set-Cookie" else default
