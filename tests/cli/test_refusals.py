"""Answers other than 101, as servers give them, and the words that a doctor has for each."""

from __future__ import annotations

import pytest

from geventws.cli.findings import Fact
from tests.cli.probes import answered, last
from tests.servers import certified, response, saying, serving, trusting

HTML = "Content-Type: text/html; charset=utf-8"
NGINX = "nginx needs proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade"
DROPPED = (
    "our Upgrade and Connection headers did not reach the server, since a proxy in between drops "
    f'them; {NGINX} and Connection "upgrade"'
)


def told(first_line: str, *lines: str, body: bytes = b"", path: str = "/") -> Fact:
    """Return what a probe tells of a server that answers so."""
    length = f"Content-Length: {len(body)}"
    return answered(saying(response(f"HTTP/1.1 {first_line}", *lines, length, body=body)), path)


@pytest.mark.parametrize(
    ("first_line", "body"),
    [
        ("400 Bad Request", b'No WebSocket UPGRADE hdr: None\n Can "Upgrade" only to "WebSocket".'),
        ("400 Bad Request", b"No CONNECTION upgrade hdr: close"),
        ("400 Bad Request", b"No WebSocket UPGRADE header. Can 'Upgrade' only to 'websocket'"),
        ("400 Bad Request", b"CONNECTION header value is not 'upgrade'"),
        ("400 Bad Request", b"Unsupported HTTP version: b'HTTP/1.0'"),
        ("400 Bad Request", b'"Connection" must be "Upgrade".'),
        ("426 Upgrade Required", b"Failed to open a WebSocket connection: invalid Connection"),
        ("400 Bad Request", b"Invalid Upgrade header"),
        ("426 Upgrade Required", b"no upgrade to websocket (RFC 6455 4.2.1)\n"),
        ("400 Bad Request", b"HTTP version is not 1.1 (RFC 6455 4.2.1)\n"),
        ("426 Upgrade Required", b""),
    ],
    ids=[
        *("aiohttp", "aiohttp-connection", "picows", "picows-connection", "picows-1.0"),
        *("Tornado", "websockets", "ws", "ours", "ours-1.0", "426"),
    ],
)
def test_doctor_names_the_proxy_that_dropped_upgrade(first_line: str, body: bytes) -> None:
    fact = told(first_line, body=body)
    assert fact.name == "opening handshake"
    assert fact.value.startswith(first_line)
    assert fact.advice == DROPPED


@pytest.mark.parametrize(
    ("first_line", "body"),
    [
        ("400 Bad Request", b"Bad Request"),
        ("400 Bad Request", b"<!doctype html>\n<title>400 Bad Request</title>"),
        ("404 Not Found", b"Not Found"),
    ],
    ids=["ws-gorilla", "flask-sock", "uvicorn"],
)
def test_doctor_names_path_and_proxy_where_it_may_be_either(first_line: str, body: bytes) -> None:
    fact = told(first_line, body=body)
    assert fact.value == first_line
    assert "path" in fact.advice
    assert fact.advice.endswith(f". Or else {DROPPED}")


@pytest.mark.parametrize(
    ("first_line", "headers", "advice"),
    [
        ("401 Unauthorized", ["WWW-Authenticate: Basic realm=x"], "credentials of the kind Basic"),
        ("401 Unauthorized", [], "wants credentials: user:password@"),
        ("403 Forbidden", [], "most often the origin"),
        ("404 Not Found", [], "nothing is at that path"),
        ("405 Method Not Allowed", [], "takes no GET"),
        ("408 Request Timeout", [], "waited in vain for the rest"),
        ("410 Gone", [], "any more"),
        ("418 I'm a Teapot", [], "the server says no"),
        ("421 Misdirected Request", [], "does not serve that host name"),
        ("426 Upgrade Required", ["Sec-WebSocket-Version: 7, 8"], "other versions of the protocol"),
        ("426 Upgrade Required", ["Upgrade: TLS/1.2"], "another protocol than WebSocket first"),
        ("429 Too Many Requests", ["Retry-After: 7"], "from here; come back after 7 seconds"),
        ("431 Request Header Fields Too Large", [], "most often the cookies"),
        ("500 Internal Server Error", [], "the application failed"),
        ("501 Not Implemented", [], "knows no WebSockets"),
        ("502 Bad Gateway", ["Server: nginx/1.25"], "what is behind it is not there"),
        ("503 Service Unavailable", [], "full or being restarted"),
        ("504 Gateway Timeout", [], "did not in its time"),
        ("505 HTTP Version Not Supported", [], "another version of HTTP"),
        ("521 Web Server Is Down", [], "Cloudflare answered"),
        ("204 No Content", [], "an ordinary answer came"),
    ],
    ids=lambda value: value[:3] if isinstance(value, str) and value[:3].isdigit() else "",
)
def test_doctor_explains_a_status(first_line: str, headers: list[str], advice: str) -> None:
    assert advice in told(first_line, *headers).advice


