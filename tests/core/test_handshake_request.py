"""Requests and responses as values, and the origins of the pages behind requests."""

from __future__ import annotations

import re

import pytest

from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Origins, Request, Response, check_origin, refusal
from geventws.core.headers import Headers
from tests.core.handshakes import ask


def test_request_is_parsed() -> None:
    request = ask("GET /caf%C3%A9%20?a=%20b HTTP/1.1", Cookie="a=b; c=d", Origin="https://a")
    assert request.line == ("GET", "/caf%C3%A9%20?a=%20b", "HTTP/1.1")
    assert (request.method, request.target) == request.line[:2]
    assert (request.path, request.query) == ("/caf\xe9 ", "a=%20b")
    assert request.headers["upgrade"] == "websocket"
    assert request.cookies == {"a": "b", "c": "d"}
    assert (request.origin, request.host) == ("https://a", "example.org")
    assert request.head.startswith(b"GET /caf")


def test_request_knows_whom_it_came_from() -> None:
    assert Request(b"", ("127.0.0.1", 9000)).remote_address == ("127.0.0.1", 9000)
    assert Request(b"").remote_address is None


def test_request_lacks_what_was_not_sent() -> None:
    request = Request(b"GET / HTTP/1.1")
    assert (request.query, request.origin, request.host) == ("", None, "")
    assert (len(request.headers), request.cookies) == (0, {})


def test_request_takes_the_host_of_an_absolute_target() -> None:
    request = ask("GET http://example.com:81/a?b HTTP/1.1")
    assert (request.host, request.path, request.query) == ("example.com:81", "/a", "b")


def test_request_joins_the_cookies_of_several_headers() -> None:
    assert ask("GET / HTTP/1.1", "cookie: a=2; e=f", Cookie="a=1").cookies == {"a": "1", "e": "f"}


def test_request_is_parsed_once_until_it_forgets() -> None:
    request = ask()
    line, headers = request.line, request.headers
    assert request.line is line
    assert request.headers is headers
    request.forget()
    assert request.line == line
    assert request.headers is not headers
    assert request.headers == headers


@pytest.mark.parametrize("head", [b"", b"\xff\r\n\xff", b"GET /\r\nA : b"])
def test_request_that_is_malformed_raises_on_access_only(head: bytes) -> None:
    request = Request(head)
    for name in ("line", "method", "target", "path", "query", "host"):
        with pytest.raises(InvalidHandshake, match="malformed request line"):
            getattr(request, name)


@pytest.mark.parametrize("name", ["headers", "cookies", "origin", "host"])
def test_request_with_malformed_headers_raises_on_access(name: str) -> None:
    request = Request(b"GET / HTTP/1.1\r\nA : b")
    assert request.method == "GET"
    with pytest.raises(InvalidHandshake, match="malformed or folded header line"):
        getattr(request, name)


def test_response_closes_and_says_how_long_it_is() -> None:
    assert Response(404, [("A", "b")], "caf\xe9\n").to_bytes() == (
        b"HTTP/1.1 404 Not Found\r\nA: b\r\nConnection: close\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\ncaf\xc3\xa9\n"
    )


def test_response_may_be_empty_and_of_an_unknown_status() -> None:
    response = Response(499)
    assert (response.status, response.headers, response.body) == (499, Headers(), b"")
    assert response.to_bytes().startswith(b"HTTP/1.1 499 \r\n")
    assert b"\r\nContent-Length: 0\r\n" in response.to_bytes()


def test_response_has_the_content_type_it_is_given() -> None:
    written = Response(200, {"content-type": "text/html"}, b"<p>").to_bytes()
    assert written.lower().count(b"content-type") == 1
    assert written.endswith(b"\r\n\r\n<p>")


@pytest.mark.parametrize("status", [204, 304])
def test_response_without_a_body_does_not_speak_of_one(status: int) -> None:
    assert b"Content-" not in Response(status).to_bytes()
    with pytest.raises(ValueError, match="has no body"):
        Response(status, (), "a")


@pytest.mark.parametrize("name", ["connection", "Content-Length", "TRANSFER-ENCODING"])
def test_response_refuses_headers_that_frame_it(name: str) -> None:
    with pytest.raises(ValueError, match=f"header {name} is written by the handshake itself"):
        Response(200, {name: "1"})


