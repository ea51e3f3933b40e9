"""What each side of the opening handshake writes, chooses and accepts."""

from __future__ import annotations

from base64 import b64decode

import pytest

from geventws.core.deflate import Deflate
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Opening, negotiate, parse_response
from geventws.core.headers import Headers
from tests.core.handshakes import answer, ask, read, sent

OPENING = Opening("a", "/", subprotocols=["a", "b"], compression=Deflate())


@pytest.mark.parametrize(
    ("offered", "ours", "chosen"),
    [
        (None, ["a"], None),
        ("", ["a"], None),
        ("b, a", ["a", "b"], "a"),
        ("b, a", ["c", "b"], "b"),
        ("b, a", ["c"], None),
        ("A", ["a"], None),
        ("a", [], None),
    ],
)
def test_server_chooses_its_first_subprotocol_that_was_offered(
    offered: str | None, ours: list[str], chosen: str | None
) -> None:
    request = ask(Sec_WebSocket_Protocol=offered)
    accepted = negotiate(request, subprotocols=ours, compression=None)
    assert accepted.subprotocol == chosen
    assert read(accepted.response)[2].get("Sec-WebSocket-Protocol") == chosen


def test_server_reads_subprotocols_from_several_headers() -> None:
    request = ask("GET / HTTP/1.1", "Sec-WebSocket-Protocol: b", Sec_WebSocket_Protocol="a")
    assert negotiate(request, subprotocols=["b"], compression=None).subprotocol == "b"


def test_server_accepts_compression() -> None:
    request = ask(Sec_WebSocket_Extensions="x, permessage-deflate; server_no_context_takeover")
    accepted = negotiate(request, compression=Deflate())
    assert accepted.deflate is not None
    assert accepted.deflate.server_no_context_takeover
    written = read(accepted.response)[2]["Sec-WebSocket-Extensions"]
    assert written.startswith("permessage-deflate;")


@pytest.mark.parametrize(
    ("offered", "compression"),
    [
        (None, Deflate()),
        ("", Deflate()),
        ("x-other", Deflate()),
        ("permessage-deflate; server_max_window_bits=99", Deflate()),
        ("permessage-deflate", None),
    ],
)
def test_server_declines_compression(offered: str | None, compression: Deflate | None) -> None:
    accepted = negotiate(ask(Sec_WebSocket_Extensions=offered), compression=compression)
    assert accepted.deflate is None
    assert "Sec-WebSocket-Extensions" not in read(accepted.response)[2]


@pytest.mark.parametrize("compression", [None, Deflate()])
@pytest.mark.parametrize("offered", ["permessage-deflate;", "a b", 'a; b="', "a, =b"])
def test_server_refuses_malformed_extensions(offered: str, compression: Deflate | None) -> None:
    with pytest.raises(InvalidHandshake, match="malformed list") as caught:
        negotiate(ask(Sec_WebSocket_Extensions=offered), compression=compression)
    assert caught.value.status == 400


def test_server_adds_headers_to_the_101() -> None:
    extra = [("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")]
    response = negotiate(ask(), compression=None, headers=extra).response
    assert read(response)[2].get_all("Set-Cookie") == ["a=b", "c=d"]


def test_server_adds_no_header_that_would_break_the_101() -> None:
    with pytest.raises(ValueError, match="header A has a character"):
        negotiate(ask(), compression=None, headers={"A": "b\r\nC: d"})


def test_server_keeps_only_the_head_of_an_accepted_request() -> None:
    request = ask()
    parsed = request.headers
    negotiate(request, compression=None)
    assert request.headers is not parsed
    assert request.headers == parsed


