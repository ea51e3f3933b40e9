from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import metadata
from queue import Queue
from typing import Any

import engineio
import pytest
import socketio
from engineio.async_drivers import gevent as driver
from flask_socketio import SocketIO

from geventws.adapters.engineio import EngineWebSocket, install
from geventws.client import connect
from geventws.core.errors import ConnectionClosed, Rejected
from tests.adapters.socketio_app import (
    SERVERS,
    Application,
    client_of,
    in_thread,
    installed,
    opened,
    serving,
)
from tests.rawpeer import RawPeer, head

PATIENCE = 15.0
each_server = pytest.mark.parametrize("kind", SERVERS, ids=["ours", "gevents"])


@pytest.fixture
def restored() -> Iterator[None]:
    """Leave the driver of the process as it was."""
    before = driver._async["websocket"]
    yield
    driver._async["websocket"] = before


def talk(port: int, *transports: str) -> tuple[str, list[Any]]:
    """Exchange messages of every kind; return the transport, and what came."""
    client = client_of(port, *transports)
    said: Queue[Any] = Queue()
    client.on("said", said.put)
    try:
        came = [client.call("echo", what, timeout=PATIENCE) for what in WORDS]
        client.emit("say", b"to everybody")
        return client.transport(), [*came, said.get(timeout=PATIENCE)]
    finally:
        client.disconnect()


WORDS = ["text", {"a": [1, 2.5, None]}, b"\x00binary\xff", [b"two", b"at once"], b"x" * 500_000]


@each_server
@pytest.mark.parametrize("transports", [["websocket"], []], ids=["websocket", "upgraded"])
def test_socketio_client_exchanges_messages(kind: Any, transports: list[str]) -> None:
    with installed(kind) as (application, port):
        transport, came = in_thread(talk, port, *transports)
        assert transport == "websocket"
        assert came == [*WORDS, b"to everybody"]
        assert application.gone.get(timeout=PATIENCE)  # why depends on which the client ends first


@each_server
def test_polling_works_beside(kind: Any) -> None:
    with installed(kind) as (_, port):
        transport, came = in_thread(talk, port, "polling")
        assert transport == "polling"
        assert came == [*WORDS, b"to everybody"]


def test_published_example_of_flask_socketio_runs_unchanged(restored: None) -> None:
    install()
    published: Any = metadata("flask-socketio")
    text = published.get_payload()
    found = re.search(r"```py\n(.*?)```", text, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {"__name__": "an example"}
    exec(found[1], names)

    def visit(port: int) -> Any:
        client = client_of(port, "websocket")
        answers: Queue[Any] = Queue()
        client.on("my response", answers.put)
        try:
            client.emit("my_event", {"data": "I'm connected!"})
            return answers.get(timeout=PATIENCE)
        finally:
            client.disconnect()

    with serving(names["app"], names["socketio"].server.eio) as port:
        assert in_thread(visit, port) == {"data": "got it!"}


def test_python_socketio_alone_uses_it() -> None:
    sio = socketio.Server(async_mode="gevent")
    sio.on("echo", lambda sid, data: data)
    sio.on("say", lambda sid, data: sio.emit("said", data))
    install(sio)
    with serving(socketio.WSGIApp(sio), sio.eio) as port:
        assert in_thread(talk, port, "websocket") == ("websocket", [*WORDS, b"to everybody"])


# Ends


def test_server_disconnects_its_client() -> None:
    with installed() as (application, port), opened(port) as ws:
        rooms = application.socketio.server.manager.get_participants("/", None)
        application.socketio.server.disconnect(next(iter(rooms))[0])
        assert ws.receive(PATIENCE) == "41"
        assert application.gone.get(timeout=PATIENCE) == "server disconnect"


def test_client_disconnects() -> None:
    with installed() as (application, port), opened(port) as ws:
        ws.send("41")
        assert application.gone.get(timeout=PATIENCE) == "client disconnect"


def test_client_that_is_lost_is_disconnected() -> None:
    with installed() as (application, port):
        opened(port).drop()
        assert application.gone.get(timeout=PATIENCE) == "transport close"


def test_client_that_answers_no_ping_is_given_up() -> None:
    settings = {"ping_interval": 1, "ping_timeout": 0.1}  # by the first ping it must be open
    with installed(**settings) as (application, port), opened(port) as ws:
        assert ws.receive(PATIENCE) == "2"
        assert application.gone.get(timeout=PATIENCE) in ("ping timeout", "transport close")
        assert set(ws) <= {"1", "2"}  # a CLOSE, and further pings
        assert ws.close_code == 1000


def test_client_that_answers_pings_stays() -> None:
    settings = {"ping_interval": 1, "ping_timeout": PATIENCE}
    with installed(**settings) as (application, port), opened(port) as ws:
        for _ in range(2):
            assert ws.receive(PATIENCE) == "2"
            ws.send("3")
        ws.send('420["echo","still here"]')
        assert next(said for said in ws if said != "2") == '430["still here"]'
        assert not application.gone.ready()


def test_message_over_the_servers_size_closes() -> None:
    with installed(max_http_buffer_size=100) as (application, port), opened(port) as ws:
        ws.send("4" + "x" * 100)
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive(PATIENCE)
        assert raised.value.code == 1009
        assert application.gone.get(timeout=PATIENCE) == "transport close"


def test_sending_after_the_end_is_an_os_error() -> None:
    seen: list[Any] = []

    def handler(ws: EngineWebSocket) -> list[bytes]:
        seen.append(ws.wait())
        with pytest.raises(OSError, match="closed"):
            ws.send("too late")
        ws.close()
        return []

    engine = engineio.Server(async_mode="gevent")
    with serving(EngineWebSocket(handler, engine, max_size=10), engine) as port:
        connect(f"ws://127.0.0.1:{port}/").close()
    assert seen == [None]


# Who may


def test_origin_is_judged_by_engineio() -> None:
    with installed(cors_allowed_origins="https://ours.example") as (_, port):
        with opened(port, origin="https://ours.example") as ws:
            assert ws.ping(PATIENCE) > 0
        with pytest.raises(Rejected) as raised:
            opened(port, origin="https://evil.example")
        assert raised.value.status == 400


@each_server
def test_request_that_opens_nothing_is_answered(kind: Any) -> None:
    target = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1"
    with installed(kind) as (_, port), RawPeer.to(("127.0.0.1", port)) as peer:
        peer.send(head(target, Sec_WebSocket_Key="too short"))
        reply = peer.read_response()
        assert (reply.status, reply.headers["connection"]) == (400, "close")


# Wrong uses


def test_only_servers_in_gevent_mode_are_taken() -> None:
    with pytest.raises(ValueError, match="async_mode is threading"):
        install(socketio.Server(async_mode="threading"))
    for wrong in (SocketIO(), "a server"):
        with pytest.raises(TypeError, match="server"):
            install(wrong)
    with pytest.raises(TypeError, match="max_size"):
        install(Application().socketio, max_size="1")  # type: ignore[arg-type]
