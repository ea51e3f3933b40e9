"""A network that delays, trickles, cuts, resets and stalls: whole messages in order, or an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.server import serve
from geventws.testing import Network
from geventws.websocket import EchoWebSocket, WebSocket
from tests.crowds import until
from tests.faulty import CUT, HALF_CLOSE, NONE, RESET, STALL, Fault, Faulty, through
from tests.serving import LOCAL, echo, running

PATIENCE = 10.0
MEBIBYTE = 1024 * 1024
SOON = 0.3  # seconds, as a deadline
MESSAGES: list[str | bytes] = ["first", b"\0" * 300, "word " * 200]

each_style = pytest.mark.parametrize("handler", [echo, EchoWebSocket])


@contextmanager
def connected(
    handler: Any = echo, forth: Fault = NONE, back: Fault = NONE, **options: Any
) -> Iterator[tuple[WebSocket, Faulty, Any]]:
    """Give a client, the proxy that it goes through, and the server behind."""
    with (
        running(serve(handler, LOCAL, **options)) as server,
        through(server.address, forth, back) as proxy,
    ):
        ws = geventws.connect(proxy.uri, close_timeout=SOON, **options)
        try:
            yield ws, proxy, server
        finally:
            ws.drop()


def talk(ws: WebSocket) -> list[str | bytes]:
    """Say all messages, and return what comes back."""
    for message in MESSAGES:
        ws.send(message)
    return [ws.receive(timeout=PATIENCE) for _ in MESSAGES]


@each_style
def test_session_that_trickles_is_as_any_other(handler: Any) -> None:
    slow = Fault(step=1)
    with connected(handler, slow, slow) as (ws, _, server):
        assert talk(ws) == MESSAGES
        ws.close()
        assert ws.close_code == 1000
        until(lambda: not server.connections)


def test_session_that_is_delayed_arrives_in_order() -> None:
    with Network(seed=1, latency=0.05, jitter=0.2, pieces=1000) as network:
        network.serve(echo)
        ws = network.connect()
        assert talk(ws) == MESSAGES
        numbers = [str(number) for number in range(500)]
        for each in numbers:
            ws.send(each)
        assert [ws.receive(timeout=PATIENCE) for _ in numbers] == numbers
        assert 0.1 <= ws.ping(timeout=PATIENCE) <= 0.5  # there and back


def test_delay_longer_than_ping_timeout_ends_the_connection() -> None:
    with Network(seed=1) as network:
        network.serve(echo, ping_interval=None)
        ws = network.connect()  # which pings after 20 seconds, and waits for 20
        network.latency = 12.0
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive()
        assert (caught.value.code, caught.value.reason) == (1006, "no pong in time")
        assert 40 <= network.now <= 40.5


def session(proxy: Faulty) -> str:
    """Have a session through *proxy* and return how it ended, which is never anything else."""
    received: list[str | bytes] = []
    try:
        with geventws.connect(proxy.uri, close_timeout=SOON, open_timeout=PATIENCE) as ws:
            for message in MESSAGES:
                ws.send(message)
                received.append(ws.receive(timeout=PATIENCE))
        assert received == MESSAGES
        return str(ws.close_code)
    except ConnectionClosed as closed:
        assert received == MESSAGES[: len(received)]
        return str(closed.code)
    except geventws.HandshakeError:
        return "handshake"
    except ConnectionError:
        return "connection"


def sizes() -> tuple[int, int]:
    """Return how many bytes go forth and back in an undisturbed session."""
    with running(serve(echo, LOCAL)) as server, through(server.address) as proxy:
        assert session(proxy) == "1000"
        return proxy.passed["forth"], proxy.passed["back"]


@pytest.mark.parametrize("way", ["forth", "back"])
@pytest.mark.parametrize("kind", [CUT, RESET, HALF_CLOSE])
def test_session_ends_for_both_wherever_the_network_does(kind: str, way: str) -> None:
    ends = set()
    size = dict(zip(("forth", "back"), sizes(), strict=True))[way]
    with (
        running(serve(echo, LOCAL, close_timeout=SOON)) as server,
        through(server.address) as proxy,
    ):
        for at in range(1, size, 7):
            setattr(proxy, way, Fault(kind, at))
            ends.add(session(proxy))
        until(lambda: not server.connections)
    # the last bytes are those of the close frame, and of nothing that is waited for
    assert ends <= {"1006", "1000", "handshake", "connection"}
    assert {"1006"} <= ends


def ended(do: Any, *args: Any) -> int:
    """Do something over and over, and return the code that it ends with."""
    try:
        while True:
            do(*args)
    except ConnectionClosed as closed:
        return closed.code


@each_style
@pytest.mark.parametrize("way", ["forth", "back"])
def test_network_that_stalls_ends_both_in_time_whatever_they_wait_for(
    handler: Any, way: str
) -> None:
    # a server whose read-ahead is full accuses no peer of silence, but of not reading
    options: dict[str, Any] = {
        "ping_interval": SOON,
        "ping_timeout": SOON,
        "send_timeout": 2 * SOON,
    }
    with connected(handler, **{way: Fault(STALL, 700)}, compression=None, **options) as (
        ws,
        proxy,
        server,
    ):
        waiting = [gevent.spawn(ended, ws.send, bytes(MEBIBYTE)), gevent.spawn(ended, ws.receive)]
        try:
            assert proxy.stalled.wait(PATIENCE)
            for each in waiting:
                # who still hears the other may be told
                assert each.get(timeout=PATIENCE) in (1006, 1011)
            until(lambda: not server.connections)
        finally:
            gevent.killall(waiting)


def test_reconnect_goes_on_through_a_network_that_resets() -> None:
    heard: list[str | bytes] = []
    codes: set[int] = set()
    with (
        running(serve(echo, LOCAL)) as server,
        through(server.address, back=Fault(RESET, 400)) as proxy,
    ):
        for ws in geventws.reconnect(proxy.uri, first_delay=0.01):
            try:
                while len(heard) < 100:
                    ws.send(f"message {len(heard)}")
                    heard.append(ws.receive(timeout=PATIENCE))
                ws.close()
            except ConnectionClosed as closed:
                codes.add(closed.code)
                proxy.back = Fault(RESET, proxy.back.at * 2)
        until(lambda: not server.connections)
    assert heard == [f"message {number}" for number in range(100)]
    assert codes == {1006}
