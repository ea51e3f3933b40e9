from __future__ import annotations

import ssl

import gevent
import pytest
from gevent.socket import SHUT_WR

from geventws.core.codes import BINARY, CLOSE, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.transport import CHUNK, Transport
from tests.core.helpers import closing
from tests.pairs import (
    BIG,
    SMALL,
    Sockets,
    drop,
    end_on,
    pair,
    server_and_peer,
    tls,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def sockets(request: pytest.FixtureRequest) -> Sockets:
    """Return a client's and a server's TLS socket."""
    return tls(version=request.param)


def test_frames_of_one_record_are_all_received(sockets: Sockets) -> None:
    server, peer = server_and_peer(sockets=sockets)
    messages = [f"message {n}" for n in range(300)]
    record = b"".join(peer.frame(TEXT, each.encode()) for each in messages)
    assert len(record) < 16384
    peer.socket.sendall(record)
    assert [server.receive(timeout=5) for _ in messages] == messages
    with pytest.raises(TimeoutError):
        server.receive(timeout=0)
    server.drop()
    peer.socket.close()


def test_records_that_came_together_are_all_received(sockets: Sockets) -> None:
    server, peer = server_and_peer(sockets=sockets)
    for n in range(300):
        peer.send(TEXT, b"%d" % n)
    assert [server.receive(timeout=5) for _ in range(300)] == [str(n) for n in range(300)]
    server.drop()
    peer.socket.close()


def test_bytes_that_openssl_holds_are_not_neglected(sockets: Sockets) -> None:
    client, server = sockets
    one, other = Transport(server), Transport(client)
    writer = gevent.spawn(other.write, [bytes(CHUNK)], None)
    read = len(one.read(5))
    while read < CHUNK:  # whatever the hub's watchers tell, reading goes on until there is nothing
        called: list[int] = []
        one.park(lambda called=called: called.append(1))  # type: ignore[misc]
        with gevent.Timeout(5):
            while not called:
                gevent.sleep(0)
        data = one.read_now()
        read += 0 if data is None else len(data)
    writer.get(timeout=5)
    drop(one, other)


def test_large_messages_go_both_ways_at_once() -> None:
    client, server = pair(tls(SMALL))
    senders = [gevent.spawn(end.send, BIG[:-1]) for end in (client, server)]
    receivers = [gevent.spawn(end.receive) for end in (client, server)]
    gevent.joinall(senders, timeout=10, raise_error=True)
    assert [each.get(timeout=10) == BIG[:-1] for each in receivers] == [True, True]
    closer = gevent.spawn(client.close)
    server.close()
    closer.get(timeout=5)


def test_close_notify_ends_the_stream(sockets: Sockets) -> None:
    client, server = sockets
    transport = Transport(server)
    client.sendall(b"last")
    closer = gevent.spawn(client.unwrap)
    assert transport.read(5) == b"last"
    assert transport.read(5) == b""
    assert transport.read(5) == b""
    transport.close()
    closer.kill()
    client.close()


def test_shutdown_says_that_the_stream_is_whole(sockets: Sockets) -> None:
    client, server = sockets
    client.suppress_ragged_eofs = False
    transport = Transport(server)
    transport.post([b"last"])
    transport.shutdown()
    assert client.recv(100) == b"last"
    assert client.recv(100) == b""  # and no SSLEOFError
    transport.close()
    client.close()


def test_end_of_tcp_without_close_notify_is_a_lost_connection(sockets: Sockets) -> None:
    server, peer = server_and_peer(sockets=sockets)
    peer.send(TEXT, b"whole")
    peer.socket.sendall(peer.frame(TEXT, b"cut")[:-1])
    peer.socket.shutdown(SHUT_WR)
    assert server.receive(timeout=5) == "whole"
    with pytest.raises(ConnectionClosed) as raised:
        server.receive(timeout=5)
    assert (raised.value.code, raised.value.clean) == (1006, False)
    peer.socket.close()
    server.close()


def test_garbage_below_tls_is_a_lost_connection(sockets: Sockets) -> None:
    client, server = sockets
    connection = end_on(server, Side.SERVER)
    raw = client._sock.detach()
    with gevent.socket.socket(fileno=raw) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
        with pytest.raises(ConnectionClosed) as raised:
            connection.receive(timeout=5)
        assert raised.value.code == 1006
        assert isinstance(raised.value.__cause__, ssl.SSLError)
    connection.close()


def test_peer_that_still_sends_hears_why_it_is_refused(sockets: Sockets) -> None:
    server, peer = server_and_peer(sockets=sockets)
    refused = peer.frame(BINARY, bytes(2 * len(BIG)))

    def send() -> None:
        peer.socket.sendall(refused)

    sender = gevent.spawn(send)
    with pytest.raises(ConnectionClosed) as raised:
        server.receive(timeout=5)
    assert raised.value.code == 1009
    closer = gevent.spawn(server.close)
    frame = peer.next()
    assert frame is not None
    assert frame.payload[:2] == (1009).to_bytes(2, "big")
    sender.get(timeout=5)
    peer.socket.close()
    closer.get(timeout=5)


def test_closing_handshake_is_clean_on_both_sides(sockets: Sockets) -> None:
    client, server = pair(sockets)
    closer = gevent.spawn(client.close, 4000, "bye")
    with pytest.raises(ConnectionClosed) as raised:
        server.receive(timeout=5)
    server.close()
    closer.get(timeout=5)
    assert raised.value.clean
    assert (client.close_code, server.close_code) == (4000, 4000)


def test_peer_closing_as_the_rfc_says_sees_a_whole_stream(sockets: Sockets) -> None:
    server, peer = server_and_peer(sockets=sockets)
    peer.socket.suppress_ragged_eofs = False
    peer.send(CLOSE, closing(1000))
    with pytest.raises(ConnectionClosed):
        server.receive(timeout=5)
    assert [each.opcode for each in peer.until_end()] == [CLOSE]
    peer.socket.close()
    server.close()


def test_handshake_bytes_do_not_count_as_written() -> None:
    client, server = tls()
    transport = Transport(server)
    assert transport.written == 0
    transport.post([b"x"])
    assert transport.written == 1
    drop(transport, Transport(client))
