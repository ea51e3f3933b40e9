"""How a session began, and how that is asked for again, here or elsewhere."""

from __future__ import annotations

import pytest

from geventws.sessions.openings import Opening, asking, moved, worth_replaying

OPENING = Opening(uri="ws://a/chat", offered=("chat",), headers=(("Origin", "http://a"),))


def test_headers_of_one_connection_are_not_worth_replaying() -> None:
    given = [
        *[("Host", "a"), ("Connection", "Upgrade"), ("upgrade", "websocket"), ("TE", "a")],
        *[("Sec-WebSocket-Key", "a"), ("Sec-WebSocket-Protocol", "a"), (":method", "CONNECT")],
        *[("Cookie", "a=b"), ("Origin", "http://a"), ("Keep-Alive", "1")],
        *[("Proxy-Authorization", "a"), ("X-Upgrade", "a")],
    ]
    kept = ("Cookie", "a=b"), ("Origin", "http://a"), ("X-Upgrade", "a")
    assert worth_replaying(given) == kept


def test_arguments_go_before_what_was_asked_for() -> None:
    arguments = {"headers": {"cookie": "mine"}, "origin": "http://b", "max_size": 5}
    theirs = [("Cookie", "a"), ("Origin", "http://a"), ("X-Other", "1"), ("X-Other", "2")]
    assert asking(arguments, theirs, ["a", "b", "a"]) == {
        "headers": [("X-Other", "1"), ("X-Other", "2"), ("cookie", "mine")],
        "origin": "http://b",
        "max_size": 5,
        "subprotocols": ["a", "b"],
    }
    assert asking({"subprotocols": ["c"]}, theirs, ["a"])["subprotocols"] == ["c"]
    assert asking({}, theirs, [])["headers"] == theirs


@pytest.mark.parametrize("to", ["", "b:9", "http://b", "ws+unix:///b", "ws:///b"])
def test_elsewhere_is_another_server(to: str) -> None:
    with pytest.raises(ValueError, match="to: not of the form ws://host:port"):
        moved(OPENING, to)


def test_session_of_a_unix_socket_stays_there() -> None:
    with pytest.raises(ValueError, match="to: "):
        moved(Opening(uri="ws+unix:///a:/b"), "ws://b")
