from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import gevent
import pytest

from geventws.core.codes import BINARY, CLOSE, PONG, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.options import Options
from geventws.websocket import WebSocket
from tests.core.helpers import closing
from tests.pairs import Kind, Pair, RawPeer, each_kind, end_on, pair, server_and_peer, unix

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def ends() -> Iterator[Pair]:
    """Return the two ends of a connection, which are dropped after the test."""
    made = pair()
    yield made
    made.drop()


@pytest.fixture
def raw() -> Iterator[tuple[WebSocket, RawPeer]]:
    """Return a server's end and its raw peer; both are dropped after the test."""
    server, peer = server_and_peer()
    yield server, peer
    server.drop()
    peer.socket.close()


# Pings


def test_ping_takes_the_time_of_a_round_trip(ends: Pair) -> None:
    client, server = ends
    assert client.latency is None
    receiver = gevent.spawn(server.receive)
    assert 0 < client.ping(timeout=5) < 1
    assert client.latency is not None
    assert server.stats.pings_received == 1
    receiver.kill()


def test_ping_keeps_messages_for_the_receiver(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw
    pinging = gevent.spawn(server.ping)
    ping = peer.next()
    assert ping is not None
    peer.send(TEXT, b"before the pong")
    peer.send(PONG, ping.payload)
    assert pinging.get(timeout=5) > 0
    assert server.receive(timeout=0) == "before the pong"


def test_many_pings_beside_a_receiver_each_get_their_pong(ends: Pair) -> None:
    client, server = ends
    receivers = [gevent.spawn(each.receive) for each in ends]
    pings = [gevent.spawn(client.ping, 5) for _ in range(20)]
    assert all(ping.get(timeout=5) > 0 for ping in pings)
    client.send("last")
    assert receivers[1].get(timeout=5) == "last"
    server.send("last")
    assert receivers[0].get(timeout=5) == "last"


def test_ping_times_out_and_leaves_the_connection_good(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw
    with pytest.raises(TimeoutError):
        server.ping(timeout=0.05)
    peer.send(TEXT, b"alive")
    assert server.receive(timeout=5) == "alive"


# Closing


@each_kind
def test_close_frames_cross_and_both_ends_agree(kind: Kind) -> None:
    client, server = pair(kind(0))
    closer = gevent.spawn(client.close, 4001, "bye")
    with pytest.raises(ConnectionClosed) as raised:
        server.receive(timeout=5)
    server.close()
    closer.get(timeout=5)
    assert raised.value.clean
    assert (server.close_reason, client.close_reason) == ("bye", "")  # each has the other's
    for end in (client, server):
        assert end.close_code == 4001
        with pytest.raises(ConnectionClosed) as refused:
            end.send("more")
        assert (refused.value.code, refused.value.clean) == (4001, True)


def test_close_drops_a_peer_that_never_answers() -> None:
    server, peer = server_and_peer(Options(ping_interval=None, close_timeout=0.2))
    start = monotonic()
    server.close()
    assert 0.19 < monotonic() - start < 8
    assert server.close_code == 1006
    peer.socket.close()


def test_close_drops_a_peer_that_sends_for_ever_and_never_answers() -> None:
    server, peer = server_and_peer(Options(ping_interval=None, close_timeout=0.2))
    message = peer.frame(BINARY, bytes(50_000)) * 10

    def flood() -> None:
        while True:
            peer.socket.sendall(message)

    flooder = gevent.spawn(flood)
    start = monotonic()
    server.close()
    assert 0.19 < monotonic() - start < 8
    flooder.kill()
    peer.socket.close()


def test_messages_before_a_close_of_ours_stay_to_be_received(ends: Pair) -> None:
    client, server = ends
    for n in range(3):
        client.send(str(n))
    closer = gevent.spawn(client.receive)
    assert server.receive() == "0"
    server.close(1001)
    assert [server.receive() for _ in range(2)] == ["1", "2"]
    with pytest.raises(ConnectionClosed):
        server.receive()
    with pytest.raises(ConnectionClosed):
        closer.get(timeout=5)


def test_close_refuses_what_may_not_be_sent(ends: Pair) -> None:
    client, _ = ends
    for code in (0, 999, 1004, 1005, 1006, 1015, 5000):
        with pytest.raises(ValueError, match="code"):
            client.close(code)
    with pytest.raises(ValueError, match="reason"):
        client.close(1000, "x" * 124)
    assert client.close_code is None
    assert client.close_reason == ""


def test_leaving_a_with_block_closes() -> None:
    server, peer = server_and_peer()

    def answer() -> None:
        peer.answer_close()
        peer.socket.close()

    answering = gevent.spawn(answer)
    with server as connection:
        assert connection is server
        connection.send("inside")
    assert server.close_code == 1000
    answering.get(timeout=5)


def test_server_ends_tcp_first() -> None:
    server, peer = server_and_peer()
    peer.send(CLOSE, closing(1000))
    with pytest.raises(ConnectionClosed):
        server.receive(timeout=5)
    assert [frame.opcode for frame in peer.until_end()] == [CLOSE]
    peer.socket.close()
    server.close()


def test_client_waits_for_the_server_to_end_tcp() -> None:
    sock, other = unix()
    client, peer = end_on(sock, Side.CLIENT), RawPeer(other, Side.CLIENT)
    closer = gevent.spawn(client.close)
    peer.answer_close()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        peer.next()
    other.close()
    closer.get(timeout=5)
