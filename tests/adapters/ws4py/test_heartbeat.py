from __future__ import annotations

from typing import ClassVar

from geventws.adapters.ws4py.heartbeat import Heartbeat, heartbeat_of
from geventws.adapters.ws4py.websocket import WebSocket
from tests.adapters.ws4py.scene import Recorder, met, run
from tests.rawpeer import PONG
from tests.threads import PATIENCE


def test_heartbeat_can_be_pongs_that_nobody_asked_for() -> None:
    class Beating(Recorder):
        heartbeat: ClassVar[str] = "pong"

    with run(Beating, heartbeat_freq=0.02) as (_, peer, _):
        assert [peer.read_frame() for _ in "123"] == [(PONG, b"beep")] * 3


def test_heartbeat_ends_with_its_websocket() -> None:
    with met() as (ws, peer):
        beating = Heartbeat(ws, 0.01)
        with beating:
            assert peer.read_frame() == (PONG, b"beep")
            ws.close_connection()
            beating.join(PATIENCE)
            assert not beating.is_alive()
    with Heartbeat(WebSocket(None), None) as idle:
        assert not idle.is_alive()


def test_heartbeat_is_a_thread_unless_its_transport_knows_better() -> None:
    heartbeat = heartbeat_of(None, WebSocket(None), 5.0)
    assert isinstance(heartbeat, Heartbeat)
    assert (heartbeat.frequency, heartbeat.daemon) == (5.0, True)
