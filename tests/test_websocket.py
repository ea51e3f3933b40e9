from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from typing import Any
from weakref import ref

import gevent
import pytest
from zope.interface.verify import verifyObject

from geventws.core.codes import BINARY, CONTINUATION, PING, PONG, TEXT, Side
from geventws.core.errors import ConcurrencyError, ConnectionClosed, MessageTooBig, ProtocolError
from geventws.interfaces import IWebSocket
from geventws.options import Options
from geventws.websocket import EchoWebSocket, Stats, WebSocket
from tests.core.helpers import AGREED
from tests.pairs import (
    QUIET,
    Kind,
    Pair,
    RawPeer,
    each_kind,
    end_of,
    pair,
    server_and_peer,
    tcp,
    unix,
)

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


# Messages


@each_kind
@pytest.mark.parametrize("message", ["text \u20ac", "", b"\x00\xff", b"", "x" * 70_000])
def test_peer_receives_what_was_sent(kind: Kind, message: str | bytes) -> None:
    client, server = made = pair(kind(0))
    client.send(message)
    assert server.receive(timeout=5) == message
    server.send(message)
    assert client.receive(timeout=5) == message
    made.drop()


def test_bytes_like_objects_are_sent_as_binary(ends: Pair) -> None:
    client, server = ends
    for message in (bytearray(b"array"), memoryview(b"view")):
        client.send(message)
        assert server.receive(timeout=5) == bytes(message)


def test_compressed_messages_arrive() -> None:
    client, server = made = pair(agreed=AGREED)
    for message in ("text " * 1000, b"binary " * 1000):
        client.send(message)
        assert server.receive(timeout=5) == message
    assert server.stats.wire_received < 500
    made.drop()


def test_iterable_is_sent_as_one_message(ends: Pair) -> None:
    client, server = ends
    client.send(str(n) for n in range(5))
    assert server.receive(timeout=5) == "01234"
    client.send([b"a", b"", b"b"])
    assert server.receive(timeout=5) == b"ab"


