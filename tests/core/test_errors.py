from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from geventws.core import errors
from geventws.core.errors import (
    ConcurrencyError,
    ConnectionClosed,
    HandshakeError,
    InvalidHandshake,
    InvalidText,
    InvalidURI,
    MessageTooBig,
    ProtocolError,
    Rejected,
    WebSocketError,
)

TREE = {
    WebSocketError: (Exception,),
    HandshakeError: (WebSocketError,),
    InvalidURI: (HandshakeError, ValueError),
    InvalidHandshake: (HandshakeError,),
    Rejected: (HandshakeError,),
    ConnectionClosed: (WebSocketError,),
    ProtocolError: (WebSocketError,),
    InvalidText: (ProtocolError,),
    MessageTooBig: (ProtocolError,),
    ConcurrencyError: (WebSocketError, RuntimeError),
}
EXAMPLES = [
    WebSocketError("text"),
    InvalidURI("text"),
    InvalidHandshake("text", 426, [("Upgrade", "websocket")]),
    Rejected(503, (("Retry-After", "1"),), b"later"),
    ConnectionClosed(1001, "away", True),
    ProtocolError("text", 1008),
    InvalidText("text"),
    MessageTooBig("text"),
    ConcurrencyError("text"),
]


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_each_error_has_its_place_in_the_tree(error: type[WebSocketError]) -> None:
    assert error.__bases__ == TREE[error]


def test_the_tree_has_no_other_errors() -> None:
    found = [member for _, member in inspect.getmembers(errors, inspect.isclass)]
    assert {member for member in found if member.__module__ == errors.__name__} == set(TREE)


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_the_tree_is_drawn_at_the_top_of_the_file(error: type[WebSocketError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(ProtocolError("text"), 1002, id="7.4.1-protocol"),
        pytest.param(ProtocolError("text", 1008), 1008, id="7.4.1-policy"),
        pytest.param(InvalidText("text"), 1007, id="7.4.1-text"),
        pytest.param(MessageTooBig("text"), 1009, id="7.4.1-size"),
    ],
)
def test_a_protocol_error_has_the_code_the_peer_is_told(error: ProtocolError, code: int) -> None:
    assert error.code == code
    assert str(error) == "text"


def test_one_error_with_a_code_of_its_own_leaves_the_others_theirs() -> None:
    ProtocolError("text", 1008)
    assert ProtocolError("text").code == ProtocolError.code == 1002


def test_invalid_handshake_answers_400_when_nothing_else_is_said() -> None:
    error = InvalidHandshake("no key")
    assert (str(error), error.status, error.headers) == ("no key", 400, ())


def test_invalid_handshake_keeps_what_a_server_answers() -> None:
    error = InvalidHandshake("wrong version", 426, iter([("Sec-WebSocket-Version", "13")]))
    assert (error.status, error.headers) == (426, (("Sec-WebSocket-Version", "13"),))


def test_rejected_keeps_the_servers_answer() -> None:
    error = Rejected(503, [("Retry-After", "1")], b"later")
    assert str(error) == "the server answered 503"
    assert (error.status, error.headers, error.body) == (503, [("Retry-After", "1")], b"later")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionClosed(1000, "", True), "connection closed: 1000"),
        (ConnectionClosed(1001, "away", True), "connection closed: 1001 away"),
        (ConnectionClosed(1006, "", False), "connection lost: 1006"),
    ],
    ids=["no-reason", "reason", "lost"],
)
def test_connection_closed_says_how_in_one_line(error: ConnectionClosed, text: str) -> None:
    assert str(error) == text


def test_connection_closed_keeps_code_reason_and_clean() -> None:
    error = ConnectionClosed(4000, "bye", True)
    assert (error.code, error.reason, error.clean) == (4000, "bye", True)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_copying(error: WebSocketError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert (str(other), vars(other)) == (str(error), vars(error))
