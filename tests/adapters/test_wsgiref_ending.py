"""How connections of our wsgiref server end: by the view, the peer, and the server."""

from __future__ import annotations

from threading import Event
from typing import Any
from urllib.error import HTTPError

import pytest

from geventws.adapters.threaded import EchoWebSocket, ThreadedWebSocket, connect
from geventws.adapters.wsgiref import WebSocketWSGIApplication, upgrade
from geventws.core.errors import ConnectionClosed
from tests.adapters.wsgiref_app import each_way, get, join, request_threads, serving, throw, uri
from tests.rawpeer import CLOSE, RawPeer, head
from tests.threads import PATIENCE, joined_threads


def assert_closes_with_1011(view: Any, caplog: Any) -> None:
    with (
        serving(view) as server,
        connect(uri(server)) as ws,
        pytest.raises(ConnectionClosed) as raised,
    ):
        ws.receive(PATIENCE)
    assert (raised.value.code, raised.value.reason) == (1011, "the application failed")
    assert "the handler failed" in caplog.text


@pytest.mark.parametrize(
    "fails", [RuntimeError("so it goes"), BrokenPipeError("a pipe's"), SystemExit("no exception")]
)
@pytest.mark.parametrize("late", [False, True])
def test_view_that_fails_closes_its_connection(
    fails: BaseException, late: bool, caplog: Any
) -> None:
    def fail(environ: Any, start_response: Any) -> Any:
        upgrade(environ, start_response)
        if late:
            return (throw(fails) for _ in range(1))  # while the body is fetched
        raise fails

    assert_closes_with_1011(fail, caplog)


def test_view_whose_result_fails_to_close_closes_its_connection(caplog: Any) -> None:
    class Result(list[bytes]):
        def close(self) -> None:
            raise RuntimeError("so it goes")

    def leave(environ: Any, start_response: Any) -> Result:
        upgrade(environ, start_response)
        return Result()

    assert_closes_with_1011(leave, caplog)


def test_connection_that_a_view_left_open_is_closed() -> None:
    def leave(environ: Any, start_response: Any) -> list[bytes]:
        upgrade(environ, start_response)
        return []

    with (
        serving(leave) as server,
        connect(uri(server)) as ws,
        pytest.raises(ConnectionClosed) as raised,
    ):
        ws.receive(PATIENCE)
    assert (raised.value.code, raised.value.clean) == (1000, True)


def test_view_that_fails_without_a_websocket_is_answered_500(capfd: Any) -> None:
    def fail(environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError("so it goes")

    with serving(fail) as server:
        with pytest.raises(HTTPError) as raised:
            get(server)
        raised.value.close()
    assert raised.value.code == 500
    assert "so it goes" in capfd.readouterr().err


@each_way
def test_server_close_closes_every_connection_with_1001(application: Any) -> None:
    with serving(application) as server:
        connections = [connect(uri(server)) for _ in range(3)]
        for ws in connections:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
        with joined_threads() as threads:
            closing = threads.start(server.server_close)
            for ws in connections:
                with ws, pytest.raises(ConnectionClosed) as raised:
                    ws.receive(PATIENCE)
                assert (raised.value.code, raised.value.clean) == (1001, True)
            closing.result(PATIENCE)
        with pytest.raises(ConnectionError):
            connect(uri(server))


@pytest.mark.parametrize("hands_over", [False, True])
def test_connection_that_opens_after_server_close_is_closed(hands_over: bool) -> None:
    begun, go_on = Event(), Event()

    def come_late(environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        go_on.wait(PATIENCE)
        ws = upgrade(environ, start_response)
        if hands_over:
            server.link_websocket_to_server(ws)
        return []

    with serving(come_late) as server, RawPeer.to(server.server_address) as peer:
        peer.send(head())
        assert begun.wait(PATIENCE)
        server.server_close()
        go_on.set()
        assert peer.read_head().status == 101
        assert peer.read_close() == (1001, "")


def test_peer_that_does_not_answer_holds_server_close_no_longer_than_close_timeout() -> None:
    application = WebSocketWSGIApplication(handler_cls=EchoWebSocket, close_timeout=0.1)
    with (
        serving(application) as server,
        RawPeer.to(server.server_address) as peer,
        joined_threads() as threads,
    ):
        server.drain_timeout = 600.0
        peer.upgrade()
        join(request_threads())
        threads.start(server.server_close).result(PATIENCE)
        assert peer.read_frame()[0] == CLOSE


def test_stuck_callback_holds_server_close_no_longer_than_drain_timeout() -> None:
    begun, go_on = Event(), Event()
    late: list[bool] = []  # whether somebody waited until this was over

    class Stuck(ThreadedWebSocket):
        def closed(self, code: int, reason: str) -> None:
            begun.set()
            late.append(go_on.wait(PATIENCE))

    application = WebSocketWSGIApplication(handler_cls=Stuck)
    with serving(application) as server, connect(uri(server)) as ws:
        server.drain_timeout = 0.1
        assert ws.ping(PATIENCE) > 0
        ws.begin_close()
        server.server_close()
        assert begun.wait(PATIENCE)
        assert not late
        go_on.set()
