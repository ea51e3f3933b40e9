"""Cookies between headers and a jar of the standard library."""

from __future__ import annotations

import subprocess
import sys
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.request import Request

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


def test_jar_keeps_the_paths_apart() -> None:
    jar = jar_of("ws://example.org/a/b", "a=1", "b=2; Path=/", "c=3; Path=/c")
    assert cookies_for(parse_uri("ws://example.org/a/c"), jar) == "a=1; b=2"
    assert cookies_for(parse_uri("ws://example.org/ab"), jar) == "b=2"


def test_jar_gives_domain_cookies_to_hosts_below() -> None:
    jar = jar_of("ws://example.org/", "a=1; Domain=example.org", "b=2; HttpOnly; SameSite=Strict")
    assert cookies_for(parse_uri("ws://example.org/"), jar) == "a=1; b=2"
    assert cookies_for(parse_uri("ws://www.example.org/"), jar) == "a=1; b=2"
    strict = DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain)
    jar.set_policy(strict)
    assert cookies_for(parse_uri("ws://www.example.org/"), jar) == "a=1"


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1", "localhost"])
def test_jar_knows_hosts_of_every_kind(host: str) -> None:
    jar = jar_of(f"wss://{host}:8443/", "a=1")
    assert cookies_for(parse_uri(f"wss://{host}:9443/"), jar) == "a=1"


@pytest.mark.parametrize(
    "cookie",
    [
        *(
            "a=\xe9",
            "a",
            "=b",
            "; ; ;",
            "a=1; Max-Age=nan",
            "a=1; Domain=",
            "a=1; Port=x; Version=1",
        ),
        *("a=1; Expires=Wed, 99 Oct 99999999999 99:99:99 GMT", f"a=1; Expires={'1' * 8000}"),
    ],
)
def test_jar_is_not_upset_by_what_a_server_sends(cookie: str) -> None:
    where = parse_uri("ws://example.org/")
    assert cookies_for(where, jar_of("ws://example.org/", cookie)) in (None, cookie, "a=1")


def test_jar_of_another_make_sees_a_request_as_urllib_has_it() -> None:
    seen: list[Any] = []

    class Jar:
        def add_cookie_header(self, request: Any) -> None:
            seen.append(request)
            request.add_unredirected_header("Cookie", "a=1")

        def extract_cookies(self, response: Any, request: Any) -> None:
            seen.append(response.info().get_all("Set-Cookie"))

    where, jar = parse_uri("wss://example.org:9/x"), Jar()
    check_jar(jar)
    assert cookies_for(where, jar) == "a=1"
    keep_cookies(where, Headers([("set-cookie", "b=2"), ("Set-Cookie", "c=3")]), jar)
    ours, answer = seen
    theirs = Request("https://example.org:9/x")
    theirs.add_unredirected_header("Cookie", "a=1")
    for name in ("type", "host", "unverifiable", "origin_req_host"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("get_full_url", "header_items"):
        assert getattr(ours, name)() == getattr(theirs, name)()
    assert ours.has_header("Cookie") == theirs.has_header("Cookie")
    assert answer == ["b=2", "c=3"]


def test_cookies_cost_nobody_the_import_of_a_jar() -> None:
    slow = {"http.cookiejar", "urllib.request", "http.client", "email.message"}
    code = (
        f"import sys, geventws.client, geventws.adapters.asyncio; print({slow} & {{*sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("given", [{}, "a=1", True, CookieJar])
def test_other_things_are_no_jar(given: Any) -> None:
    check_jar(None)
    check_jar(CookieJar())
    with pytest.raises(TypeError, match=r"^cookies: an http\.cookiejar\.CookieJar, not "):
        check_jar(given)