@pytest.mark.parametrize(
    "body",
    [
        b"<html><center>The plain HTTP request was sent to HTTPS port</center></html>",
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ],
    ids=["nginx", "Go", "Apache"],
)
def test_doctor_asks_for_wss_where_the_server_says_so(body: bytes) -> None:
    assert "ask for wss://" in told("400 Bad Request", body=body).advice


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":0,"message":"Transport unknown"}',
        b'"The client is using an unsupported version of the Socket.IO or Engine.IO protocols"',
    ],
    ids=["Node", "Python"],
)
def test_doctor_recognises_socket_io(body: bytes) -> None:
    assert "that is a Socket.IO server" in told("400 Bad Request", body=body).advice


def test_doctor_recognises_the_origin_in_a_400_of_engine_io() -> None:
    fact = told("400 Bad Request", body=b'"Not an accepted origin."')
    assert "most often the origin" in fact.advice


def test_doctor_shows_what_a_server_says_in_plain_text() -> None:
    fact = told("403 Forbidden", "Server: gate/1", body=b"no token\nat all")
    assert fact.value == "403 Forbidden: no token, by gate/1"


def test_doctor_shows_nothing_of_a_page() -> None:
    assert told("404 Not Found", HTML, body=b"<h1>Not here</h1>").value == "404 Not Found"


def test_doctor_knows_a_page_of_a_single_page_application() -> None:
    fact = told("200 OK", HTML, body=b"<!DOCTYPE html><div id=root></div>")
    assert "a single-page application" in fact.advice
    assert NGINX in fact.advice


def test_doctor_knows_a_page_by_its_beginning() -> None:
    assert "a page came" in told("200 OK", body=b"\n<!doctype html>").advice


def test_doctor_knows_an_ordinary_answer() -> None:
    fact = told("200 OK", "Content-Type: application/json", body=b'{"ok": true}')
    assert fact.value == '200 OK: {"ok": true}'
    assert fact.advice.startswith("an ordinary answer came")


@pytest.mark.parametrize(
    ("location", "advice"),
    [
        ("https://127.0.0.1/", "ask for wss:// instead"),
        ("/chat/", "sends us on to /chat/; ask for that"),
        ("http://other.example/chat", "ask for that, since connect() follows redirects"),
        ("/accounts/login?next=/chat", "sends us on to /accounts/login?..., where people log in"),
    ],
)
def test_doctor_explains_a_redirect(location: str, advice: str) -> None:
    assert advice in told("302 Found", f"Location: {location}").advice


def test_doctor_explains_a_redirect_to_nowhere() -> None:
    assert told("301 Moved Permanently").advice == "a redirect to nowhere"


def test_doctor_explains_a_redirect_to_a_weaker_scheme() -> None:
    answer = saying(
        response("HTTP/1.1 301 Moved", "Location: http://127.0.0.1/", "Content-Length: 0")
    )
    with serving(answer, context=certified("127.0.0.1")) as server:
        fact = last(f"wss://127.0.0.1:{server.port}/", ssl=trusting())
    assert "which has no TLS; connect() refuses that" in fact.advice


@pytest.mark.parametrize(
    "header",
    ["X-Cache: HIT from squid", "Age: 17", "CF-Cache-Status: HIT"],
    ids=lambda text: text[:3],
)
def test_doctor_blames_a_cache_for_an_old_answer(header: str) -> None:
    assert told("404 Not Found", header).advice.startswith(f"a cache answered ({header})")


def test_doctor_shows_nothing_of_a_compressed_body() -> None:
    assert told("404 Not Found", "Content-Encoding: gzip", body=b"\x1f\x8b\x08").value == (
        "404 Not Found"
    )
