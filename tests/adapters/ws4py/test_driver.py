from __future__ import annotations

import socket
from typing import Any

import pytest

from geventws.adapters.ws4py.driver import Driver, message_of
from geventws.adapters.ws4py.messaging import BinaryMessage, TextMessage
from geventws.adapters.ws4py.websocket import AGREED_ON_NOTHING
from geventws.core.codes import PONG
from geventws.core.errors import ConnectionClosed
from geventws.sockets import SocketTransport
from tests.adapters.ws4py.scene import Recorder, ended, met
from tests.rawpeer import TEXT, RawPeer, frame
from tests.threads import PATIENCE, joined_threads


def test_message_is_an_object_of_its_kind() -> None:
    assert isinstance(message_of("text"), TextMessage)
    assert isinstance(message_of(b"bytes"), BinaryMessage)
    assert message_of("").completed


def test_driver_is_run_as_its_owner_is() -> None:
    with joined_threads() as threads, met() as (ws, peer):
        running = threads.start(ws.driver.run)
        peer.send(frame(TEXT, b"x"))
        peer.close()
        running.result(PATIENCE)
        assert [str(each) for each in ws.calls[1:-1]] == ["x"]


def test_driver_that_is_polled_waits_for_nothing() -> None:
    with met() as (ws, peer):
        driver = ws.driver
        for _ in "123":
            assert driver.read_and_deliver()
        assert ws.calls == ["opened"]
        peer.send(frame(TEXT, b"x"))
        while len(ws.calls) < 2:
            assert driver.read_and_deliver()
        peer.close()
        while driver.read_and_deliver():
            pass
        assert ended(ws) == (1006, "Going away")
        driver.close()


def test_driver_that_is_polled_logs_what_callbacks_raise(caplog: Any) -> None:
    class Failing(Recorder):
        def opened(self) -> None:
            raise LookupError("opened")

        def closed(self, code: int, reason: str | None = None) -> None:
            raise LookupError("closed")

    with met(Failing) as (ws, peer):
        driver = ws.driver
        assert not driver.read_and_deliver()
        assert ws.terminated
        peer.close()
        driver.close()
    assert "a callback failed" in caplog.text
    assert "closed() failed" in caplog.text


def test_messages_that_came_with_the_handshake_are_delivered_first() -> None:
    near, far = socket.socketpair()
    with RawPeer(far) as peer:
        ws = Recorder(near)
        ws.begin(SocketTransport(near), AGREED_ON_NOTHING, frame(TEXT, b"early"))
        assert isinstance(ws.driver, Driver)
        ws.open()
        assert ws.once()
        assert [str(each) for each in ws.calls] == ["opened", "early"]
        peer.close()
        ws.terminate()


def test_control_frames_are_not_sent_when_the_connection_is_over() -> None:
    with met() as (ws, peer):
        driver = ws.driver
        ws.close_connection()
        with pytest.raises(ConnectionClosed):
            driver.send_control(PONG, b"")
        assert peer.read_to_end() == b""


def test_close_connection_passes_over_a_close_that_fails() -> None:
    class Failing(socket.socket):
        def close(self) -> None:
            super().close()
            raise OSError("so it goes")

    near, far = socket.socketpair()
    with far:
        ws = Recorder(Failing(fileno=near.detach()))
        ended: list[Any] = []
        assert ws.driver is not None
        ws.driver.follow(ended.append)
        ws.close_connection()
        assert ws.sock is None
        assert ended == [ws.driver]
