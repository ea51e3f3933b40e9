"""What a server answers to an opening handshake, and which functions of the application it asks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from geventws.core.handshake import Accepted, Request, Response
from geventws.transport import Transport
from geventws.upgrader import Upgrader, is_callback_style
from geventws.websocket import EchoWebSocket, WebSocket
from tests.pairs import unix
from tests.rawpeer import TEXT, frame, head

PEER = ("192.0.2.1", 50000)


def request(**headers: str | None) -> Request:
    """Return an opening request."""
    arguments: dict[str, Any] = dict(headers)
    return Request(head(**arguments).removesuffix(b"\r\n\r\n"), PEER)


def accepted(upgrader: Upgrader, **headers: str | None) -> Accepted:
    """Return what is agreed on with a request that has to be accepted."""
    answer = upgrader.answer(request(**headers), None)
    assert isinstance(answer, Accepted)
    return answer


def refused(upgrader: Upgrader, **headers: str | None) -> Response:
    """Return what a request is answered that has to be refused."""
    answer = upgrader.answer(request(**headers), None)
    assert isinstance(answer, Response)
    return answer


def test_upgrader_accepts_with_no_arguments() -> None:
    answer = accepted(Upgrader(), Sec_WebSocket_Protocol="chat")
    assert answer.response.startswith(b"HTTP/1.1 101 ")
    assert answer.subprotocol is None
    assert answer.deflate is None


def test_upgrader_chooses_the_first_of_ours_that_was_offered() -> None:
    upgrader = Upgrader(subprotocols=["b", "a"])
    assert accepted(upgrader, Sec_WebSocket_Protocol="a, b").subprotocol == "b"


def test_upgrader_asks_select_subprotocol() -> None:
    upgrader = Upgrader(select_subprotocol=lambda offered: offered[-1])
    assert accepted(upgrader, Sec_WebSocket_Protocol="a, b").subprotocol == "b"


@pytest.mark.parametrize("given", [{"X-A": "1"}, [("X-A", "1")], lambda request: {"X-A": "1"}])
def test_upgrader_sends_more_headers(given: Any) -> None:
    upgrader = Upgrader(headers=given)
    for _ in range(2):
        assert b"\r\nX-A: 1\r\n" in accepted(upgrader).response


def test_upgrader_gives_its_request_to_a_function_of_headers() -> None:
    upgrader = Upgrader(headers=lambda request: {"X-Path": request.path})
    assert b"X-Path: /" in accepted(upgrader).response


def test_upgrader_agrees_on_compression_unless_that_is_turned_off() -> None:
    offer = "permessage-deflate"
    assert accepted(Upgrader(), Sec_WebSocket_Extensions=offer).deflate is not None
    assert accepted(Upgrader(compression=None), Sec_WebSocket_Extensions=offer).deflate is None


def test_process_request_is_asked_first_and_answers_anything() -> None:
    upgrader = Upgrader(process_request=lambda request: Response(200, body="alive"))
    answer = refused(upgrader, Upgrade=None, Connection=None, Host=None)
    assert (answer.status, answer.body) == (200, b"alive")


def test_process_request_lets_go_on_with_none() -> None:
    asked: list[Request] = []
    accepted(Upgrader(process_request=asked.append))
    assert asked[0].path == "/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": None}, 400),
        ({"Upgrade": None}, 426),
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Content-Length": "0"}, 400),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
def test_upgrader_refuses_a_wrong_request(headers: dict[str, str | None], status: int) -> None:
    answer = refused(Upgrader(), **headers)
    assert answer.status == status
    assert answer.body.count(b"\n") == 1


def test_process_request_may_read_a_malformed_request() -> None:
    def look(request: Request) -> Response | None:
        return Response(404) if request.path else None

    answer = Upgrader(process_request=look).answer(Request(b"GET", PEER), None)
    assert isinstance(answer, Response)
    assert answer.status == 400


def fail(*_: object) -> Any:
    """Fail as an application may."""
    raise KeyError("secret")


@pytest.mark.parametrize(
    "arguments",
    [
        {"process_request": fail},
        {"process_request": lambda request: "no Response"},
        {"process_request": lambda request: Response(200, {"X-A": "a\nb"})},
        {"select_subprotocol": fail},
        {"select_subprotocol": lambda offered: "other"},
        {"origins": fail},
        {"headers": fail},
        {"headers": lambda request: {"X-A": "a\r\nb"}},
        {"headers": lambda request: {"Upgrade": "other"}},
    ],
)
def test_upgrader_answers_500_and_logs_when_the_application_fails(
    arguments: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = refused(Upgrader(**arguments))
    assert (answer.status, answer.body) == (500, b"internal server error\n")
    (record,) = caplog.records
    assert record.exc_info
    assert str(PEER) in record.getMessage()


ORIGINS = [
    # no Origin: no browser
    (None, None, None, True),
    (None, None, ["https://example.org"], True),
    # the default: the host and port of Host
    ("http://example.org", None, None, True),
    ("https://example.org", None, None, True),  # TLS may end in front of us
    ("http://EXAMPLE.org", None, None, True),
    ("http://example.org:80", None, None, True),
    ("http://example.org:81", None, None, False),
    ("http://example.org.", None, None, False),
    ("http://example.org.evil", None, None, False),
    ("http://evil-example.org", None, None, False),
    ("http://user@example.org", None, None, False),
    ("null", None, None, False),
    ("https://example.org", True, None, True),
    ("http://example.org", True, None, False),
    # a list is exact
    ("https://a.example", None, ["https://a.example"], True),
    ("https://a.example", None, "https://a.example", True),
    ("https://a.example:8443", None, ["https://a.example"], False),
    ("https://b.a.example", None, [re.compile(r"https://.*\.a\.example")], True),
    ("https://b.a.example.evil", None, [re.compile(r"https://.*\.a\.example")], False),
    ("null", None, ["*"], True),
    ("https://c.example", None, lambda origin, request: origin == "https://c.example", True),
    (None, None, lambda origin, request: origin is not None, False),
]


@pytest.mark.parametrize(("origin", "secure", "origins", "allowed"), ORIGINS)
def test_upgrader_checks_origins(
    origin: str | None, secure: bool | None, origins: Any, allowed: bool
) -> None:
    answer = Upgrader(origins=origins).answer(request(Origin=origin), secure)
    assert isinstance(answer, Accepted) == allowed
    assert allowed or answer.status == 403  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"subprotocols": "chat"}, TypeError, "subprotocols: a sequence of str"),
        ({"subprotocols": ["a b"]}, ValueError, "subprotocols are not different tokens"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, ValueError, "X-A"),
        ({"headers": {"X A": "a"}}, ValueError, "X A"),
        ({"headers": {"X-A": "\u20ac"}}, ValueError, "X-A"),
        ({"headers": {"Sec-WebSocket-Accept": "x"}}, ValueError, "Sec-WebSocket-Accept"),
        ({"max_size": 0}, ValueError, "max_size"),
    ],
)
def test_upgrader_names_a_wrong_argument_at_once(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Upgrader(**arguments)


def test_upgrader_opens_a_connection_that_has_received_the_rest() -> None:
    upgrader = Upgrader(subprotocols=["a"], ping_interval=7.0)
    asked = request(Sec_WebSocket_Protocol="a", Sec_WebSocket_Extensions="permessage-deflate")
    answer = upgrader.accept(asked, None)
    near, far = unix()
    ws = upgrader.open(EchoWebSocket, Transport(near), asked, answer, frame(TEXT, b"hi"))
    assert isinstance(ws, EchoWebSocket)
    assert ws.receive(timeout=0) == "hi"
    assert ws.request is asked
    assert ws.subprotocol == "a"
    assert ws.extensions == ("permessage-deflate",)
    assert ws._is_server
    assert ws._options.ping_interval == 7.0
    ws.drop()
    far.close()


def test_handler_is_a_subclass_of_websocket_or_a_callable() -> None:
    assert is_callback_style(EchoWebSocket)
    assert is_callback_style(WebSocket)
    assert not is_callback_style(fail)
    assert not is_callback_style(dict)
    with pytest.raises(TypeError, match="handler"):
        is_callback_style("echo")
