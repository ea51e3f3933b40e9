"""What connect() refuses to do, before anything is sent; each error names the argument."""

from __future__ import annotations

from typing import Any

import pytest

import geventws
from geventws.core.errors import InvalidURI
from geventws.websocket import WebSocket

NO_URI = "ws://127.0.0.1:1/"


@pytest.mark.parametrize(
    "uri", ["http://a", "ws://a#b", "ws://@c", "ws://a@b:c@d", "ws://a b", "a", "ws://a..b"]
)
def test_client_refuses_what_is_no_address(uri: str) -> None:
    with pytest.raises(InvalidURI):
        geventws.connect(uri)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("headers", value) for value in (5, None, "a: b", [("a",)], {"a": 5}, {b"a": "b"})],
        *[("subprotocols", value) for value in (5, None, "chat", [5], [b"chat"])],
        *[
            ("ssl", True),
            ("ssl", "ctx"),
            ("origin", 5),
            ("handler", WebSocket.close),
            ("handler", int),
        ],
        *[("source_address", "127.0.0.1"), ("source_address", 5)],
        *[("max_size", "1"), ("open_timeout", "1"), ("compression", True), ("close_timeout", None)],
        ("no_such_option", 1),
    ],
)
def test_client_names_the_argument_of_a_wrong_type(name: str, value: Any) -> None:
    said = "header a" if value == {"a": 5} else name
    with pytest.raises(TypeError, match=f"(?i){said}"):
        geventws.connect(NO_URI, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("headers", {"X": "a\r\nY: b"}, "header X"),
        ("headers", {"X": "a\nb"}, "header X"),
        ("headers", {"X": "a\0"}, "header X"),
        ("headers", {"X": "\u20ac"}, "header X"),
        ("headers", {"X\r\nY": "a"}, "header name"),
        ("headers", {"X Y": "a"}, "header name"),
        ("headers", {"": "a"}, "header name"),
        *[
            ("headers", {each: "a"}, f"header {each}")
            for each in ("Upgrade", "connection", "Content-Length", "Sec-WebSocket-Key")
        ],
        ("headers", {"Host": "a\r\nb"}, "host"),
        ("headers", {"Host": "a b"}, "host"),
        ("headers", [("Host", "a"), ("Host", "b")], "host"),
        ("origin", "http://a\r\nX: b", "Origin"),
        ("subprotocols", ["a\r\nb"], "subprotocols"),
        ("subprotocols", ["a", "a"], "subprotocols"),
        ("subprotocols", [""], "subprotocols"),
        ("source_address", ("127.0.0.1", 65536), "source_address"),
        ("open_timeout", 0, "open_timeout"),
        ("max_size", -1, "max_size"),
    ],
)
def test_client_names_the_argument_of_a_wrong_value(name: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        geventws.connect(NO_URI, **{name: value})


def test_client_takes_no_source_address_for_a_unix_socket() -> None:
    with pytest.raises(ValueError, match=r"^source_address: "):
        geventws.connect("ws+unix:///a", source_address=("127.0.0.1", 0))
