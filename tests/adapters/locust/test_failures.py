"""Servers that do wrong, and the failure that each of them is reported as."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import socket

from geventws.adapters.locust import WebSocketFailure
from geventws.core.errors import ConnectionClosed, Rejected
from tests.adapters.locust.scene import Scene, facing, visiting
from tests.servers import accept, certified, refusing_port, response, saying, serving, silent

TEXT, CLOSE, PING = 1, 8, 9

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def failed_exchange(text: str) -> list[str]:
    return ["WS connect", f"WSX hello: {text}", f"WSC close: {text}"]


def asked(then: Callable[[Any, Any], None]) -> Callable[[Any], None]:
    """Return a server that accepts, waits for a message and then does *then*."""

    def talk(sock: Any) -> None:
        peer = accept(sock)
        peer.next()
        then(sock, peer)

    return talk


def freeze(sock: Any) -> None:
    """Accept, and say nothing more."""
    accept(sock)
    silent(sock)


# Once it is open


@pytest.mark.parametrize("code", [1011, 1008, 4001])
def test_unexpected_close_code_is_a_failure(code: int) -> None:
    def close(ws: Any) -> None:
        ws.receive()
        ws.close(code, "for a reason that is nobody's name")

    with visiting(close) as scene:
        answer = scene.ws.request("hello", "hello")
        assert (answer.ok, answer.message, scene.ws.is_open) == (False, None, False)
        assert isinstance(answer.error.__cause__, ConnectionClosed)
        assert sorted(scene.told) == sorted(failed_exchange(f"closed with {code}"))


def test_expected_close_is_a_failure_of_who_waits_only() -> None:
    def close(ws: Any) -> None:
        ws.receive()

    with visiting(close) as scene:
        assert not scene.ws.request("hello", "hello").ok
        assert sorted(scene.told) == ["WS connect", "WSC close", "WSX hello: closed with 1000"]


def test_end_of_stream_is_a_failure() -> None:
    with facing(asked(lambda sock, peer: None)) as scene:
        scene.ws.connect()
        scene.ws.request("hello", "hello")
        told = failed_exchange("connection lost: no close frame")
        assert sorted(scene.told) == sorted(told)


def test_reset_is_a_failure() -> None:
    def reset(sock: Any, peer: Any) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    with facing(asked(reset)) as scene:
        scene.ws.connect()
        scene.ws.request("hello", "hello")
        assert sorted(scene.told) == sorted(failed_exchange("connection lost: ECONNRESET"))


def test_broken_protocol_is_a_failure() -> None:
    with facing(asked(lambda sock, peer: peer.send(3, b""))) as scene:
        scene.ws.connect()
        scene.ws.request("hello", "hello")
        told = failed_exchange("protocol error: a reserved opcode (RFC 6455 5.2)")
        assert sorted(scene.told) == sorted(told)


def test_broken_text_is_a_failure() -> None:
    with facing(asked(lambda sock, peer: peer.send(TEXT, b"\xff"))) as scene:
        scene.ws.connect()
        scene.ws.request("hello", "hello")
        told = failed_exchange("protocol error: a text that is not UTF-8 (RFC 6455 8.1)")
        assert sorted(scene.told) == sorted(told)


def test_message_that_is_too_big_is_a_failure() -> None:
    with visiting(ws_options={"max_size": 100, "compression": None}) as scene:
        scene.ws.request("x" * 101, "hello")
        told = failed_exchange("protocol error: a message over 100 bytes")
        assert sorted(scene.told) == sorted(told)


def test_silence_is_a_failure_and_the_late_answer_a_message() -> None:
    go = gevent.event.Event()

    def hesitate(ws: Any) -> None:
        for message in ws:
            go.wait()
            ws.send(message)

    with visiting(hesitate, unread_limit=0) as scene:
        answer = scene.ws.request("hello", "hello", timeout=0.2)
        assert (answer.ok, answer.message, scene.ws.is_open) == (False, None, True)
        go.set()
        assert scene.wait_until_told(3) == [
            "WS connect",
            "WSX hello: no reply in 0.2 s",
            "WSR message",
        ]
        assert scene.times("WSX")[0] >= 150


def test_wrong_answer_is_a_failure_where_the_right_one_is_asked_for() -> None:
    with visiting(unread_limit=0) as scene:
        assert not scene.ws.request("hello", "hello", match="olleh", timeout=0.2).ok
        told = ["WS connect", "WSR message", "WSX hello: no reply in 0.2 s"]
        assert sorted(scene.wait_until_told(3)) == told


def test_wrong_answer_is_a_failure_where_the_user_says_so() -> None:
    with visiting() as scene:
        with scene.ws.request("hello", "hello", catch_response=True) as answer:
            if answer.message != "olleh":
                answer.failure("wrong answer")
        assert scene.told[1:] == ["WSX hello: wrong answer"]


def test_missing_pong_is_a_failure() -> None:
    with facing(freeze, ws_options={"close_timeout": 0.2}) as scene:
        scene.ws.connect()
        assert not scene.ws.ping(timeout=0.2).ok
        assert scene.told[1:] == ["WSP ping: no pong in 0.2 s"]


def test_peer_that_keepalive_gives_up_is_a_failure() -> None:
    with facing(freeze, ws_options={"ping_interval": 0.2, "ping_timeout": 0.2}) as scene:
        scene.ws.connect()
        told = ["WS connect", "WSC close: connection lost: no pong in time"]
        assert scene.wait_until_told(2) == told


def test_missing_close_frame_is_a_failure() -> None:
    with facing(freeze, ws_options={"close_timeout": 0.2}) as scene:
        scene.ws.connect()
        scene.ws.close()
        assert scene.told[1:] == ["WSC close: connection lost: no close frame in time"]


def test_sending_on_a_lost_connection_is_a_failure() -> None:
    with visiting() as scene:
        scene.ws.connection.drop()
        assert not scene.ws.send("hello", "hello")
        lost = "connection lost: the connection is dropped"
        assert sorted(scene.told[1:]) == [f"WSC close: {lost}", f"WSS hello: {lost}"]


def test_use_of_no_connection_is_a_failure() -> None:
    scene = Scene(1)
    ws = scene.ws
    assert not any([ws.send("x"), ws.request("x").ok, ws.expect().ok, ws.receive().ok])
    assert (ws.ping().ok, list(ws.listen())) == (False, [])
    kinds = ["WSS message", "WSX message", "WSX expect", "WSR message", "WSP ping"]
    assert scene.told == [f"{kind}: the connection is not open" for kind in kinds]


# While it opens


@pytest.mark.parametrize("status", [403, 503])
def test_refusal_is_a_failure(status: int) -> None:
    refusal = response(f"HTTP/1.1 {status} No", "Content-Length: 2", body=b"no")
    with facing(saying(refusal)) as scene:
        assert not scene.ws.connect()
        assert not scene.ws.is_open
        assert scene.told == [f"WS connect: refused with {status}"]
        assert isinstance(scene.events[0]["exception"].__cause__, Rejected)


def test_handshake_that_proves_nothing_is_a_failure() -> None:
    lines = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: x"]
    with facing(saying(response("HTTP/1.1 101 Switching Protocols", *lines))) as scene:
        assert not scene.ws.connect()
        why = "Sec-WebSocket-Accept does not fit the key (RFC 6455 4.1)"
        assert scene.told == [f"WS connect: invalid handshake: {why}"]


def test_server_that_never_answers_is_a_failure() -> None:
    with facing(silent) as scene:
        assert not scene.ws.connect(open_timeout=1)
        why = "the opening handshake took longer than open_timeout"
        assert scene.told == [f"WS connect: {why}"]


def test_port_where_nobody_listens_is_a_failure() -> None:
    scene = Scene(refusing_port())
    assert not scene.ws.connect(name="chat")
    assert scene.told == ["WS chat: cannot connect: ECONNREFUSED"]


def test_name_that_nobody_has_is_a_failure() -> None:
    scene = Scene(1, host="ws://no-such-host.invalid")
    assert not scene.ws.connect()
    assert scene.told == ["WS connect: the name lookup failed"]


def test_certificate_of_a_stranger_is_a_failure() -> None:
    with serving(silent, context=certified("127.0.0.1")) as server:
        scene = Scene(server.port, host=f"wss://127.0.0.1:{server.port}")
        assert not scene.ws.connect()
        assert scene.told == ["WS connect: TLS failed: CERTIFICATE_VERIFY_FAILED"]


# In Locust's tables


def test_failures_of_one_kind_are_one_line_in_the_tables() -> None:
    scene = Scene(refusing_port())
    scene.environment.create_local_runner()
    try:
        for _ in range(3):
            scene.ws.connect()
        (error,) = scene.environment.stats.errors.values()
        assert error.occurrences == 3
        assert repr(error.error) == repr(WebSocketFailure("cannot connect: ECONNREFUSED"))
    finally:
        scene.environment.runner.quit()
