"""Peers that say too much too fast: which style, which rate, and what becomes of them."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.core.errors import ConnectionClosed, ProtocolError
from geventws.core.protocol import TURN
from geventws.limits import Limits
from geventws.metering import MeteredTransport, measure, transport_of
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.transport import Transport
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.wsgi import WebSocketWSGIApplication
from tests.pairs import unix
from tests.rawpeer import BINARY, CLOSE, PING, PONG, TEXT, RawPeer, frame
from tests.servers import certified, trusting
from tests.serving import LOCAL, echo, running, serving, visiting, wait_for

CONT = 0
SLOWLY = 1e-6  # per second: nothing is given back while a test runs
FIVE = Limits(message_rate=(SLOWLY, 5))
KILOBYTE = Limits(byte_rate=(SLOWLY, 1000))
TOO_MANY = (1008, "more messages than message_rate allows")
TOO_MUCH = (1008, "more bytes than byte_rate allows")

each_style = pytest.mark.parametrize("handler", [echo, EchoWebSocket])


def frames_until_close(peer: RawPeer) -> tuple[list[tuple[int, bytes]], tuple[int, str]]:
    """Return the frames that come before the close frame, and what that says."""
    frames = []
    while (found := peer.read_frame())[0] != CLOSE:
        frames.append(found)
    assert peer.read_to_end() == b""
    return frames, (int.from_bytes(found[1][:2], "big"), found[1][2:].decode())


@each_style
def test_message_over_message_rate_closes_with_1008(handler: Any) -> None:
    with serving(handler, limits=FIVE) as peer:
        peer.upgrade()
        for _ in range(5):
            peer.send(frame(TEXT, b"hi"))
            assert peer.read_frame() == (TEXT, b"hi")
        peer.send(frame(TEXT, b"hi"))
        assert frames_until_close(peer)[1] == TOO_MANY


@each_style
def test_messages_that_come_in_one_segment_are_counted_while_they_are_read(handler: Any) -> None:
    with serving(handler, limits=FIVE) as peer:
        peer.upgrade()
        peer.send(*[frame(TEXT, b"hi")] * 5000)
        echoes, close = frames_until_close(peer)
        assert close == TOO_MANY
        assert len(echoes) <= 5 + TURN


def test_pings_count_as_messages() -> None:
    with serving(limits=FIVE) as peer:
        peer.upgrade()
        for _ in range(6):
            peer.send(frame(PING, b"there?"))
        pongs, close = frames_until_close(peer)
        assert close == TOO_MANY
        assert all(opcode == PONG for opcode, _ in pongs)


@each_style
def test_bytes_over_byte_rate_close_with_1008(handler: Any) -> None:
    with serving(handler, limits=KILOBYTE) as peer:
        peer.upgrade()
        peer.send(frame(BINARY, bytes(900)))
        assert peer.read_frame() == (BINARY, bytes(900))
        peer.send(frame(BINARY, bytes(900)))
        assert frames_until_close(peer) == ([], TOO_MUCH)


def test_fragments_of_one_message_count_by_their_bytes() -> None:
    with serving(limits=Limits(message_rate=(SLOWLY, 5), byte_rate=(SLOWLY, 1000))) as peer:
        peer.upgrade()
        peer.send(frame(TEXT, b"a", fin=False), *[frame(CONT, b"a", fin=False)] * 200)
        assert frames_until_close(peer) == ([], TOO_MUCH)


def test_peer_within_its_rates_is_served_to_the_end() -> None:
    with serving(limits=Limits(message_rate=(SLOWLY, 100), byte_rate=(SLOWLY, 100_000))) as peer:
        peer.upgrade()
        peer.send(*[frame(TEXT, b"hi")] * 99)
        for _ in range(99):
            assert peer.read_frame() == (TEXT, b"hi")
        peer.end()


def test_receiver_is_told_why() -> None:
    caught: list[ConnectionClosed] = []
    ended = Event()

    def receive(ws: WebSocket) -> None:
        try:
            for _ in ws:
                pass
        except ConnectionClosed as closed:
            caught.append(closed)
            ended.set()

    with serving(receive, limits=FIVE) as peer:
        peer.upgrade()
        peer.send(*[frame(TEXT, b"hi")] * 500)
        wait_for(ended)
        frames_until_close(peer)
    assert (caught[0].code, caught[0].reason) == TOO_MANY
    assert isinstance(caught[0].__cause__, ProtocolError)


def test_peer_is_closed_though_nobody_receives() -> None:
    over = Event()

    def stay(ws: WebSocket) -> None:
        over.wait()

    with serving(stay, limits=FIVE) as peer:
        try:
            peer.upgrade()
            peer.send(*[frame(PING)] * 500)
            assert frames_until_close(peer)[1] == TOO_MANY
        finally:
            over.set()


def test_peer_is_closed_while_its_receiver_sends() -> None:
    def talk(ws: WebSocket) -> None:
        ws.receive()
        while True:
            ws.send("x")

    with serving(talk, limits=FIVE) as peer:
        peer.upgrade()
        peer.send(*[frame(TEXT, b"hi")] * 500)
        assert frames_until_close(peer)[1] == TOO_MANY


def test_rates_are_kept_over_tls() -> None:
    server = serve(echo, LOCAL, limits=FIVE, ssl=certified("localhost"))
    with visiting(server, trusting()) as peer:
        peer.upgrade()
        peer.send(*[frame(TEXT, b"hi" * 500)] * 500)
        assert frames_until_close(peer)[1] == TOO_MANY


@pytest.mark.parametrize("limits", [FIVE, KILOBYTE])
def test_rates_are_kept_by_the_wsgi_server(limits: Limits) -> None:
    application = WebSocketWSGIApplication(handler=echo)
    with visiting(WSGIServer(LOCAL, application, log=None, limits=limits)) as peer:
        peer.upgrade()
        peer.send(*[frame(TEXT, b"hi")] * 500)
        assert frames_until_close(peer)[1] in (TOO_MANY, TOO_MUCH)


def test_one_peer_spends_nothing_of_another() -> None:
    with (
        running(serve(echo, LOCAL, limits=FIVE)) as server,
        RawPeer.to(server.address) as flooder,
        RawPeer.to(server.address) as quiet,
    ):
        flooder.upgrade()
        quiet.upgrade()
        flooder.send(*[frame(TEXT, b"hi")] * 500)
        assert frames_until_close(flooder)[1] == TOO_MANY
        quiet.send(frame(TEXT, b"hi"))
        assert quiet.read_frame() == (TEXT, b"hi")
        quiet.end()


@pytest.mark.parametrize("limits", [None, Limits(), Limits(max_connections=5)])
def test_transport_is_plain_where_nothing_is_limited(limits: Limits | None) -> None:
    near, far = unix()
    transport = transport_of(near, limits)
    assert type(transport) is Transport
    measure(None, transport)  # type: ignore[arg-type]
    transport.close()
    far.close()


def test_transport_reads_what_it_cannot_measure_yet() -> None:
    near, far = unix()
    transport = transport_of(near, FIVE)
    assert isinstance(transport, MeteredTransport)
    far.sendall(b"head")
    assert transport.read(5) == b"head"
    assert transport.read_now() is None
    with pytest.raises(TimeoutError):
        transport.read(0.001)
    far.close()
    with gevent.Timeout(10):
        assert transport.read() == b""
    transport.close()
