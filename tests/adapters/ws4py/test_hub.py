from __future__ import annotations

from typing import Any, ClassVar

import gevent
import pytest
from gevent.socket import socketpair
from zope.interface.verify import verifyObject

from geventws.adapters.ws4py.hub import GreenTransport
from geventws.adapters.ws4py.transports import transport_of
from geventws.interfaces import ITransport
from tests.adapters.ws4py.scene import Echo
from tests.rawpeer import PONG, TEXT, RawPeer, frame

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def test_gevent_socket_gets_a_transport_of_greenlets() -> None:
    near, far = socketpair()
    transport = transport_of(near)
    assert type(transport) is GreenTransport
    assert verifyObject(ITransport, transport)
    transport.close()
    far.close()


def test_websocket_over_a_gevent_socket_lets_others_run() -> None:
    near, far = socketpair()
    ws: Any = Echo(near)
    running = gevent.spawn(ws.run)
    with RawPeer(far) as peer:
        peer.send(frame(TEXT, b"hello"))
        assert peer.read_frame() == (TEXT, b"hello")
        peer.end()
    running.get(timeout=5)
    assert ws.calls[-1] == (1000, "")


def test_caretaker_answers_pings_while_a_callback_waits() -> None:
    class Slow(Echo):
        def received_message(self, message: Any) -> None:
            gevent.sleep(30)

    near, far = socketpair()
    running = gevent.spawn(Slow(near).run)
    with RawPeer(far) as peer:
        peer.send(frame(TEXT, b"x"))
        peer.send(frame(9, b"ping"))
        assert peer.read_frame() == (PONG, b"ping")
    running.kill(timeout=5)
    assert running.dead


def test_heartbeat_of_pongs_is_a_greenlet_that_ends_with_its_websocket() -> None:
    class Beating(Echo):
        heartbeat: ClassVar[str] = "pong"

    near, far = socketpair()
    ws = Beating(near, heartbeat_freq=0.01)
    running = gevent.spawn(ws.run)
    with RawPeer(far) as peer:
        assert [peer.read_frame() for _ in "12"] == [(PONG, b"beep")] * 2
        ws.close()
        while peer.read_frame()[0] == PONG:
            gevent.sleep(0.02)  # until a beat meets the closing connection
    running.get(timeout=5)
    assert ws.calls[-1] == (1006, "Going away")
