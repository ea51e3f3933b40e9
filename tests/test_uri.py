"""Which addresses are a WebSocket server's, what they say, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.errors import InvalidURI
from geventws.core.handshake import Opening
from geventws.uri import URI, parse_uri


def tcp(secure: bool, host: str, port: int, target: str = "/") -> URI:
    return URI(secure, host, port, target, None)


@pytest.mark.parametrize(
    ("uri", "where", "authority"),
    [
        ("ws://example.org", tcp(False, "example.org", 80), "example.org"),
        ("wss://example.org/", tcp(True, "example.org", 443), "example.org"),
        ("WS://Example.ORG:80/", tcp(False, "example.org", 80), "example.org"),
        ("ws://example.org:443", tcp(False, "example.org", 443), "example.org:443"),
        ("wss://example.org:80", tcp(True, "example.org", 80), "example.org:80"),
        ("ws://example.org:/", tcp(False, "example.org", 80), "example.org"),
        ("ws://example.org:00081/", tcp(False, "example.org", 81), "example.org:81"),
        ("ws://127.0.0.1:9000/", tcp(False, "127.0.0.1", 9000), "127.0.0.1:9000"),
        ("ws://my_service/", tcp(False, "my_service", 80), "my_service"),
        ("ws://[::1]/", tcp(False, "::1", 80), "[::1]"),
        ("wss://[2001:DB8::1]:8443/", tcp(True, "2001:db8::1", 8443), "[2001:db8::1]:8443"),
        ("ws://[fe80::1%25eth0]/", tcp(False, "fe80::1%eth0", 80), "[fe80::1]"),
        (
            "ws://b\xfccher.example/",
            tcp(False, "xn--bcher-kva.example", 80),
            "xn--bcher-kva.example",
        ),
    ],
)
def test_uri_says_where_the_server_is(uri: str, where: URI, authority: str) -> None:
    assert parse_uri(uri) == where
    assert where.authority == authority


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("ws://a", "/"),
        ("ws://a?b=c", "/?b=c"),
        ("ws://a/b/c?d=e&f", "/b/c?d=e&f"),
        ("ws://a/b?c?d/e", "/b?c?d/e"),
        ("ws://a//b", "//b"),
        ("ws://a/b:c@d;e,f", "/b:c@d;e,f"),
        ("ws://a/%C3%A9?%20", "/%C3%A9?%20"),
        ("ws://a/\xe9?\u20ac", "/%C3%A9?%E2%82%AC"),
        ('ws://a/"<>[]?{|}\\^`', "/%22%3C%3E%5B%5D?%7B%7C%7D%5C%5E%60"),
    ],
)
def test_uri_says_what_to_ask_for(uri: str, target: str) -> None:
    assert parse_uri(uri).target == target


@pytest.mark.parametrize(
    ("uri", "path", "target"),
    [
        ("ws+unix:///run/echo.sock", "/run/echo.sock", "/"),
        ("ws+unix:/run/echo.sock", "/run/echo.sock", "/"),
        ("wss+unix:///run/echo.sock:/chat?a=b", "/run/echo.sock", "/chat?a=b"),
        ("ws+unix:///run/echo.sock?a=b", "/run/echo.sock", "/?a=b"),
        ("ws+unix:///a%20b%3Ac%C3%A9:/d:e", "/a b:c\xe9", "/d:e"),
        ("ws+unix:///%FF", "/\udcff", "/"),
    ],
)
def test_uri_names_a_unix_socket(uri: str, path: str, target: str) -> None:
    where = parse_uri(uri)
    assert where == URI(uri.startswith("wss"), "localhost", where.port, target, path)
    assert where.authority == "localhost"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("wss://example.org/", "example.org"),
        ("wss://example.org./", "example.org"),
        ("wss://[fe80::1%25eth0]/", "fe80::1"),
        ("wss+unix:///a", "localhost"),
    ],
)
def test_uri_says_what_the_certificate_has_to_name(uri: str, name: str) -> None:
    assert parse_uri(uri).certified == name


SCHEME = "a scheme other than ws, wss"
HOST = "no valid host and port"
UNIX = "a unix socket's is"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        *[(uri, SCHEME) for uri in ("", "a", "//a", "http://a", "https://a", "ws+tcp://a")],
        *[(uri, SCHEME) for uri in ("ws+://a", "+unix:///a", "unix:///a", "wsx://a")],
        *[(f"ws://a{part}", "a fragment") for part in ("#", "/#", "/#b", "/?b#c")],
        ("ws+unix:///a#b", "a fragment"),
        *[(f"ws://{userinfo}@b", "credentials") for userinfo in ("", "a", "a:b", ":", "a@c")],
        *[
            (f"ws://a{bad}", "space or control")
            for bad in (" ", "/\t", "/\n", "\r\n", "\0", "\x7f")
        ],
        *[
            (uri, HOST)
            for uri in ("ws:", "ws://", "ws:///a", "ws:a", "ws:/a", "ws://:80", "ws://?a")
        ],
        *[(f"ws://a:{port}", HOST) for port in ("0", "65536", "000080", "-1", "+1", "b", "1:2")],
        ("ws://a:\u0661", HOST),
        *[
            (f"ws://{host}", HOST)
            for host in ("a..b", ".a", "a" * 64, "a." * 127 + "a", "a\\b", "a%41", "a!b", "a*b")
        ],
        *[(f"ws://{host}", HOST) for host in ("[::1", "::1", "a[::1]", "[::1]a", "[]", "[v1.a]")],
        *[
            (f"ws://{host}", HOST)
            for host in ("[::1%eth0]", "[::1%25]", "a\u2100b", "\udc80", "\xad")
        ],
        *[(uri, UNIX) for uri in ("ws+unix:", "ws+unix:a", "ws+unix://a/b", "ws+unix:///a%00b")],
        ("ws+unix:///a:b", "does not begin with a slash"),
        ("ws://a/\ud800", "lone surrogate"),
        ("ws+unix:///\ud800", "lone surrogate"),
    ],
)
def test_uri_is_refused(uri: str, why: str) -> None:
    with pytest.raises(InvalidURI, match=f"^url: .*{why}") as caught:
        parse_uri(uri)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("uri", [None, b"ws://a", 5])
def test_uri_that_is_no_str_is_refused(uri: Any) -> None:
    with pytest.raises(TypeError, match=f"^url: a str, not {type(uri).__name__}$"):
        parse_uri(uri)


@given(st.text(st.characters(exclude_categories=[]), max_size=20), st.text(max_size=20))
def test_uri_is_refused_as_invalid_or_can_be_asked(netloc: str, path: str) -> None:
    for uri in (f"ws://{netloc}/{path}", f"wss+unix:///{netloc}:/{path}"):
        try:
            where = parse_uri(uri)
        except InvalidURI:
            continue
        Opening(where.authority, where.target, compression=None)