@pytest.mark.parametrize("pair", [("A\r\nB", "c"), ("A", "b\r\nC: d"), ("A", "\0")])
def test_response_refuses_headers_that_would_break_it(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        Response(200, [pair]).to_bytes()


def test_refusal_tells_status_headers_and_reason() -> None:
    response = refusal(InvalidHandshake("no upgrade", 426, [("Upgrade", "websocket")]))
    assert response.to_bytes() == (
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close, Upgrade\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 11\r\n\r\nno upgrade\n"
    )


@pytest.mark.parametrize(
    ("host", "origin", "secure"),
    [
        ("example.org", None, None),
        ("example.org", "http://example.org", None),
        ("example.org", "https://example.org", None),
        ("example.org:80", "http://example.org", None),
        ("example.org", "https://example.org:443", True),
        ("example.org:9000", "http://example.org:9000", False),
        ("EXAMPLE.org", "http://example.ORG", None),
        ("[::1]:9000", "http://[::1]:9000", None),
    ],
)
def test_server_allows_the_same_origin_by_default(
    host: str, origin: str | None, secure: bool | None
) -> None:
    check_origin(ask(Host=host, Origin=origin), None, secure)


@pytest.mark.parametrize(
    ("host", "origin", "secure"),
    [
        ("example.org", "http://example.com", None),
        ("example.org", "http://example.org.evil.com", None),
        ("example.org", "http://evil-example.org", None),
        ("example.org", "http://www.example.org", None),
        ("example.org", "http://example.org.", None),
        ("example.org", "http://example.org:81", None),
        ("example.org:80", "https://example.org", None),
        ("example.org", "http://example.org@evil.com", None),
        ("example.org", "http://evil.com@example.org", None),
        ("example.org", "http://example.org/", None),
        ("example.org", "ftp://example.org", None),
        ("example.org", "example.org", None),
        ("example.org", "null", None),
        ("example.org", "", None),
        ("example.org", "http://example.org, http://example.org", None),
        ("example.org", "http://example.org", True),
        ("example.org", "https://example.org", False),
        ("", "http://example.org", None),
    ],
)
def test_server_refuses_another_origin_by_default(
    host: str, origin: str, secure: bool | None
) -> None:
    with pytest.raises(InvalidHandshake, match="origin is not allowed") as caught:
        check_origin(ask(Host=host, Origin=origin), None, secure)
    assert caught.value.status == 403


def test_server_compares_the_origin_with_the_host_of_an_absolute_target() -> None:
    request = ask("GET http://example.com/ HTTP/1.1", Origin="http://example.org")
    with pytest.raises(InvalidHandshake):
        check_origin(request, None, None)


HTTPS = re.compile(r"https://[a-z]+\.example\.org")


@pytest.mark.parametrize(
    ("origins", "origin"),
    [
        (["https://a", "https://b:81"], "https://b:81"),
        (["https://a"], None),
        ([], None),
        ("https://a", "https://a"),
        ("*", "null"),
        (["https://a", "*"], "https://b"),
        (HTTPS, "https://a.example.org"),
        (["https://a", HTTPS], "https://b.example.org"),
        (lambda origin, _: origin is None, None),
        (lambda origin, request: request.path == "/" and origin == "x", "x"),
    ],
)
def test_server_allows_an_origin_that_it_is_told_of(origins: Origins, origin: str | None) -> None:
    check_origin(ask(Origin=origin), origins, None)


@pytest.mark.parametrize(
    ("origins", "origin"),
    [
        (["https://a", "https://b:81"], "https://b"),
        (["https://a"], "https://A"),
        (["https://a"], "http://a"),
        (["https://example.org"], "https://a.example.org"),
        ([], "http://example.org"),
        ("https://a", "https"),
        (HTTPS, "https://a.example.org.evil.com"),
        (HTTPS, "xhttps://a.example.org"),
        (lambda origin, _: origin is not None, None),
        (lambda *_: False, "http://example.org"),
    ],
)
def test_server_refuses_an_origin_that_it_is_not_told_of(
    origins: Origins, origin: str | None
) -> None:
    with pytest.raises(InvalidHandshake, match="origin is not allowed") as caught:
        check_origin(ask(Origin=origin), origins, True)
    assert caught.value.status == 403
