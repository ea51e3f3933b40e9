"""Cookies between headers and a jar of the standard library."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import pytest

from geventws.cookies import check_jar, cookies_for, http_url, keep_cookies
from geventws.core.headers import Headers
from geventws.uri import parse_uri


def jar_of(url: str, *cookies: str) -> CookieJar:
    """Return a jar that has got *cookies* from *url*."""
    jar = CookieJar()
    keep_cookies(parse_uri(url), Headers([("Set-Cookie", each) for each in cookies]), jar)
    return jar


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("ws://Example.org/a?b", "http://example.org/a?b"),
        ("wss://example.org:8443", "https://example.org:8443/"),
        ("wss://[::1]/", "https://[::1]/"),
    ],
)
def test_place_has_an_address_of_http(url: str, there: str) -> None:
    assert http_url(parse_uri(url)) == there


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("ws://example.org/", "a=1"),
        ("ws://example.org:9000/x", "a=1"),
        ("wss://example.org/", "a=1; s=2"),
        ("wss://notexample.org/", None),
        ("wss://example.com/", None),
    ],
)
def test_jar_says_whom_a_cookie_is_for(url: str, sent: str | None) -> None:
    jar = jar_of("wss://example.org/", "a=1", "s=2; Secure", "o=3; Domain=other.example")
    assert cookies_for(parse_uri(url), jar) == sent


def test_jar_forgets_what_is_over() -> None:
    jar = jar_of("ws://example.org/", "a=1; Max-Age=0", "b=2")
    assert cookies_for(parse_uri("ws://example.org/"), jar) == "b=2"


def test_jar_has_the_last_word() -> None:
    jar = CookieJar(DefaultCookiePolicy(blocked_domains=["example.org"]))
    keep_cookies(parse_uri("ws://example.org/"), Headers([("Set-Cookie", "a=1")]), jar)
    assert len(jar) == 0


@pytest.mark.parametrize("given", [{}, "a=1", True, CookieJar])
def test_other_things_are_no_jar(given: Any) -> None:
    check_jar(None)
    check_jar(CookieJar())
    with pytest.raises(TypeError, match=r"^cookies: an http\.cookiejar\.CookieJar, not "):
        check_jar(given)
