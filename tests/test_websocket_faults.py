"""Interruptions, peers that vanish or stall, and races to close; each over real sockets."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.socket import SHUT_WR
from gevent.socket import socket as Socket

from geventws.core.codes import PING, PONG, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.options import Options
from geventws.testing.virtual import virtual_time
from geventws.transport import breathe
from geventws.websocket import WebSocket
from tests.core.helpers import AGREED, Raw
from tests.leaks import census, settle
from tests.pairs import (
    BIG,
    SMALL,
    Kind,
    RawPeer,
    burn,
    end_on,
    pair,
    plain_and_tls,
    server_and_peer,
    tls,
    unix,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")

Greenlet = Any


def switches(rng: random.Random, most: int) -> None:
    """Let others run a random number of times, and now and then look what came for them."""
    for _ in range(rng.randrange(most)):
        if rng.random() < 0.5:
            breathe()
        else:
            gevent.sleep(0)


def interrupt(rng: random.Random, greenlet: Greenlet) -> None:
    """Break off what *greenlet* waits for, in one of the ways of gevent."""
    if rng.random() < 0.5:
        greenlet.kill()
    else:
        greenlet.kill(gevent.Timeout(0.1))


# Interrupted senders


def said(sender: int, n: int, size: int) -> str:
    """Return the n-th message of a sender; it hardly compresses."""
    return f"{sender}:{n}:" + random.Random(sender * 100 + n).randbytes(size).hex()


def speak(connection: WebSocket, sender: int, sizes: list[int]) -> None:
    for n, size in enumerate(sizes):
        connection.send(said(sender, n, size))


def listen(connection: WebSocket, heard: list[str], rng: random.Random) -> int:
    """Receive everything, slowly; return the close code."""
    try:
        while True:
            message = connection.receive()
            assert isinstance(message, str)
            heard.append(message)
            switches(rng, 3)
    except ConnectionClosed as closed:
        connection.close()
        return closed.code


def check_heard(heard: list[str], sizes: list[list[int]], upto: Callable[[int], bool]) -> None:
    """Check that the messages are whole, and each sender's in order and, unless cut, complete."""
    for sender, its in enumerate(sizes):
        mine = [each for each in heard if each.startswith(f"{sender}:")]
        assert mine == [said(sender, n, size) for n, size in enumerate(its)][: len(mine)]
        if upto(sender):
            assert len(mine) == len(its)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("kind", [unix, tls], ids=["unix", "tls"])
def test_interrupted_send_never_puts_a_frame_within_a_frame(kind: Kind, compressed: bool) -> None:
    rng = random.Random(f"{kind.__name__} {compressed}")
    before = census()
    torn = 0
    trials = 400 if kind is unix else 100
    for _ in range(trials):
        ours, theirs = pair(kind(SMALL), agreed=AGREED if compressed else None)
        sizes = [[rng.choice([0, 10, 15_000]) + rng.randrange(50) for _ in range(4)] for _ in "abc"]
        heard: list[str] = []
        listener = gevent.spawn(listen, theirs, heard, rng)
        speakers = [gevent.spawn(speak, ours, n, its) for n, its in enumerate(sizes)]
        switches(rng, 12)
        victim = rng.randrange(3)
        interrupt(rng, speakers[victim])
        gevent.joinall(speakers, timeout=5)
        ours.close()
        code = listener.get(timeout=5)
        assert code == ours.close_code
        assert code in (1000, 1006)
        torn += code == 1006
        whole = code == 1000
        check_heard(heard, sizes, lambda n, v=victim, w=whole: w and n != v)  # type: ignore[misc]
    assert 0 < torn < trials  # both ways to go on were seen
    settle(before)


def test_interrupted_send_of_fragments_fails_the_connection() -> None:
    ours, theirs = pair(unix(SMALL))
    sender = gevent.spawn(ours.send, ["x" * 100, "y" * 100_000, "z"])
    gevent.sleep(0)
    sender.kill()
    with pytest.raises(ConnectionClosed) as raised:
        theirs.receive(timeout=5)
    assert raised.value.code == 1006
    assert ours.close_code == 1006
    theirs.drop()


