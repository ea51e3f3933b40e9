"""One connection that never rests, beside others that want little (their round trips go on)."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.socket import socket as Socket

from geventws.core.codes import BINARY, CONTINUATION, PING, TEXT, Side
from geventws.core.errors import ConnectionClosed
from geventws.tls import wrap
from geventws.websocket import EchoWebSocket, WebSocket
from geventws.workers import workers
from tests.core.helpers import AGREED, PLAIN, frame_to, raw_frame
from tests.leaks import census, settle
from tests.pairs import HOST, QUIET, Pair, burn, contexts, end_of, end_on, pair

QUIET_PAIRS = 10
ROUND_TRIPS = 50
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
PATIENCE = 30.0  # seconds for all of them; starved, they would take for ever
WORST = 5.0  # seconds that one round trip may take, on however busy a machine


# The connection that never rests; its peer is a thread, which the hub cannot hold up


@contextmanager
def thread_peer(secure: bool, work: Callable[[Any], None]) -> Iterator[Any]:
    """Yield our socket to a peer that does *work* in a thread until the socket is closed."""
    ours, theirs = socket.socketpair()
    last_word = ours.dup()
    client, server = contexts(ssl.TLSVersion.TLSv1_3)

    def run() -> None:
        with suppress(OSError), theirs:
            if secure:
                with client.wrap_socket(theirs, server_hostname=HOST) as wrapped:
                    work(wrapped)
            else:
                work(theirs)

    thread = threading.Thread(target=run)
    thread.start()
    sock: Any = Socket(fileno=ours.detach())
    if secure:
        sock = wrap(sock, server)
        sock.do_handshake()
    try:
        yield sock
    finally:
        with last_word:
            last_word.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)
        assert not thread.is_alive()


def flood_of(data: bytes) -> Callable[[Any], None]:
    """Return what sends *data* for ever, with always more than 64 KiB under way."""
    whole = data * max(1, 256 * 1024 // len(data))

    def flood(sock: Any) -> None:
        sock.setblocking(False)
        rest = memoryview(whole)
        while True:  # in one thread: no two may use one TLS socket
            select.select([sock], [sock], [])
            with suppress(*NOT_NOW):
                rest = rest[sock.send(rest) :] or memoryview(whole)
            with suppress(*NOT_NOW):
                if not sock.recv(1 << 18):
                    return

    return flood


def swallow(sock: Any) -> None:
    """Read as fast as can be, to the end."""
    with suppress(OSError):
        while sock.recv(1 << 18):
            pass


# The others


@contextmanager
def quiet_pairs() -> Iterator[list[Pair]]:
    """Yield connections whose servers echo."""
    pairs = [pair() for _ in range(QUIET_PAIRS)]
    echoing = [gevent.spawn(echo, each.server) for each in pairs]
    try:
        yield pairs
    finally:
        for each in pairs:
            each.drop()
        gevent.joinall(echoing, timeout=5)


def echo(connection: WebSocket) -> None:
    with suppress(ConnectionClosed):
        for message in connection:
            connection.send(message)


def round_trips(client: WebSocket) -> float:
    """Make them all; return the seconds of the longest."""
    worst = 0.0
    for n in range(ROUND_TRIPS):
        start = monotonic()
        client.send(str(n))
        assert client.receive() == str(n)
        worst = max(worst, monotonic() - start)
    return worst


def check_quiet_ones(at_work: Callable[[], int]) -> None:
    """Check that round trips go on beside a connection that is *at_work*."""
    with quiet_pairs() as pairs:
        with gevent.Timeout(PATIENCE):
            while not (before := at_work()):
                gevent.sleep(0.001)
        running = [gevent.spawn(round_trips, each.client) for each in pairs]
        gevent.joinall(running, timeout=PATIENCE, raise_error=True)
        assert [each for each in running if not each.ready()] == []
        worst = max(each.get() for each in running)
        assert worst < WORST, f"a round trip took {worst:.3f} s"
        with gevent.Timeout(PATIENCE):
            while at_work() == before:  # it goes on too
                gevent.sleep(0.001)


def receive_all(connection: WebSocket) -> None:
    with suppress(ConnectionClosed):
        while True:
            connection.receive()


def bomb() -> bytes:
    """Return a frame of a kibibyte that inflates to one message of a mebibyte."""
    data = AGREED._replace(client_no_context_takeover=True).deflater(Side.CLIENT)
    return raw_frame(BINARY, data.deflate(bytes(1 << 20), True), PLAIN, True, 4)


FLOODS = {
    "small-messages": frame_to(Side.SERVER, TEXT, b"sixteen bytes ok"),
    "large-messages": frame_to(Side.SERVER, BINARY, bytes(200_000)),
    "pings": frame_to(Side.SERVER, PING, b"?"),
    "empty-messages": frame_to(Side.SERVER, TEXT),
    "empty-fragments": frame_to(Side.SERVER, TEXT, b"", False)
    + frame_to(Side.SERVER, CONTINUATION, b"", False) * 500
    + frame_to(Side.SERVER, CONTINUATION),
    "bombs": bomb(),
}


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", FLOODS)
def test_quiet_connections_go_on_beside_a_flood(name: str, secure: bool) -> None:
    before = census()
    agreed = AGREED._replace(client_no_context_takeover=True) if name == "bombs" else None
    with thread_peer(secure, flood_of(FLOODS[name])) as sock:
        flooded = end_on(sock, Side.SERVER, QUIET, agreed)
        receiver = gevent.spawn(receive_all, flooded)
        check_quiet_ones(lambda: flooded.stats.wire_received)
        flooded.drop()
        receiver.get(timeout=5)
    settle(before)


def test_quiet_connections_go_on_beside_a_flood_that_is_echoed() -> None:
    before = census()
    with thread_peer(False, flood_of(FLOODS["small-messages"])) as sock:
        flooded = end_on(sock, Side.SERVER)
        echoing = gevent.spawn(echo, flooded)
        check_quiet_ones(lambda: flooded.stats.messages_sent)
        flooded.drop()
        echoing.get(timeout=5)
    settle(before)


@pytest.mark.parametrize("name", ["small-messages", "pings"])
def test_quiet_connections_go_on_beside_a_flood_of_callbacks(name: str) -> None:
    before = census()
    with thread_peer(False, flood_of(FLOODS[name])) as sock:
        flooded = end_of(EchoWebSocket, sock, Side.SERVER)
        workers().drive(flooded, flooded._transport)
        check_quiet_ones(lambda: flooded.stats.wire_received)
        flooded.drop()
    settle(before)


def test_quiet_connections_go_on_beside_a_flood_that_nobody_receives() -> None:
    before = census()
    with thread_peer(False, flood_of(FLOODS["pings"])) as sock:
        flooded = end_on(sock, Side.SERVER)
        with quiet_pairs() as pairs:
            running = [gevent.spawn(round_trips, each.client) for each in pairs]
            assert max(each.get(timeout=PATIENCE) for each in running) < WORST
        assert flooded._protocol.buffered() < 1 << 18
        flooded.drop()
    settle(before)


MESSAGES: dict[str, Any] = {
    "small-messages": "sixteen bytes ok",
    "large-messages": bytes(200_000),
    "compressed-messages": "compresses well, and takes its time " * 5_000,
    "fragments": ["fragment"] * 1000,
}


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", MESSAGES)
def test_quiet_connections_go_on_beside_one_that_sends_for_ever(name: str, secure: bool) -> None:
    before = census()
    agreed = AGREED if name == "compressed-messages" else None
    with thread_peer(secure, swallow) as sock:
        sending = end_on(sock, Side.SERVER, QUIET, agreed)

        def send() -> None:
            with suppress(ConnectionClosed):
                while True:
                    sending.send(MESSAGES[name])

        sender = gevent.spawn(send)
        check_quiet_ones(lambda: sending.stats.wire_sent)
        sending.drop()
        sender.get(timeout=5)
    settle(before)


def test_quiet_connections_go_on_beside_a_slow_application() -> None:
    before = census()
    with thread_peer(False, flood_of(FLOODS["small-messages"])) as sock:
        flooded = end_on(sock, Side.SERVER)

        def work() -> None:
            with suppress(ConnectionClosed):
                for _ in flooded:
                    end = monotonic() + 0.002
                    while monotonic() < end:
                        pass

        worker = gevent.spawn(work)
        check_quiet_ones(lambda: flooded.stats.messages_received)
        flooded.drop()
        worker.get(timeout=5)
    settle(before)


def turns() -> int:
    """Return how often the hub has looked at its watchers."""
    count: int = gevent.get_hub().loop.iteration
    return count


def test_who_sends_now_and_then_does_not_wait_for_others_that_have_just_run() -> None:
    before = census()
    ours, theirs = pair()
    for _ in range(5):
        gevent.sleep(0.01)
        turn = turns()
        ours.send("news")
        assert turns() == turn
    ours.drop()
    theirs.drop()
    settle(before)


def test_who_works_between_two_messages_and_never_waits_lets_others_run() -> None:
    before = census()
    ours, theirs = pair()
    turn = turns()
    for _ in range(3):
        burn(0.01)
        ours.send("news")
    assert turns() > turn
    ours.drop()
    theirs.drop()
    settle(before)
