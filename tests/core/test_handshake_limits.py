"""The opening handshake under attack: mutated heads, and the worst of headers."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geventws.core.deflate import Deflate
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import (
    Accepted,
    Opening,
    Request,
    check_origin,
    check_request,
    negotiate,
    parse_response,
    refusal,
)
from geventws.core.headers import HeadReader
from tests.core.handshakes import KEY, answer, ask
from tests.core.linear import is_linear

OPENING = Opening("a", "/", subprotocols=["chat"], compression=Deflate())
REQUEST = ask(
    "GET /chat?room=1 HTTP/1.1",
    Origin="http://example.org",
    Cookie="a=b; c=d",
    Sec_WebSocket_Protocol="chat, x",
    Sec_WebSocket_Extensions='permessage-deflate; client_max_window_bits="10", x',
)
RESPONSE = answer(
    OPENING,
    Sec_WebSocket_Protocol="chat",
    Sec_WebSocket_Extensions="permessage-deflate; server_max_window_bits=10",
)
HEADERS = re.findall(rb"([A-Za-z-]+):", REQUEST.head + RESPONSE)
PIECES = st.binary(max_size=4) | st.sampled_from(
    [b"\r\n", b"\r", b"\n", b"\0", b",", b";", b"=", b'"', b" ", b":", *HEADERS]
)
Result = Accepted | str | None


@st.composite
def mutated(draw: st.DrawFn, head: bytes) -> bytes:
    """Return *head* and its empty line with a few spans of it replaced."""
    data = head + b"\r\n\r\n"
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from([0, 0, 1, 2, 8, 30]))
        data = data[:start] + draw(PIECES) + data[end:]
    return data


def serve(head: bytes) -> Accepted:
    request = Request(head)
    check_request(request)
    assert request.path.startswith("/")
    assert isinstance(request.query, str)
    assert isinstance(request.cookies, dict)
    check_origin(request, None, None)
    return negotiate(request, subprotocols=["chat"], compression=Deflate())


def run(role: Callable[[bytes], Accepted], data: bytes, size: int) -> Result:
    """Return what *role* makes of the head in *data*, or what it says against it."""
    reader = HeadReader()
    try:
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
            head = reader.next_head()
            if head is not None:
                return role(head)
    except InvalidHandshake as error:
        return told(error)
    return None


def told(error: InvalidHandshake) -> str:
    assert 400 <= error.status <= 505
    assert refusal(error).to_bytes().startswith(b"HTTP/1.1 %d " % error.status)
    assert len(str(error).encode("ascii")) <= 123
    return f"{error.status} {error}"


def test_heads_are_accepted_unless_mutated() -> None:
    assert isinstance(run(serve, REQUEST.head + b"\r\n\r\n", 1), Accepted)
    assert isinstance(run(OPENING.check, RESPONSE + b"\r\n\r\n", 1), Accepted)


@given(data=mutated(REQUEST.head))
def test_server_accepts_or_refuses_a_mutated_request_however_it_arrives(data: bytes) -> None:
    assert run(serve, data, 1) == run(serve, data, len(data) + 1)


@given(data=mutated(RESPONSE))
def test_client_accepts_or_refuses_a_mutated_response_however_it_arrives(data: bytes) -> None:
    assert run(OPENING.check, data, 1) == run(OPENING.check, data, len(data) + 1)


@pytest.mark.parametrize("role", [serve, OPENING.check, parse_response])
@given(head=st.binary())
def test_garbage_gives_invalid_handshake_and_nothing_else(
    role: Callable[[bytes], object], head: bytes
) -> None:
    with pytest.raises(InvalidHandshake):
        role(head)


@given(origin=st.text(st.characters(codec="latin-1")), host=st.text("a.:[]@", max_size=4))
def test_server_judges_any_origin_without_failing(origin: str, host: str) -> None:
    with suppress(InvalidHandshake):
        check_origin(ask(Origin=origin, Host=host), None, None)


@given(path=st.text("/%c39a?", max_size=8), cookies=st.text('a=;, "\\', max_size=12))
def test_accepted_request_can_be_read_whole(path: str, cookies: str) -> None:
    request = ask(f"GET /{path} HTTP/1.1", Cookie=cookies)
    assert check_request(request) == KEY
    assert request.path.startswith("/")
    assert request.query in path
    assert all(request.cookies)


def server_reads(headers: dict[str, str | None]) -> None:
    request = ask(**headers)
    for origins in (None, re.compile(r"https?://[a-z]+")):
        with suppress(InvalidHandshake):
            check_origin(request, origins, None)
    with suppress(InvalidHandshake):
        check_request(request)
        negotiate(request, subprotocols=["chat"], compression=Deflate())


def client_reads(headers: dict[str, str | None]) -> None:
    with suppress(InvalidHandshake):
        OPENING.check(answer(OPENING, **headers))


@pytest.mark.parametrize("reads", [server_reads, client_reads])
@pytest.mark.parametrize(
    ("name", "start", "unit", "end"),
    [
        ("Host", "", "a", " "),
        ("Host", "[", ":", ""),
        ("Host", "a:", "1", ""),
        ("Origin", "http://", "a", "/"),
        ("Origin", "", "http://", ""),
        ("Upgrade", "", "a/", ""),
        ("Connection", "", "a,", ";"),
        ("Connection", "Upgrade", " ", "a"),
        ("Sec_WebSocket_Key", "", "A", "!"),
        ("Sec_WebSocket_Accept", "", "A", "="),
        ("Sec_WebSocket_Version", "", "13", ""),
        ("Sec_WebSocket_Protocol", "", "a,", ""),
        ("Sec_WebSocket_Protocol", "chat", " ", "a"),
        ("Sec_WebSocket_Extensions", "", "permessage-deflate,", ""),
        ("Sec_WebSocket_Extensions", "permessage-deflate", ";a", ""),
        ("Sec_WebSocket_Extensions", 'permessage-deflate;a="', "\\", '"'),
        ("Sec_WebSocket_Extensions", "", "permessage-deflate;client_max_window_bits=99,", ""),
    ],
)
def test_worst_header_takes_linear_time(
    reads: Callable[[dict[str, str | None]], None], name: str, start: str, unit: str, end: str
) -> None:
    assert is_linear(lambda size: reads({name: start + unit * (size // len(unit)) + end}))