def test_client_asks_for_an_upgrade() -> None:
    opening = Opening("example.org", "/a?b", compression=None)
    assert opening.request() == (
        b"GET /a?b HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: " + opening.key.encode() + b"\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )


def test_client_has_a_key_of_its_own_for_each_opening() -> None:
    keys = {Opening("a", "/", compression=None).key for _ in range(100)}
    assert len(keys) == 100
    assert {len(b64decode(key, validate=True)) for key in keys} == {16}


def test_client_asks_for_all_it_is_told_to() -> None:
    opening = Opening(
        "example.org:81",
        "/",
        subprotocols=["b", "a"],
        compression=Deflate(),
        origin="https://example.org",
        headers=[("Cookie", "a=b"), ("X", "1"), ("X", "2")],
    )
    headers = sent(opening).headers
    assert headers["Origin"] == "https://example.org"
    assert headers["Sec-WebSocket-Protocol"] == "b, a"
    assert headers["Sec-WebSocket-Extensions"] == Deflate().offer()
    assert (headers["Cookie"], headers["X"]) == ("a=b", "1, 2")


def test_client_sends_the_host_that_is_among_the_headers() -> None:
    opening = Opening("10.0.0.1", "/", compression=None, headers={"host": "example.org"})
    assert sent(opening).headers.get_all("Host") == ["example.org"]


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "a\r\nb", "\xe9", "a:b", "::1"])
def test_client_refuses_a_host_that_is_none(host: str) -> None:
    with pytest.raises(ValueError, match="host is not a host"):
        Opening(host, "/", compression=None)


def test_client_refuses_two_hosts() -> None:
    with pytest.raises(ValueError, match="host is not a host"):
        Opening("a", "/", compression=None, headers=[("Host", "b"), ("host", "c")])


@pytest.mark.parametrize("target", ["", "a", "*", "/ ", "/a b", "/\r\n", "/\0", "/\xe9", "/#a"])
def test_client_refuses_a_target_that_is_no_path(target: str) -> None:
    with pytest.raises(ValueError, match="target is not a path"):
        Opening("a", target, compression=None)


@pytest.mark.parametrize(
    "name", ["UPGRADE", "Connection", "content-length", "Transfer-Encoding", "Sec-WebSocket-Key"]
)
def test_client_refuses_headers_of_the_handshake(name: str) -> None:
    with pytest.raises(ValueError, match=f"header {name} is written by the handshake itself"):
        Opening("a", "/", compression=None, headers={name: "b"})


@pytest.mark.parametrize("pair", [("A", "\r\n"), ("A\n", "b"), ("A", "\0"), ("A", "\u20ac")])
def test_client_refuses_headers_that_would_break_the_request(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        Opening("a", "/", compression=None, headers=[pair])


def test_client_refuses_an_origin_that_would_break_the_request_or_is_given_twice() -> None:
    with pytest.raises(ValueError, match="header Origin has a character"):
        Opening("a", "/", compression=None, origin="a\r\nb")
    with pytest.raises(ValueError, match="origin is given twice"):
        Opening("a", "/", compression=None, origin="a", headers={"origin": "b"})


def test_response_is_split_into_status_reason_and_headers() -> None:
    head = b"HTTP/1.0 404 Not Found\r\nA: b"
    assert parse_response(head) == (404, "Not Found", Headers({"A": "b"}))
    assert parse_response(b"HTTP/1.1 200 ") == (200, "", Headers())


@pytest.mark.parametrize("head", [b"", b"HTTP/2.0 200 OK", b"HTTP/1.1 200 OK\r\nA : b"])
def test_malformed_response_is_refused(head: bytes) -> None:
    with pytest.raises(InvalidHandshake, match="malformed"):
        parse_response(head)


@pytest.mark.parametrize(
    ("head", "subprotocol"),
    [
        (answer(OPENING), None),
        (answer(OPENING, "HTTP/1.1 101 "), None),
        (answer(OPENING, Upgrade="WebSocket", Connection="keep-alive, upgrade"), None),
        (answer(OPENING, "HTTP/1.1 101 x", "Content-Length: 0", "Server: x"), None),
        (answer(OPENING, Sec_WebSocket_Protocol="b"), "b"),
        (answer(OPENING, Sec_WebSocket_Extensions=""), None),
    ],
)
def test_client_accepts_a_response(head: bytes, subprotocol: str | None) -> None:
    assert OPENING.check(head) == Accepted(subprotocol, None, b"")


def test_client_accepts_the_compression_that_it_offered() -> None:
    head = answer(OPENING, Sec_WebSocket_Extensions="permessage-deflate; server_max_window_bits=10")
    deflate = OPENING.check(head).deflate
    assert deflate is not None
    assert deflate.server_max_window_bits == 10
