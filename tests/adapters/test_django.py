from __future__ import annotations

from typing import Any
from wsgiref.util import is_hop_by_hop

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import Client
from django.urls import reverse
from gevent import pywsgi

from geventws.adapters.django import websocket_path, websocket_view
from geventws.core.errors import ConnectionClosed, Rejected
from tests.adapters.django_app import LARGE, application, closed, serving, visit
from tests.rawpeer import RawPeer, head
from tests.serving import LOCAL

PATIENCE = 15.0


def test_messages_go_both_ways_whole() -> None:
    with serving() as port, visit(port, "/echo", max_size=LARGE + 1) as ws:
        for message in ("text", b"binary", b"x" * LARGE):
            ws.send(message)
            assert ws.receive(PATIENCE) == message


def test_view_has_what_the_url_has() -> None:
    with serving() as port:
        with visit(port, "/room/7?q=x") as ws:
            assert ws.receive(PATIENCE) == f"7 x 127.0.0.1:{port}"
            assert list(ws) == []
            assert ws.close_code == 1000
        with pytest.raises(Rejected) as raised:
            visit(port, "/room/seven")
        assert raised.value.status == 404
    assert reverse("echo") == "/echo"


def test_session_and_user_are_there() -> None:
    store = SessionStore()
    store["name"] = "ada"
    store.save()
    cookie = {"Cookie": f"sessionid={store.session_key}"}
    with serving() as port, visit(port, "/who", headers=cookie, subprotocols=["who"]) as ws:
        assert ws.subprotocol == "who"
        for _ in range(2):
            ws.send("who am I?")
            assert ws.receive(PATIENCE) == "ada False"


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [("/deny", 1008, "PermissionDenied"), ("/fail", 1011, "the application failed")],
)
def test_view_closes_by_how_it_ends(path: str, code: int, reason: str) -> None:
    with serving() as port, visit(port, path) as ws:
        ws.send("go on")
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive(PATIENCE)
        assert (raised.value.code, raised.value.reason) == (code, reason)


def test_idle_connection_holds_no_database_connection() -> None:
    with serving() as port, visit(port, "/query") as ws:
        for _ in range(3):
            ws.send("use it")
            assert ws.receive(PATIENCE) == "False False"


def test_closing_connection_holds_no_database_connection() -> None:
    with serving() as port, visit(port, "/closing") as ws:
        assert list(ws) == []
        assert closed.get(timeout=PATIENCE) is False


def test_transaction_is_left_alone() -> None:
    with serving() as port, visit(port, "/query") as ws:
        ws.send("in a transaction")
        assert ws.receive(PATIENCE) == "False False"
        ws.send("still in it")
        assert ws.receive(PATIENCE) == "True"


# Who may


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:{port}",
        "https://trusted.example",
        "https://wide.example",
        "https://a.wide.example",
    ],
)
def test_own_and_trusted_origins_may_connect(origin: str) -> None:
    with serving() as port, visit(port, "/echo", origin=origin.format(port=port)) as ws:
        ws.send("x")
        assert ws.receive(PATIENCE) == "x"


@pytest.mark.parametrize(
    "origin",
    [
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://trusted.example",
        "https://trusted.example.evil.example",
        "http://a.wide.example",
        "https://evilwide.example",
        "https://[a.wide.example",
        "null",
    ],
)
def test_other_origins_are_refused(origin: str) -> None:
    with serving() as port, RawPeer.to(("127.0.0.1", port)) as peer:
        peer.send(
            head(
                "GET /echo HTTP/1.1",
                Host=f"127.0.0.1:{port}",
                Origin=origin.format(port=port),
            )
        )
        reply = peer.read_response()
        assert (reply.status, reply.headers["connection"]) == (403, "close")
        assert b"origin" in reply.body


def test_view_may_have_origins_of_its_own() -> None:
    with serving() as port:
        with pytest.raises(Rejected) as raised:
            visit(port, "/particular", origin=f"http://127.0.0.1:{port}")
        assert raised.value.status == 403
        with visit(port, "/particular", origin="https://only.example") as ws:
            assert ws.receive(PATIENCE) == "come in"


def test_host_that_is_not_allowed_is_refused() -> None:
    with serving() as port, RawPeer.to(("127.0.0.1", port)) as peer:
        peer.send(head("GET /echo HTTP/1.1", Host="evil.example"))
        assert peer.read_head().status == 400


def test_plain_request_is_answered_426() -> None:
    reply: Any = Client(headers={"host": "example.org"}).get("/echo")
    assert (reply.status_code, reply.headers["Upgrade"]) == (426, "websocket")
    assert Client(headers={"host": "example.org"}).get("/page").content == b"a page"


def test_refusal_has_nothing_that_runserver_would_not_send() -> None:
    client: Any = Client(headers={"host": "example.org"}, SERVER_SOFTWARE="WSGIServer/0.2")
    reply = client.get("/echo")
    assert reply.status_code == 426
    assert [name for name in reply.headers if is_hop_by_hop(name)] == []


def test_gevents_own_server_will_do() -> None:
    server = pywsgi.WSGIServer(LOCAL, application, log=None, error_log=None)
    server.start()
    try:
        with visit(server.server_port or 0, "/echo") as ws:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
    finally:
        server.stop()


def test_wrong_options_are_refused_when_declared() -> None:
    with pytest.raises(TypeError, match="max_size"):
        websocket_view(lambda request, ws: None, max_size="1")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="ping_interval"):
        websocket_path("x", lambda request, ws: None, ping_interval=-1)
