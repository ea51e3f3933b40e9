"""Openings that are slow, endless or too many, by the hundred: 408, 414, 431, 503, and an end."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import gevent
import pytest

from geventws.acceptor import Acceptor
from geventws.limits import RESERVE, Limits
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.wsgi import WebSocketWSGIApplication
from tests.crowds import Elsewhere, crowd, each, until
from tests.rawpeer import TEXT, RawPeer, frame, head
from tests.servers import certified
from tests.serving import LOCAL, echo, running

MANY = 200
SOON = 0.25  # seconds, as an open_timeout


def native(**arguments: Any) -> Acceptor:
    """Return a native server."""
    return serve(echo, LOCAL, **arguments)


def wsgi(**arguments: Any) -> Acceptor:
    """Return a WSGI server."""
    return WSGIServer(LOCAL, WebSocketWSGIApplication(handler=echo), log=None, **arguments)


each_server = pytest.mark.parametrize("make", [native, wsgi])


def answer(peer: RawPeer) -> int:
    """Return the status that *peer* is answered, and 0 where it is not even listened to."""
    try:
        return peer.read_head().status
    except (EOFError, ConnectionError):
        return 0


@each_server
@pytest.mark.parametrize("said", [b"", head()[:-2]], ids=["silent", "unfinished"])
def test_opening_that_is_not_complete_in_time_is_answered_408(make: Any, said: bytes) -> None:
    with running(make(open_timeout=SOON)) as server, crowd(server.address, MANY) as peers:
        for peer in peers:
            peer.send(said)
        assert Counter(each(peers, answer)) == {408: MANY}
        until(lambda: not server._arrivals)


@each_server
def test_opening_that_drips_has_no_more_time_than_others(make: Any) -> None:
    def drip(peer: RawPeer) -> None:
        with suppress(OSError):
            while True:
                peer.send(b"x")
                gevent.sleep(0.05)  # not to wait for anything: the peer is that slow

    with running(make(open_timeout=SOON)) as server, crowd(server.address, 50) as peers:
        each(peers, drip)
        until(lambda: not server._arrivals)


def test_client_is_served_while_hundreds_do_not_finish_theirs() -> None:
    with running(native()) as server, crowd(server.address, MANY) as peers:
        for peer in peers:
            peer.send(head()[:30])
        with RawPeer.to(server.address) as quick:
            quick.upgrade()
            quick.send(frame(TEXT, b"hi"))
            assert quick.read_frame() == (TEXT, b"hi")
            quick.end()


@each_server
def test_tls_that_is_never_finished_ends_in_time(make: Any) -> None:
    server = make(open_timeout=SOON, ssl=certified("localhost"))
    with running(server), crowd(server.address, MANY) as peers:
        for peer in peers[: MANY // 2]:
            peer.send(b"\x16\x03\x01\x02\x00\x01")  # a record that is to be 512 bytes long
        assert each(peers, lambda peer: peer.read_to_end()) == [b""] * MANY
        until(lambda: not server._arrivals)


HEADS = {
    "line": (b"GET /" + b"a" * 8200, 414),
    "header": (head()[:-2] + b"X: " + b"a" * 8200, 431),
    "headers": (head()[:-2] + b"X: a\r\n" * 101 + b"\r\n", 431),
    "head": (head()[:-2] + (b"X: " + b"a" * 8000 + b"\r\n") * 5, 431),
}


@each_server
@pytest.mark.parametrize("kind", HEADS)
def test_head_over_a_limit_is_refused(make: Any, kind: str) -> None:
    said, status = HEADS[kind]
    with running(make()) as server, crowd(server.address, MANY) as peers:

        def ask(peer: RawPeer) -> int:
            peer.send(said)
            return answer(peer)

        assert Counter(each(peers, ask)) == {status: MANY}


@pytest.mark.parametrize("endless", [b"a" * 65536, b"X: a\r\n" * 10000], ids=["line", "headers"])
def test_head_without_end_costs_no_memory(endless: bytes) -> None:
    def ask(peer: RawPeer) -> None:
        with suppress(OSError):  # at some point nobody listens
            peer.send(head()[:-2])
            for _ in range(32):  # two mebibytes of them
                peer.send(endless)

    with (
        Elsewhere() as server,
        server.growing_less_than(40),
        crowd(server.address, MANY) as peers,
    ):
        each(peers, ask)


@each_server
@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (Limits(max_connections=50), 503),
        (Limits(per_address=50), 429),
        (Limits(handshake_rate=(1e-6, 50)), 429),
    ],
    ids=["max_connections", "per_address", "handshake_rate"],
)
def test_exactly_as_many_are_let_in_as_may_be(make: Any, limits: Limits, status: int) -> None:
    with running(make(limits=limits)) as server, crowd(server.address, 50 + RESERVE) as peers:

        def ask(peer: RawPeer) -> int:
            peer.send(head())
            return answer(peer)

        assert Counter(each(peers, ask)) == {101: 50, status: RESERVE}
        assert server.connections == 50


@each_server
def test_crowd_that_is_turned_away_takes_no_place_for_long(make: Any) -> None:
    with running(make(limits=Limits(max_connections=50))) as server:
        with crowd(server.address, 300) as peers:
            for peer in peers:
                peer.socket.settimeout(30)
            served = each(peers, _try)
            assert served.count(101) == 50
            assert set(served) <= {101, 503, 0}
        until(lambda: not server._arrivals and not server.connections)
        with RawPeer.to(server.address) as peer:
            peer.upgrade()


def _try(peer: RawPeer) -> int:
    try:
        peer.send(head())
    except OSError:
        return 0
    return answer(peer)