def test_sender_interrupted_in_the_line_leaves_it() -> None:
    ours, theirs = pair(unix(SMALL))
    senders = [gevent.spawn(ours.send, f"{n}" * 30_000) for n in range(5)]
    gevent.sleep(0)
    senders[2].kill()
    senders[4].kill()
    assert [theirs.receive(timeout=5)[:1] for _ in range(3)] == ["0", "1", "3"]
    gevent.joinall(senders, timeout=5)
    ours.send("open")
    assert theirs.receive(timeout=5) == "open"
    ours.drop()
    theirs.drop()


# Interrupted receivers


@pytest.mark.parametrize("kind", [unix, tls], ids=["unix", "tls"])
def test_interrupted_receive_loses_nothing(kind: Kind) -> None:
    rng = random.Random(kind.__name__)
    ours, theirs = pair(kind(SMALL))
    heard: list[str | bytes] = []

    def text(n: int) -> str:
        return said(0, n, n * 37 % 3000)

    def speak_on() -> None:
        for n in count():
            ours.send(text(n))

    def hear() -> None:
        while True:
            heard.append(theirs.receive())

    speaker = gevent.spawn(speak_on)
    with gevent.Timeout(20):
        for _ in range(1000):
            hearer = gevent.spawn(hear)
            switches(rng, 5)
            interrupt(rng, hearer)
    assert len(heard) > 100
    assert heard == [text(n) for n in range(len(heard))]
    theirs.drop()
    with pytest.raises(ConnectionClosed):
        speaker.get(timeout=5)


def test_receive_with_tiny_timeouts_loses_nothing() -> None:
    ours, theirs = pair(unix(SMALL))
    sender = gevent.spawn(speak, ours, 0, [2000] * 200)
    heard: list[str | bytes] = []
    late = 0
    while len(heard) < 200:
        try:
            heard.append(theirs.receive(timeout=0))
        except TimeoutError:
            late += 1
            gevent.sleep(0)
    assert heard == [said(0, n, 2000) for n in range(200)]
    assert late > 0
    sender.get(timeout=5)
    ours.drop()
    theirs.drop()


# Peers that vanish, stall, or half close


@plain_and_tls
def test_vanished_peer_wakes_receiver_and_sender(kind: Kind) -> None:
    options = Options(ping_interval=0.3, ping_timeout=0.3)
    server, peer = server_and_peer(options, kind(SMALL))
    start = monotonic()
    receiver = gevent.spawn(server.receive)
    sender = gevent.spawn(server.send, BIG)
    pinging = gevent.spawn(server.ping)
    for each in (receiver, sender, pinging):
        with pytest.raises(ConnectionClosed) as raised:
            each.get(timeout=5)
        assert raised.value.code == 1006
        assert isinstance(raised.value.__cause__, TimeoutError | OSError)
    assert 0.5 < monotonic() - start < 8
    peer.socket.close()


def test_peer_that_answers_pings_is_left_alone() -> None:
    options = Options(ping_interval=0.2, ping_timeout=0.2)
    ours, theirs = pair(client=options)
    answering = gevent.spawn(theirs.receive)
    with pytest.raises(TimeoutError):
        ours.receive(timeout=1.5)
    assert theirs.stats.pings_received >= 3
    assert ours.latency is not None
    answering.kill()
    ours.drop()
    theirs.drop()


def test_peer_whose_application_sleeps_still_answers_pings() -> None:
    with virtual_time():
        ours, theirs = pair(client=Options())  # who pings after 20 seconds, and waits for 20
        with pytest.raises(TimeoutError):
            ours.receive(timeout=90)
        assert theirs.stats.pings_received == 4
        for end in (ours, theirs):
            end.drop()


@plain_and_tls
def test_peer_that_stops_reading_ends_the_send(kind: Kind) -> None:
    server, peer = server_and_peer(Options(ping_interval=None, send_timeout=0.3), kind(SMALL))
    start = monotonic()
    with pytest.raises(ConnectionClosed) as raised:
        server.send(BIG)
    assert 0.29 < monotonic() - start < 8
    assert raised.value.code == 1006
    assert isinstance(raised.value.__cause__, TimeoutError)
    with pytest.raises(ConnectionClosed):
        server.receive()
    peer.socket.close()


