from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, session

from geventws.adapters.flask import FlaskWebSocket, Sockets, upgrade
from geventws.core.errors import ConnectionClosed, InvalidHandshake, Rejected
from tests.adapters.flask.app import LARGE, application, gevents, ours, visit, werkzeugs
from tests.rawpeer import TEXT, RawPeer, close_frame

PATIENCE = 15.0
each_server = pytest.mark.parametrize("serving", [ours, gevents, werkzeugs])


@each_server
def test_messages_go_both_ways_whole(serving: Any) -> None:
    with serving(application()) as port, visit(port, "/echo", max_size=LARGE + 1) as ws:
        for message in ("text", b"binary", b"x" * LARGE, "\N{GREEK SMALL LETTER OMEGA}" * 9999):
            ws.send(message)
            assert ws.receive(PATIENCE) == message


@each_server
def test_route_has_blueprint_converters_and_query(serving: Any) -> None:
    with serving(application()) as port:
        with visit(port, "/rooms/room/7?q=x") as ws:
            assert ws.receive(PATIENCE) == "7 rooms x an application"
            assert list(ws) == []
            assert ws.close_code == 1000
        with pytest.raises(Rejected) as raised:
            visit(port, "/rooms/room/seven")
        assert raised.value.status == 404


@each_server
def test_view_closes_by_how_it_ends(serving: Any) -> None:
    with serving(application()) as port:
        for path, code, reason in (
            ("/abort", 1008, "Unauthorized"),
            ("/fail", 1011, "the application failed"),
        ):
            with visit(port, path) as ws:
                ws.send("go on")
                with pytest.raises(ConnectionClosed) as raised:
                    ws.receive(PATIENCE)
                assert (raised.value.code, raised.value.reason) == (code, reason)


@each_server
def test_foreign_origin_is_refused(serving: Any) -> None:
    with serving(application()) as port:
        with pytest.raises(Rejected) as raised:
            visit(port, "/echo", origin="http://evil.example")
        assert raised.value.status == 403
        with visit(port, "/echo", origin=f"http://127.0.0.1:{port}") as ws:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"


@each_server
def test_view_of_its_own_may_answer_otherwise(serving: Any) -> None:
    with serving(application()) as port:
        with pytest.raises(Rejected) as raised:
            visit(port, "/late")
        assert raised.value.status == 401
        with visit(port, "/late?token=secret", subprotocols=["late"]) as ws:
            assert (ws.subprotocol, ws.receive(PATIENCE)) == ("late", "come in")


def test_plain_request_for_a_websocket_is_refused() -> None:
    client = application().test_client()
    assert client.get("/echo").status_code == 400
    assert client.get("/page").text == "a page"


def test_request_that_opens_nothing_is_answered() -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "8"}
    reply = application().test_client().get("/echo", headers=headers)
    assert (reply.status_code, reply.headers["Sec-WebSocket-Version"]) == (426, "13")


@each_server
def test_handshake_that_a_view_lets_pass_is_answered(
    serving: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(application()) as port:
        with pytest.raises(Rejected) as raised:
            visit(port, "/late?token=secret", origin="http://evil.example")
        assert (raised.value.status, raised.value.body[:21]) == (403, b"origin is not allowed")
    assert "Traceback" not in capfd.readouterr().err


def test_view_may_answer_a_wrong_handshake_itself() -> None:
    app = Flask("with answers of its own")

    @app.route("/")
    def view() -> str:
        with pytest.raises(InvalidHandshake, match=r"^no upgrade to websocket"):
            upgrade()
        return "a page"

    @app.route("/not")
    def fail() -> str:
        upgrade()
        return "not sent"

    @app.errorhandler(InvalidHandshake)
    def answer(error: InvalidHandshake) -> tuple[str, int]:
        return f"no: {error.status}", 418

    client = app.test_client()
    assert client.get("/").text == "a page"
    reply = client.get("/not")
    assert (reply.status_code, reply.text) == (418, "no: 426")


def test_session_changed_before_the_opening_is_sent_with_it() -> None:
    app = application()

    @app.before_request
    def count() -> None:
        session["visits"] = session.get("visits", 0) + 1

    @Sockets(app, headers={"X-Ours": "yes"}).route("/visits")
    def visits(ws: FlaskWebSocket) -> None:
        ws.send(str(session["visits"]))

    cookie = None
    with ours(app) as port:
        for expected in (b"1", b"2"):
            with RawPeer.to(("127.0.0.1", port)) as peer:
                reply = peer.upgrade("GET /visits HTTP/1.1", Cookie=cookie)
                assert (reply.status, reply.headers["x-ours"]) == (101, "yes")
                cookie = reply.headers["set-cookie"].partition(";")[0]
                assert peer.read_frame() == (TEXT, expected)
                assert peer.read_close() == (1000, "")
                peer.send(close_frame(1000))
                assert peer.read_to_end() == b""


def test_wrong_options_are_refused_when_declared() -> None:
    with pytest.raises(TypeError, match="max_size"):
        Sockets(max_size="1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ping_interval"):
        Sockets().route("/", ping_interval=-1)
    with pytest.raises(TypeError, match="headers"):
        Sockets(headers=5)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="context"):
        upgrade()
