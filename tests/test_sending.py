"""Who speaks when on one connection: senders, broadcasts, control frames, the close frame."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from geventws.backlog import (
    BLOCK,
    BUFFERED,
    CLOSED,
    DROP_OLDEST,
    DROPPED,
    LATEST,
    SENT,
    SlowPeers,
)
from geventws.care import caretaker
from geventws.clock import monotonic
from geventws.core.codes import Side
from geventws.core.deflate import Agreed
from geventws.core.errors import ConnectionClosed
from geventws.core.message import Encoded
from geventws.options import Options
from geventws.testing.virtual import virtual_time
from geventws.websocket import WebSocket
from tests.peers import Net

SLOW = SlowPeers(BLOCK, 1 << 20, 64)
LARGE = "x" * 300_000  # more than a socket takes at once
AGREED = Agreed(12, 12, False, False, 6, 5, 0)

both_sides = pytest.mark.parametrize("side", [Side.SERVER, Side.CLIENT], ids=["server", "client"])


@pytest.fixture
def net() -> Iterator[Net]:
    with virtual_time(), Net() as made:
        yield made


def events() -> int:
    gc.collect()
    return sum(issubclass(type(each), Event) for each in gc.get_objects())


def offer(ws: WebSocket, message: str, slow: SlowPeers = SLOW) -> int:
    return ws.offer(Encoded(message), slow)


@both_sides
def test_broadcast_leaves_at_once_when_nothing_is_in_its_way(net: Net, side: Side) -> None:
    ws, peer = net.meet(side=side)
    assert [offer(ws, "a"), offer(ws, "b")] == [SENT, SENT]
    assert peer.receive(2) == ["a", "b"]


@both_sides
def test_broadcasts_wait_in_order_while_the_peer_takes_nothing(net: Net, side: Side) -> None:
    ws, peer = net.meet(side=side)
    texts = [str(number) for number in range(60)]
    assert offer(ws, LARGE) == SENT
    assert [offer(ws, text) for text in texts] == [BUFFERED] * 60
    assert peer.receive(61) == [LARGE, *texts]
    assert offer(ws, "at once again") == SENT


@both_sides
def test_broadcast_waits_while_a_sender_has_bytes_on_the_way(net: Net, side: Side) -> None:
    ws, peer = net.meet(side=side)
    sender = gevent.spawn(ws.send, LARGE)
    gevent.idle()
    assert offer(ws, "after") == BUFFERED
    assert peer.receive(2) == [LARGE, "after"]
    sender.get()


def test_broadcast_waits_for_the_end_of_a_fragmented_message(net: Net) -> None:
    ws, peer = net.meet()
    outcomes = []

    def items() -> Iterator[str]:
        yield "a"
        outcomes.append(offer(ws, "before any fragment"))
        yield "b"
        outcomes.append(offer(ws, "1"))
        yield "c"
        outcomes.append(offer(ws, "2"))

    ws.send(items())
    assert outcomes == [SENT, BUFFERED, BUFFERED]
    assert peer.receive(4) == ["before any fragment", "abc", "1", "2"]
    assert offer(ws, "3") == SENT


def test_broadcast_waits_for_a_last_fragment_that_the_peer_takes_slowly(net: Net) -> None:
    ws, peer = net.meet()

    def items() -> Iterator[str]:
        yield "a"
        yield "b"
        offer(ws, "after")
        yield LARGE

    sender = gevent.spawn(ws.send, items())
    assert peer.receive(2) == ["ab" + LARGE, "after"]
    sender.get()


def test_broadcast_waits_while_the_application_is_slow_with_the_next_fragment(net: Net) -> None:
    ws, peer = net.meet()

    def items() -> Iterator[str]:
        yield LARGE
        yield "b"
        gevent.idle()  # all of the first fragment has left, and there is room for more
        yield "c"

    sender = gevent.spawn(ws.send, items())
    gevent.idle()
    assert offer(ws, "after") == BUFFERED
    assert peer.receive(2) == [LARGE + "bc", "after"]
    sender.get()


def test_broadcasts_can_be_dropped_until_the_peer_has_taken_those_before(net: Net) -> None:
    ws, peer = net.meet()
    for text in (LARGE, LARGE, "dropped"):
        offer(ws, text)
    assert peer.receive(1) == [LARGE]
    gevent.idle()
    assert offer(ws, "newest", SlowPeers(LATEST, 1 << 20, 64)) == DROPPED
    assert peer.receive(2) == [LARGE, "newest"]


def test_pong_goes_before_the_broadcasts_that_wait(net: Net) -> None:
    ws, peer = net.meet(care=False)
    peer.protocol.send_ping(b"?")
    peer.answer()
    assert [offer(ws, text) for text in (LARGE, "1", "2")] == [SENT, BUFFERED, BUFFERED]
    assert peer.receive(1) == [LARGE]
    assert peer.receive(1) == ["1"]
    assert list(peer.protocol.pongs or ()) == []  # nobody has looked at the ping yet
    assert peer.receive(1) == ["2"]
    with pytest.raises(TimeoutError):
        ws.receive(timeout=0)
    offer(ws, "3")
    assert peer.receive(1) == ["3"]
    assert list(peer.protocol.pongs or ()) == [b"?"]


def test_ping_goes_before_the_broadcasts_that_wait(net: Net) -> None:
    ws, peer = net.meet()
    offer(ws, LARGE)
    offer(ws, LARGE)
    with pytest.raises(TimeoutError):
        ws.ping(timeout=0)
    assert peer.receive(1) == [LARGE]
    assert peer.receive(1) == [LARGE]
    assert peer.protocol.pings_received == 1


def test_send_does_not_overtake_broadcasts_that_wait(net: Net) -> None:
    ws, peer = net.meet()
    for text in (LARGE, "1", "2"):
        offer(ws, text)
    sender = gevent.spawn(ws.send, "sent")
    fragments = gevent.spawn(ws.send, iter(["in ", "fragments"]))
    gevent.idle()
    offer(ws, "3")
    came = peer.receive(6)
    assert came[:3] == [LARGE, "1", "2"]
    assert came.index("sent") < came.index("in fragments")
    assert sorted(map(str, came[3:])) == ["3", "in fragments", "sent"]
    gevent.joinall([sender, fragments], raise_error=True)


def test_sender_in_line_may_give_up(net: Net) -> None:
    ws, peer = net.meet()
    senders = [gevent.spawn(ws.send, text) for text in (LARGE, "1", "2", "3")]
    gevent.idle()
    senders[1].kill(block=False)  # while it is in line
    assert peer.receive(3) == [LARGE, "2", "3"]
    gevent.joinall(senders, raise_error=True)


def test_sender_who_gives_up_as_its_turn_comes_passes_it_on(net: Net) -> None:
    ws, peer = net.meet()
    senders = [gevent.spawn(ws.send, text) for text in (LARGE, "1", "2")]
    gevent.idle()
    senders[0].kill(block=False)
    senders[1].kill(block=False)
    assert peer.receive(1) == []
    gevent.joinall(senders)
    assert ws.close_code == 1006  # the first message was cut
    assert isinstance(senders[2].exception, ConnectionClosed)


def test_sender_who_waits_for_broadcasts_may_give_up(net: Net) -> None:
    ws, peer = net.meet()
    for text in (LARGE, "1"):
        offer(ws, text)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        ws.send("never")
    sender = gevent.spawn(ws.send, "sent")
    assert peer.receive(3) == [LARGE, "1", "sent"]
    sender.get()


def test_sender_who_gives_up_leaves_nothing_behind(net: Net) -> None:
    ws, _ = net.meet()
    for text in (LARGE, "1"):
        offer(ws, text)
    before = events()
    for _ in range(10):
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.001):
            ws.send("never")
    assert events() <= before + 1  # the traceback of the last has one


def test_broadcasts_go_on_when_the_sender_before_them_has_given_up(net: Net) -> None:
    ws, peer = net.meet()
    offer(ws, LARGE)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        ws.send("1")
    offer(ws, "2")
    assert peer.receive(2) == [LARGE, "2"]


def test_close_frame_goes_after_the_broadcasts_that_wait(net: Net) -> None:
    ws, peer = net.meet()
    for text in (LARGE, "1", "2"):
        offer(ws, text)
    ws.begin_close(1001, "bye")
    assert offer(ws, "too late") == CLOSED
    assert peer.receive_all() == [LARGE, "1", "2"]
    assert (peer.protocol.close_code, peer.protocol.close_reason) == (1001, "bye")


def test_begin_close_refuses_what_may_not_be_sent(net: Net) -> None:
    ws, peer = net.meet()
    with pytest.raises(ValueError, match="1005"):
        ws.begin_close(1005)
    assert offer(ws, "still open") == SENT
    assert peer.receive(1) == ["still open"]


def test_caretaker_forgets_who_is_closed_after_the_end(net: Net) -> None:
    before = len(caretaker())
    ws, _ = net.meet()
    assert len(caretaker()) == before + 1
    ws.drop()
    ws.close()
    ws.begin_close()
    assert len(caretaker()) == before


def test_close_that_cuts_a_fragmented_message_drops_what_waits(net: Net) -> None:
    ws, peer = net.meet()

    def items() -> Iterator[str]:
        yield "a"
        yield "b"
        assert offer(ws, "1") == BUFFERED
        room = ws.room(SlowPeers(BLOCK, 1, 0))
        ws.begin_close(1001)
        assert room.is_set()
        yield "c"

    with pytest.raises(ConnectionClosed):
        ws.send(items())
    assert peer.receive_all() == []
    assert peer.protocol.close_code == 1001


def test_peers_close_frame_drops_what_waits(net: Net) -> None:
    ws, peer = net.meet()
    offer(ws, LARGE)
    offer(ws, "dropped")
    room = ws.room(SlowPeers(BLOCK, 1, 64))
    peer.socket.sendall(bytes.fromhex("8882 00000000 03e8"))
    with pytest.raises(ConnectionClosed):
        ws.receive()
    assert room.wait(0)
    assert peer.receive_all() == [LARGE]


def test_end_of_the_stream_drops_what_waits(net: Net) -> None:
    ws, peer = net.meet()
    offer(ws, LARGE)
    offer(ws, "dropped")
    sender = gevent.spawn(ws.send, "never")
    peer.socket.close()
    with pytest.raises(ConnectionClosed):
        ws.receive()
    with pytest.raises(ConnectionClosed):
        sender.get()


def test_client_compresses_what_it_sends_and_not_what_it_drops(net: Net) -> None:
    ws, peer = net.meet(side=Side.CLIENT, deflate=AGREED)
    latest = SlowPeers(LATEST, 1 << 20, 64)
    texts = [f"one state after another: {number}" for number in range(5)]
    noise = gevent.get_hub().loop.__class__.__name__.join(map(str, range(200_000)))
    assert [offer(ws, noise, latest), offer(ws, texts[0], latest)] == [SENT, BUFFERED]
    assert [offer(ws, text, latest) for text in texts[1:]] == [DROPPED] * 4
    assert peer.receive(2) == [noise, texts[4]]
    ws.send(texts[0])
    assert peer.receive(1) == [texts[0]]


def test_server_that_agreed_on_compression_broadcasts_without(net: Net) -> None:
    ws, peer = net.meet(deflate=AGREED)
    for send in (ws.send, lambda text: offer(ws, text)) * 2:
        send("the same text")
    assert peer.receive(4) == ["the same text"] * 4


def test_peer_that_takes_nothing_of_what_waits_is_dropped(net: Net) -> None:
    ws, _ = net.meet(options=Options(send_timeout=0.1))
    offer(ws, LARGE)
    offer(ws, "never")
    sender = gevent.spawn(ws.send, "never")
    with pytest.raises(ConnectionClosed) as caught:
        ws.receive()
    assert caught.value.code == 1006
    assert isinstance(caught.value.__cause__, TimeoutError)
    with pytest.raises(ConnectionClosed):
        sender.get()


def test_peer_that_takes_nothing_of_a_lone_broadcast_is_dropped(net: Net) -> None:
    ws, _ = net.meet(options=Options(send_timeout=0.6))
    assert offer(ws, LARGE) == SENT
    with pytest.raises(ConnectionClosed):
        ws.receive()


def test_peer_that_reads_is_not_dropped_when_an_own_message_takes_long(net: Net) -> None:
    ws, peer = net.meet(options=Options(send_timeout=0.1))

    def items() -> Iterator[str]:
        yield "a"
        yield "b"
        offer(ws, "after")
        with pytest.raises(TimeoutError):
            ws.receive(timeout=0.7)  # time for two looks of the caretaker
        yield "c"

    ws.send(items())
    assert peer.receive(2) == ["abc", "after"]


def test_connection_without_a_send_timeout_waits_on(net: Net) -> None:
    ws, peer = net.meet(options=Options(send_timeout=None))
    offer(ws, LARGE)
    offer(ws, "1")
    assert ws.attend(monotonic() + 10)
    assert peer.receive(2) == [LARGE, "1"]


def test_slow_peer_holds_no_more_than_the_limits(net: Net) -> None:
    ws, peer = net.meet()
    slow = SlowPeers(DROP_OLDEST, 100_000, 64)
    offer(ws, LARGE, slow)
    texts = [f"{number:05}" * 2000 for number in range(100)]
    outcomes = [offer(ws, text, slow) for text in texts]
    assert outcomes == [BUFFERED] * 10 + [DROPPED] * 90
    assert peer.receive(11) == [LARGE, *texts[-10:]]


def test_room_is_there_while_what_waits_is_within_the_limits(net: Net) -> None:
    ws, peer = net.meet()
    assert ws.room(SLOW) is None
    for text in (LARGE, "1", "2"):
        offer(ws, text)
    assert ws.room(SlowPeers(BLOCK, 1 << 20, 2)) is None
    room = ws.room(SlowPeers(BLOCK, 1 << 20, 1))
    assert not room.is_set()
    assert peer.receive(3) == [LARGE, "1", "2"]
    assert room.wait(0)


def test_backlog_is_gone_when_all_of_it_has_left(net: Net) -> None:
    ws, peer = net.meet()
    assert ws._backlog is None
    for text in (LARGE, "1"):
        offer(ws, text)
    assert peer.receive(2) == [LARGE, "1"]
    assert ws._backlog is None