def answer_pings(peer: RawPeer) -> None:
    """Answer every ping at once, in a thread of its own, until the stream ends."""
    with suppress(OSError):
        while (frame := peer.next()) is not None:
            if frame.opcode == PING:
                peer.send(PONG, frame.payload)


def test_busy_handler_accuses_no_live_peer() -> None:
    ours, theirs = socket.socketpair()
    options = Options(ping_interval=0.2, ping_timeout=0.2)
    server = end_on(Socket(fileno=ours.detach()), Side.SERVER, options)
    peer = RawPeer(theirs, Side.SERVER)
    thread = threading.Thread(target=answer_pings, args=(peer,))
    thread.start()
    for _ in range(4):
        with pytest.raises(TimeoutError):
            server.receive(timeout=0.15)
        burn(0.5)
    peer.send(TEXT, b"alive")
    assert server.receive(timeout=5) == "alive"
    assert server.latency is not None
    server.drop()
    thread.join(timeout=5)
    theirs.close()


def test_half_closed_peer_gets_what_was_under_way() -> None:
    server, peer = server_and_peer(sockets=unix(SMALL))
    sender = gevent.spawn(server.send, BIG)
    receiver = gevent.spawn(server.receive)
    gevent.sleep(0)
    peer.socket.shutdown(SHUT_WR)
    with pytest.raises(ConnectionClosed) as raised:
        receiver.get(timeout=5)
    assert (raised.value.code, raised.value.clean) == (1006, False)
    gevent.sleep(0.6)  # two sweeps of the caretaker, which may not cut it off
    closer = gevent.spawn(server.close)
    gevent.sleep(0)
    frames = peer.until_end()
    assert frames == [Raw(2, BIG)]
    sender.get(timeout=5)
    closer.get(timeout=5)
    peer.socket.close()


def test_half_closed_peer_that_takes_nothing_is_dropped() -> None:
    server, peer = server_and_peer(Options(ping_interval=None, close_timeout=0.3), unix(SMALL))
    sender = gevent.spawn(server.send, BIG)
    gevent.sleep(0)
    peer.socket.shutdown(SHUT_WR)
    start = monotonic()
    with pytest.raises(ConnectionClosed):
        server.receive()
    server.close()
    assert monotonic() - start < 8
    with pytest.raises(ConnectionClosed):
        sender.get(timeout=5)
    peer.socket.close()


# Races


def receive_to_the_end(connection: WebSocket) -> None:
    try:
        while True:
            connection.receive()
    except ConnectionClosed:
        connection.close(4003)


def send_to_the_end(connection: WebSocket) -> None:
    try:
        while True:
            connection.send("x" * 1000)
    except ConnectionClosed:
        connection.close(4004)


DEEDS: list[Callable[[WebSocket], object]] = [
    lambda connection: connection.close(4000, "a"),
    lambda connection: connection.close(4001, "b"),
    receive_to_the_end,
    send_to_the_end,
    lambda connection: connection.begin_close(4002),
]


@plain_and_tls
def test_races_to_close_all_end_well(kind: Kind) -> None:
    rng = random.Random(kind.__name__)
    for _ in range(100):
        ends = pair(kind(0))
        deeds = [(ends[0], DEEDS[0]), (ends[1], receive_to_the_end)]
        deeds += [(ends[rng.randrange(2)], rng.choice(DEEDS)) for _ in range(3)]
        taken: set[tuple[int, object]] = set()
        running = []
        rng.shuffle(deeds)
        for end, deed in deeds:
            if (id(end), deed) not in taken:  # one receiver, on each end
                taken.add((id(end), deed))
                running.append(gevent.spawn(deed, end))
                switches(rng, 4)
        gevent.joinall(running, timeout=5, raise_error=True)
        for end in ends:
            end.close()
        codes = {end.close_code for end in ends}
        assert codes <= {4000, 4001, 4002}
