"""How late the hub runs and how much is held, and what a server then takes no more."""

from __future__ import annotations

from time import sleep
from typing import Any

import gevent
import pytest

from geventws.backlog import CLOSE, SlowPeers
from geventws.core.codes import BINARY
from geventws.core.errors import InvalidHandshake
from geventws.core.message import Encoded
from geventws.limits import Limits
from geventws.pressure import Pressure, held_by
from geventws.server import serve
from geventws.websocket import WebSocket
from tests.crowds import until
from tests.leaks import census, settle
from tests.peers import Net
from tests.rawpeer import TEXT, RawPeer, frame, head
from tests.serving import LOCAL, echo, running

BIG = bytes(256 * 1024)


def status_of(pressure: Pressure) -> tuple[int, str]:
    """Return what a request is answered."""
    with pytest.raises(InvalidHandshake) as raised:
        pressure.check()
    assert raised.value.headers == (("Retry-After", "5"),)
    return raised.value.status, str(raised.value)


# Lag


def test_hub_that_is_late_refuses_what_comes_until_it_is_not() -> None:
    pressure = Pressure(Limits(max_lag=0.5), list)
    before = census()
    pressure.start()
    try:
        gevent.sleep(0)
        pressure.check()
        sleep(0.9)  # so that the hub is late; it could not even look
        assert status_of(pressure) == (503, "too busy")
        until(lambda: pressure.lag.now() > 0.5)
        assert status_of(pressure) == (503, "too busy")
        until(lambda: pressure.lag.now() <= 0.5)
        pressure.check()
    finally:
        pressure.stop()
    settle(before)


def test_pressure_is_none_when_nobody_looks() -> None:
    pressure = Pressure(Limits(max_lag=1e-9), list)
    pressure.check()
    pressure.start()
    until(pressure.lag.now)
    assert status_of(pressure) == (503, "too busy")
    pressure.stop()
    assert pressure.lag.now() == 0.0
    pressure.check()
    pressure.stop()


def test_pressure_costs_nothing_where_nothing_is_limited() -> None:
    before = census()
    pressure = Pressure(Limits(max_connections=5, message_rate=1), list)
    pressure.start()
    assert census() == before
    pressure.check()


def test_pressure_is_looked_at_by_one_greenlet() -> None:
    pressure = Pressure(Limits(max_lag=1, max_buffered=1), list)
    before = census()
    pressure.start()
    pressure.start()
    assert census().greenlets == before.greenlets + 1
    pressure.stop()
    settle(before)


def test_server_answers_503_while_its_hub_is_late_and_serves_who_is_there() -> None:
    with (
        running(serve(echo, LOCAL, limits=Limits(max_lag=0.5))) as server,
        RawPeer.to(server.address) as early,
        RawPeer.to(server.address) as late,
    ):
        early.upgrade()
        late.send(head())
        early.send(frame(TEXT, b"hi"))
        sleep(0.9)
        reply = late.read_response()
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert early.read_frame() == (TEXT, b"hi")
        until(lambda: server._pressure.lag.now() <= 0.5)
        with RawPeer.to(server.address) as after:
            after.upgrade()
        early.end()


# Buffers


def test_connection_holds_what_nobody_received_and_what_has_not_left() -> None:
    with Net() as net:
        ws, peer = net.meet()
        assert held_by(ws) == 0
        peer.socket.sendall(frame(BINARY, bytes(1000)))
        until(lambda: held_by(ws) == 1000)
        assert ws.receive() == bytes(1000)
        slow = SlowPeers(CLOSE, len(BIG), 64)
        for _ in range(2):
            ws.offer(Encoded(BIG), slow)
        assert len(BIG) < held_by(ws) <= 2 * len(BIG) + 20


def test_who_holds_the_most_is_dropped_with_1013() -> None:
    with Net() as net:
        small, large, largest = (net.meet(send_buffer=None) for _ in range(3))
        connections = [small.ws, large.ws, largest.ws]
        for met, size in ((small, 100), (large, 2000), (largest, 5000)):
            met.peer.socket.sendall(frame(BINARY, bytes(size)))
        until(lambda: all(map(held_by, connections)))
        pressure = Pressure(Limits(max_buffered=2500), lambda: connections[:2])
        pressure.start()
        until(lambda: pressure.held == 2100)
        pressure._connections = lambda: connections
        until(lambda: largest.ws.close_code)
        pressure.stop()
        assert largest.peer.receive_all() == []
        assert largest.peer.protocol.close_code == 1013
        assert small.ws.close_code is large.ws.close_code is None
        assert pressure.held == 2100


def test_requests_are_answered_503_while_too_much_is_held() -> None:
    pressure = Pressure(Limits(max_buffered=2500), list)
    pressure.held = 2500
    pressure.check()
    pressure.held = 2501
    assert status_of(pressure) == (503, "too many bytes wait")


def test_others_run_while_many_connections_are_weighed() -> None:
    def slowly() -> Any:
        for _ in range(20):
            sleep(0.003)
            yield ws
            runs.append(len(others))

    def run() -> None:
        while len(runs) < 20:
            others.append(None)
            gevent.sleep(0.001)

    others: list[None] = []
    runs: list[int] = []
    with Net() as net:
        ws = net.meet().ws
        pressure = Pressure(Limits(max_buffered=1), slowly)
        running = gevent.spawn(run)
        worked = pressure._weigh()
        gevent.joinall([running], timeout=10)
        assert len(set(runs)) > 3
        assert worked > 0.05  # and it rests in proportion to that


def test_weighing_rests_in_proportion_to_its_work() -> None:
    def slowly() -> Any:
        looks.append(None)
        sleep(0.1)
        return []

    looks: list[None] = []
    pressure = Pressure(Limits(max_buffered=1), slowly)
    pressure.start()
    try:
        until(lambda: looks)
        gevent.sleep(0.6)  # two steps, and more
        assert len(looks) == 1
    finally:
        pressure.stop()


def test_server_drops_the_peer_that_reads_nothing() -> None:
    def send(ws: WebSocket) -> None:
        if ws.request is not None and ws.request.path == "/flood":
            while True:
                ws.send(BIG * 64)
        echo(ws)

    with (
        running(serve(send, LOCAL, limits=Limits(max_buffered=1_000_000))) as server,
        RawPeer.to(server.address) as quiet,
        RawPeer.to(server.address) as greedy,
    ):
        quiet.upgrade()
        greedy.send(head("GET /flood HTTP/1.1"))
        until(lambda: server.connections == 2)
        until(lambda: server.connections == 1)
        quiet.send(frame(TEXT, b"hi"))
        assert quiet.read_frame() == (TEXT, b"hi")
        quiet.end()
