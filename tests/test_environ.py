"""WSGI requests as any server has them; the application on top is tested per server."""

from __future__ import annotations

from typing import Any

import pytest

from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Response
from geventws.environ import is_secure, request_of, respond
from geventws.wsgi import WebSocketWSGIApplication

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "/app",
    "PATH_INFO": "/a b\xc3\xa9",
    "QUERY_STRING": "c=%20d",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "REMOTE_PORT": "50000",
    "HTTP_HOST": "example.org",
    "HTTP_SEC_WEBSOCKET_KEY": "x",
    "CONTENT_LENGTH": "",
    "wsgi.input": None,
}


class Kept:
    """An upgradable of a server that kept the head."""

    head = b"GET /kept HTTP/1.1\r\nHost: example.org"


def test_request_has_the_head_that_the_server_kept() -> None:
    request = request_of(ENVIRON, Kept())
    assert request.target == "/kept"
    assert request.remote_address == ("192.0.2.1", 50000)


def test_request_is_made_again_from_an_environ() -> None:
    request = request_of(ENVIRON)
    assert request.target == "/app/a%20b%C3%A9?c=%20d"
    assert request.path == "/app/a b\xe9"
    assert request.headers.items() == [("Host", "example.org"), ("Sec-Websocket-Key", "x")]
    assert request.remote_address == ("192.0.2.1", 50000)


def test_path_may_have_been_decoded_by_a_framework() -> None:
    request = request_of({**ENVIRON, "SCRIPT_NAME": "", "PATH_INFO": "/\u65e5"})
    assert (request.target, request.path) == ("/%E6%97%A5?c=%20d", "/\u65e5")


def test_port_of_the_peer_may_be_a_number() -> None:
    request = request_of({**ENVIRON, "REMOTE_PORT": 50000})
    assert request.remote_address == ("192.0.2.1", 50000)


def test_request_of_an_empty_path_asks_for_the_root() -> None:
    bare = {**ENVIRON, "SCRIPT_NAME": "", "PATH_INFO": "", "QUERY_STRING": "", "REMOTE_PORT": "x"}
    request = request_of(bare)
    assert request.target == "/"
    assert request.remote_address == "192.0.2.1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"HTTP_HOST": "a,b"},
        {"HTTP_X_A": "a\r\nb: c"},
        {"HTTP_X A": "a"},
        {"QUERY_STRING": "a\r\nX: b"},
    ],
)
def test_request_that_cannot_have_been_one_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidHandshake):
        request_of({**ENVIRON, **wrong})


def test_client_sees_tls_only_where_the_server_says_so() -> None:
    assert is_secure({"wsgi.url_scheme": "https"}) is True
    assert is_secure({"wsgi.url_scheme": "http"}) is None


def test_response_goes_the_way_of_wsgi() -> None:
    begun: list[Any] = []
    response = Response(426, {"Upgrade": "websocket"}, "no\n")
    assert respond(response, lambda *args: begun.append(args)) == [b"no\n"]
    status, headers = begun[0]
    assert status == "426 Upgrade Required"
    assert ("Upgrade", "websocket") in headers
    assert headers[-2:] == [("Connection", "Upgrade"), ("Connection", "close")]


def test_application_takes_classes_of_its_door_only() -> None:
    with pytest.raises(TypeError, match="handler: a callable"):
        WebSocketWSGIApplication(handler_cls=5)  # type: ignore[arg-type]