def test_pong_goes_between_the_fragments_of_a_message(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw

    def items() -> Iterator[bytes]:
        yield b"one"
        yield b"two"
        peer.send(PING, b"?")
        with pytest.raises(TimeoutError):
            server.receive(timeout=0)
        yield b"three"

    server.send(items())
    frames = [peer.next() for _ in range(4)]
    seen = [(frame.opcode, frame.payload) for frame in frames if frame is not None]
    assert seen == [
        (BINARY, b"one"),
        (PONG, b"?"),
        (CONTINUATION, b"two"),
        (CONTINUATION, b"three"),
    ]


NO_MESSAGES: list[Any] = [None, 7, []]


def test_what_is_no_message_is_refused_and_nothing_is_sent(ends: Pair) -> None:
    client, server = ends
    for wrong in NO_MESSAGES:
        with pytest.raises(TypeError, match="message"):
            client.send(wrong)
    with pytest.raises(UnicodeEncodeError):
        client.send("\ud800")
    assert client.stats.wire_sent == 0
    client.send("still open")
    assert server.receive(timeout=5) == "still open"


@pytest.mark.parametrize(
    "wrong", [b"binary", 7, ZeroDivisionError()], ids=["bytes", "int", "error"]
)
def test_iterable_that_fails_fails_the_connection(ends: Pair, wrong: object) -> None:
    client, server = ends

    def items() -> Iterator[str]:
        yield "text"
        yield "text"
        if isinstance(wrong, Exception):
            raise wrong
        yield wrong  # type: ignore[misc]

    with pytest.raises((TypeError, ZeroDivisionError)):
        client.send(items())
    with pytest.raises(ConnectionClosed) as raised:
        server.receive(timeout=5)
    assert raised.value.code == 1011
    with pytest.raises(ConnectionClosed):
        client.send("more")


def test_iterable_that_fails_before_its_first_item_changes_nothing(ends: Pair) -> None:
    client, server = ends
    with pytest.raises(ZeroDivisionError):
        client.send(str(1 // n) for n in range(3))
    client.send("still open")
    assert server.receive(timeout=5) == "still open"


def test_pieces_are_yielded_as_they_arrive(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw
    peer.send(TEXT, "\u20ac".encode() + b"\xe2", fin=False)
    pieces = server.receive_pieces()
    assert next(pieces) == "\u20ac"
    peer.send(CONTINUATION, b"\x82\xac!")
    assert list(pieces) == ["\u20ac!"]
    peer.send(TEXT, b"next")
    assert server.receive(timeout=5) == "next"


def test_pieces_not_yielded_are_passed_over(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw
    peer.send(BINARY, b"begun", fin=False)
    for piece in server.receive_pieces():
        assert piece == b"begun"
        break
    peer.send(CONTINUATION, b"passed over")
    peer.send(TEXT, b"next")
    assert server.receive(timeout=5) == "next"


def asked_twice(asker: WebSocket, other: WebSocket) -> None:
    """Let *other* receive the first of two messages that came together."""
    asker.send("one")
    asker.send("two")
    assert other.receive() == "one"


def test_client_sends_at_once_though_there_is_more_to_receive(ends: Pair) -> None:
    asked_twice(ends.server, ends.client)
    ends.client.send("three")
    assert ends.server._transport.readable()  # though the hub has not run


def test_server_sends_a_reply_together_with_those_that_follow_or_soon(ends: Pair) -> None:
    asked_twice(ends.client, ends.server)
    ends.server.send("three")
    assert not ends.client._transport.readable()
    gevent.sleep(0)
    assert ends.client._transport.readable()


# Receiving


def test_receive_times_out_and_loses_nothing(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw
    start = monotonic()
    peer.send(TEXT, b"half ", fin=False)
    with pytest.raises(TimeoutError):
        server.receive(timeout=0.1)
    assert 0.099 < monotonic() - start < 8
    peer.send(CONTINUATION, b"whole")
    assert server.receive(timeout=5) == "half whole"


def test_receive_without_time_takes_what_is_here(ends: Pair) -> None:
    client, server = ends
    client.send("here")
    assert server.receive(timeout=0) == "here"
    with pytest.raises(TimeoutError):
        server.receive(timeout=0)


def test_receive_times_out_under_a_flood_of_pings(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw
    pings = peer.frame(PING, b"") * 1000

    def flood() -> None:
        while True:
            peer.socket.sendall(pings)

    def swallow() -> None:
        while peer.socket.recv(65536):
            pass

    floods = [gevent.spawn(flood), gevent.spawn(swallow)]
    start = monotonic()
    with pytest.raises(TimeoutError):
        server.receive(timeout=0.2)
    assert monotonic() - start < 8
    gevent.killall(floods)


def test_two_receivers_at_once_are_an_error(ends: Pair) -> None:
    client, server = ends
    first = gevent.spawn(server.receive)
    gevent.sleep(0)
    with pytest.raises(ConcurrencyError):
        server.receive()
    client.send("for the first")
    assert first.get(timeout=5) == "for the first"


def test_iteration_ends_quietly_when_the_peer_is_done() -> None:
    for code in (1000, 1001):
        client, server = made = pair()
        client.send("one")
        client.send("two")
        closer = gevent.spawn(client.close, code)
        assert list(server) == ["one", "two"]
        server.close()
        closer.get(timeout=5)
        made.drop()


def test_iteration_raises_when_the_connection_ends_otherwise() -> None:
    client, server = made = pair()
    client.send("one")
    closer = gevent.spawn(client.close, 4000, "why")
    received: list[str | bytes] = []
    with pytest.raises(ConnectionClosed) as raised:
        received.extend(server)
    assert (raised.value.code, raised.value.reason, raised.value.clean) == (4000, "why", True)
    server.close()
    closer.get(timeout=5)
    made.drop()


def test_violation_arrives_as_the_cause(raw: tuple[WebSocket, RawPeer]) -> None:
    server, peer = raw
    peer.send(3)
    with pytest.raises(ConnectionClosed) as raised:
        server.receive(timeout=5)
    assert raised.value.code == 1002
    assert isinstance(raised.value.__cause__, ProtocolError)
    frame = peer.next()
    assert frame is not None
    assert frame.payload[:2] == (1002).to_bytes(2, "big")


def test_message_over_max_size_is_refused_before_it_is_read() -> None:
    client, server = made = pair(server=Options(ping_interval=None, max_size=1000))
    client.send(bytes(1000))
    assert server.receive(timeout=5) == bytes(1000)
    client.send(bytes(1001))
    with pytest.raises(ConnectionClosed) as raised:
        server.receive(timeout=5)
    assert isinstance(raised.value.__cause__, MessageTooBig)
    with pytest.raises(ConnectionClosed) as told:
        client.receive(timeout=5)
    assert told.value.code == 1009
    made.drop()


# What it is


def test_websocket_keeps_its_contract(ends: Pair) -> None:
    assert verifyObject(IWebSocket, ends.client)


def test_websocket_is_freed_when_closed_and_let_go() -> None:
    client, server = pair()
    seen = [ref(each) for each in (client, server)]
    closer = gevent.spawn(client.close)
    server.close()
    closer.get(timeout=5)
    del client, server, closer
    gevent.sleep(0)
    assert [each() for each in seen] == [None, None]


def test_state_is_free_and_other_names_are_refused(ends: Pair) -> None:
    client, _ = ends
    assert client.state is None
    client.state = {"of": "the application"}
    assert client.state == {"of": "the application"}
    with pytest.raises(AttributeError):
        client.anything = 1  # type: ignore[attr-defined]


def test_subclass_may_have_attributes_of_its_own() -> None:
    class Chat(EchoWebSocket):
        chamber = "lobby"

    theirs, ours = unix()
    server, peer = end_of(Chat, ours, Side.SERVER), RawPeer(theirs, Side.SERVER)
    assert isinstance(server, Chat)
    server.chamber = "kitchen"
    assert server.chamber == "kitchen"
    runner = gevent.spawn(server.run)
    peer.send(TEXT, b"hello")
    frame = peer.next()
    assert frame is not None
    assert frame.payload == b"hello"
    server.drop()
    runner.get(timeout=5)
    peer.socket.close()


def test_repr_names_both_addresses() -> None:
    client, server = made = pair(tcp())
    ours, theirs = client.local_address, client.peer_address
    assert repr(client) == f"<WebSocket {ours} - {theirs}>"
    assert repr(server) == f"<WebSocket {theirs} - {ours}>"
    made.drop()


def test_stats_count_what_was_done(ends: Pair) -> None:
    client, server = ends
    assert client.stats == Stats(0, 0, 0, 0, 0, 0, 0, 0)
    client.send("four")
    client.send([b"ab", b"c"])
    server.receive(timeout=5)
    server.receive(timeout=5)
    client.begin_close()
    mine, theirs = client.stats, server.stats
    assert (mine.messages_sent, mine.bytes_sent) == (2, 7)
    assert (theirs.messages_received, theirs.bytes_received) == (2, 7)
    assert mine.wire_sent == (6 + 4) + (6 + 2) + (6 + 1) + (6 + 2)
    assert theirs.wire_received == mine.wire_sent - 8


def test_stats_tell_how_many_messages_wait(ends: Pair) -> None:
    client, server = ends
    for n in range(5):
        client.send(str(n))
    receiver = gevent.spawn(client.receive)
    assert server.ping(timeout=5) > 0
    assert server.stats.queued == 5
    assert server.receive(timeout=0) == "0"
    assert server.stats.queued == 4
    receiver.kill()


def test_options_of_no_keepalive_cost_nothing(ends: Pair) -> None:
    assert QUIET.ping_interval is None
    gevent.sleep(0.6)  # two sweeps of the caretaker
    assert ends.client.stats.wire_sent == ends.server.stats.wire_sent == 0
