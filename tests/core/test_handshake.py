"""The opening handshake: what a server and a client ask of each other, rule by rule."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.deflate import Deflate
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import (
    Opening,
    Origins,
    Request,
    Response,
    accept_key,
    check_origin,
    check_request,
    negotiate,
    refusal,
)
from geventws.core.headers import Headers, HeadReader
from tests.core.handshakes import KEY, answer, ask, sent

ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 1.3


def test_request_is_parsed_on_access() -> None:
    request = ask("GET /a%20b?c HTTP/1.1", Cookie="d=e", Origin="http://example.org")
    assert (request.method, request.target) == ("GET", "/a%20b?c")
    assert (request.path, request.query, request.cookies) == ("/a b", "c", {"d": "e"})


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600])
def test_response_refuses_a_status_that_does_not_end_the_handshake(status: int) -> None:
    with pytest.raises(ValueError, match="status is not from 200 to 599"):
        Response(status)


def test_response_has_no_body_where_none_is_allowed() -> None:
    assert Response(204).to_bytes() == b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    with pytest.raises(ValueError, match="has no body"):
        Response(204, (), "a")


@pytest.mark.parametrize("headers", [[], [("content-type", "text/html")]])
def test_refusal_is_written_as_a_response(headers: list[tuple[str, str]]) -> None:
    written = refusal(InvalidHandshake("no", 403, headers)).to_bytes()
    assert written.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert written.lower().count(b"\r\ncontent-type: text/") == 1
    assert written.endswith(b"\r\nContent-Length: 3\r\n\r\nno\n")


ORIGINS = [None, "https://example.org", ["x", re.compile("https://.*")], lambda *_: True]


@pytest.mark.parametrize("origins", ORIGINS)
def test_server_allows_an_origin(origins: Origins) -> None:
    check_origin(ask(Origin="https://example.org"), origins, True)


@pytest.mark.parametrize("origins", [None, "https://example.com", [], lambda *_: False])
@pytest.mark.parametrize("origin", ["http://example.org", "null"])
def test_server_refuses_an_origin(origins: Origins, origin: str) -> None:
    with pytest.raises(InvalidHandshake, match="origin is not allowed") as caught:
        check_origin(ask(Origin=origin), origins, True)
    assert caught.value.status == 403


def test_server_needs_no_origin() -> None:
    check_origin(ask(Origin=None), [], None)


@pytest.mark.parametrize(
    ("host", "target", "headers"),
    [("a b", "/", {}), ("a", "*", {}), ("a", "/", {"Origin": "b"}), ("a", "/", {"Upgrade": "b"})],
)
def test_client_refuses_what_it_cannot_send(
    host: str, target: str, headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"host|target|origin|Upgrade"):
        Opening(host, target, compression=None, origin="https://a", headers=headers)


@pytest.mark.parametrize("names", [["a b"], [""], ["a,b"], ["\xe9"], ["a\r\n"], ["a", "a"]])
def test_client_refuses_subprotocols_that_are_not_different_tokens(names: list[str]) -> None:
    with pytest.raises(ValueError, match="subprotocols are not different tokens"):
        Opening("a", "/", subprotocols=names, compression=None)


@pytest.mark.parametrize(
    "request_",
    [
        ask(),
        ask("GET /a/%20?b=c HTTP/1.1"),
        ask("GET http://example.com/ HTTP/1.1"),
        ask("GET https://example.com?a HTTP/1.1"),
        ask(Upgrade="WebSocket", Connection="keep-alive, uPGRADE"),
        ask(Upgrade="h2c/1, websocket"),
        ask("GET / HTTP/1.1", "connection: close", "UPGRADE: x"),
        ask(Host="127.0.0.1:9000"),
        ask(Host="[::1]:9000"),
        ask(Host="a_b.example.org:"),
        ask(Origin="null", Cookie="\xe9"),
    ],
)
def test_server_accepts_a_request_and_returns_its_key(request_: Request) -> None:
    assert check_request(request_) == KEY


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (ask("POST / HTTP/1.1"), 405, "method"),
        (ask("get / HTTP/1.1"), 405, "method"),
        (ask("OPTIONS * HTTP/1.1"), 405, "method"),
        (ask("GET / HTTP/1.0"), 400, "HTTP version"),
        (ask("GET / HTTP/1.2"), 505, "HTTP version"),
        (ask("GET / HTTP/2.0"), 505, "HTTP version"),
        (ask("GET /#a HTTP/1.1"), 400, "request line"),
        (ask("GET * HTTP/1.1"), 400, "target"),
        (ask("GET ws://example.org/ HTTP/1.1"), 400, "target"),
        (ask("GET http://a@b/ HTTP/1.1"), 400, "Host"),
        (ask("GET / HTTP/1.1", "A : b"), 400, "header line"),
        (ask("GET / HTTP/1.1", "Content-Length: 0"), 400, "body"),
        (ask("GET / HTTP/1.1", "transfer-encoding: chunked", Upgrade=None), 400, "body"),
        (ask(Host=None), 400, "Host"),
        (ask(Host=""), 400, "Host"),
        (ask(Host="a b"), 400, "Host"),
        (ask(Host="a/b"), 400, "Host"),
        (ask(Host="user@a"), 400, "Host"),
        (ask(Host="a:b"), 400, "Host"),
        (ask(Host="a:123456"), 400, "Host"),
        (ask(Host="::1"), 400, "Host"),
        (ask(Host="\xe9"), 400, "Host"),
        (ask("GET / HTTP/1.1", "Host: example.org"), 400, "Host"),
        (ask("GET http://example.org/ HTTP/1.1", Host=None), 400, "Host"),
        (ask(Upgrade=None, Connection=None), 426, "upgrade"),
        (ask(Upgrade=None), 426, "upgrade"),
        (ask(Upgrade="websockets"), 426, "upgrade"),
        (ask(Upgrade="websocket/13"), 426, "upgrade"),
        (ask(Upgrade="web socket"), 400, "list"),
        (ask(Connection=None), 426, "upgrade"),
        (ask(Connection="upgraded"), 426, "upgrade"),
        (ask(Connection="Upgrade;"), 400, "list"),
        (ask(Sec_WebSocket_Version=None), 426, "Version"),
        (ask(Sec_WebSocket_Version="8"), 426, "Version"),
        (ask(Sec_WebSocket_Version="+13"), 426, "Version"),
        (ask(Sec_WebSocket_Version="1_3"), 426, "Version"),
        (ask(Sec_WebSocket_Version="013"), 426, "Version"),
        (ask(Sec_WebSocket_Version="\xb93"), 426, "Version"),
        (ask("GET / HTTP/1.1", "Sec-WebSocket-Version: 13"), 426, "Version"),
        (ask(Sec_WebSocket_Key=None), 400, "Key"),
        (ask(Sec_WebSocket_Key=KEY[:-1]), 400, "Key"),
        (ask(Sec_WebSocket_Key=KEY[4:]), 400, "Key"),
        (ask(Sec_WebSocket_Key="A" * 24), 400, "Key"),
        (ask(Sec_WebSocket_Key="-" * 22 + "=="), 400, "Key"),
        (ask(Sec_WebSocket_Key=KEY + " " + KEY), 400, "Key"),
        (ask("GET / HTTP/1.1", f"sec-websocket-key: {KEY}"), 400, "Key"),
    ],
)
def test_server_refuses_a_request(request_: Request, status: int, text: str) -> None:
    with pytest.raises(InvalidHandshake, match=text) as caught:
        check_request(request_)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("request_", "headers"),
    [
        (ask("POST / HTTP/1.1"), {"Allow": "GET"}),
        (ask(Upgrade=None), {"Upgrade": "websocket"}),
        (
            ask(Sec_WebSocket_Version="8"),
            {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
        ),
    ],
)
def test_server_tells_a_refused_client_what_it_would_accept(
    request_: Request, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidHandshake) as caught:
        check_request(request_)
    assert refusal(caught.value).headers == Headers(headers)


def test_accept_key_is_that_of_the_rfc() -> None:
    assert accept_key(KEY) == ACCEPT


def test_server_answers_101() -> None:
    assert negotiate(ask(), compression=None) == (
        None,
        None,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )


@pytest.mark.parametrize("chosen", ["b", None])
def test_server_lets_a_function_select_the_subprotocol(chosen: str | None) -> None:
    offers: list[list[str]] = []

    def select(offered: list[str]) -> str | None:
        offers.append(offered)
        return chosen

    request = ask(Sec_WebSocket_Protocol="a, b")
    accepted = negotiate(request, subprotocols=["a"], select_subprotocol=select, compression=None)
    assert accepted.subprotocol == chosen
    assert offers == [["a", "b"]]


def test_server_fails_when_the_selected_subprotocol_was_not_offered() -> None:
    with pytest.raises(ValueError, match="was not offered"):
        negotiate(ask(), select_subprotocol=lambda _: "a", compression=None)


@pytest.mark.parametrize("offered", ["a, a", "a b", 'a, "b"', "\xe9"])
def test_server_refuses_subprotocols_that_are_not_different_tokens(offered: str) -> None:
    with pytest.raises(InvalidHandshake) as caught:
        negotiate(ask(Sec_WebSocket_Protocol=offered), compression=None)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "name", ["Upgrade", "connection", "Content-Length", "Transfer-Encoding", "Sec-WebSocket-X"]
)
def test_server_adds_no_header_of_the_handshake(name: str) -> None:
    with pytest.raises(ValueError, match=f"header {name} is written by the handshake itself"):
        negotiate(ask(), compression=None, headers={name: "a"})


@pytest.mark.parametrize("subprotocols", ["chat", 5, [5], [b"chat"]])
def test_client_refuses_subprotocols_that_are_not_several_str(subprotocols: Any) -> None:
    with pytest.raises(TypeError, match="subprotocols: a sequence of str"):
        Opening("a", "/", subprotocols=subprotocols, compression=None)


OPENING = Opening("a", "/", subprotocols=["a", "b"], compression=Deflate())
PLAIN = Opening("a", "/", compression=None)


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"", "status line"),
        (answer(PLAIN, "HTTP/1.1 200 OK"), "not a 101"),
        (answer(PLAIN, "HTTP/1.0 101 x"), "not a 101"),
        (answer(PLAIN, "HTTP/1.1 101 x", " folded"), "header line"),
        (answer(PLAIN, Upgrade=None), "Upgrade"),
        (answer(PLAIN, Upgrade="websockets"), "Upgrade"),
        (answer(PLAIN, "HTTP/1.1 101 x", "Upgrade: websocket"), "Upgrade"),
        (answer(PLAIN, Connection=None), "Connection"),
        (answer(PLAIN, Connection="upgraded"), "Connection"),
        (answer(PLAIN, Connection="Upgrade:"), "malformed list"),
        (answer(PLAIN, Sec_WebSocket_Accept=None), "Accept"),
        (answer(PLAIN, Sec_WebSocket_Accept=ACCEPT), "Accept"),
        (answer(PLAIN, Sec_WebSocket_Accept=accept_key(PLAIN.key).swapcase()), "Accept"),
        (answer(PLAIN, Sec_WebSocket_Accept=PLAIN.key), "Accept"),
        (answer(PLAIN, Sec_WebSocket_Protocol="a"), "subprotocol"),
        (answer(PLAIN, Sec_WebSocket_Protocol=""), "subprotocol"),
        (answer(PLAIN, Sec_WebSocket_Extensions="permessage-deflate"), "extensions"),
        (answer(PLAIN, Sec_WebSocket_Extensions="x"), "extensions"),
        (answer(PLAIN, Sec_WebSocket_Extensions="x;"), "malformed list"),
    ],
)
def test_client_refuses_a_response(head: bytes, text: str) -> None:
    with pytest.raises(InvalidHandshake, match=text):
        PLAIN.check(head)


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (answer(OPENING, Sec_WebSocket_Protocol="c"), "subprotocol"),
        (answer(OPENING, Sec_WebSocket_Protocol="A"), "subprotocol"),
        (answer(OPENING, Sec_WebSocket_Protocol="a, b"), "subprotocol"),
        (answer(OPENING, "HTTP/1.1 101 x", *["Sec-WebSocket-Protocol: a"] * 2), "subprotocol"),
        (answer(OPENING, Sec_WebSocket_Extensions="permessage-bzip2"), "extensions"),
        (answer(OPENING, Sec_WebSocket_Extensions="Permessage-Deflate"), "extensions"),
        (answer(OPENING, Sec_WebSocket_Extensions="permessage-deflate, x"), "extensions"),
        (
            answer(
                OPENING, "HTTP/1.1 101 x", *["Sec-WebSocket-Extensions: permessage-deflate"] * 2
            ),
            "extensions",
        ),
        (answer(OPENING, Sec_WebSocket_Extensions="permessage-deflate; x"), "RFC 7692"),
    ],
)
def test_client_refuses_what_it_did_not_offer(head: bytes, text: str) -> None:
    with pytest.raises(InvalidHandshake, match=text):
        OPENING.check(head)


NAMES = st.lists(st.sampled_from(["a", "b", "c"]), unique=True)
BITS = st.integers(9, 15)
DEFLATES = st.none() | st.builds(
    Deflate,
    server_max_window_bits=BITS,
    client_max_window_bits=BITS,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
)


@given(theirs=NAMES, ours=NAMES, wanted=DEFLATES, allowed=DEFLATES)
def test_both_sides_agree(
    theirs: list[str], ours: list[str], wanted: Deflate | None, allowed: Deflate | None
) -> None:
    opening = Opening("a", "/", subprotocols=theirs, compression=wanted, origin="http://a")
    request = sent(opening)
    assert check_request(request) == opening.key
    check_origin(request, None, False)
    server = negotiate(request, subprotocols=ours, compression=allowed)
    reader = HeadReader()
    reader.feed(server.response)
    head = reader.next_head()
    assert head is not None
    client = opening.check(head)
    assert client.subprotocol == server.subprotocol
    assert client.deflate == server.deflate
