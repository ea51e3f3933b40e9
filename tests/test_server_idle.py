"""What an idle connection holds, counted in objects: bytes differ by machine, Python and twin."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from geventws.acceptor import Acceptor
from geventws.pywsgi import WSGIServer
from geventws.server import serve
from geventws.websocket import EchoWebSocket
from geventws.wsgi import WebSocketWSGIApplication
from tests.rawpeer import PING, PONG, RawPeer, frame
from tests.serving import LOCAL, echo, running

MANY = 8
# Of each one, since it is the connection's; the peers, which are here too, have none of these.
OURS = ("Transport", "Protocol", "Keepalive", "Request", "Arrival")
# What the opening, or a message, has done with.
DONE = {
    *("deque", "generator", "cell", "function", "bytearray", "BytesIO"),
    *("Accepted", "Headers", "HeadReader", "Outbox", "OldMessage"),
    *("SecureEnviron", "Environ", "LazyWebSocket"),
}
METHODS = 8  # bound ones: what hub, caretaker, manager, transport and gevent call


def wsgi() -> Acceptor:
    return WSGIServer(LOCAL, WebSocketWSGIApplication(handler_cls=EchoWebSocket), log=None)


def callback() -> Acceptor:
    return serve(EchoWebSocket, LOCAL)


def receive() -> Acceptor:
    return serve(echo, LOCAL)


def each_object() -> Counter[str]:
    """Count by type what there is, of what refers to something."""
    gc.collect()
    return Counter(type(each).__name__ for each in gc.get_objects())


def held(server: Acceptor, visit: Callable[[RawPeer], Any]) -> Counter[str]:
    """Return what MANY connections hold that have been opened and visited."""
    with running(server), ExitStack() as stack:
        peers = [stack.enter_context(RawPeer.to(server.address)) for _ in range(MANY + 1)]
        meet(peers[0], visit)  # what the first one brings into being is there for all
        before = each_object()
        for peer in peers[1:]:
            meet(peer, visit)
        after = each_object()
    after.subtract(before)
    return after


def meet(peer: RawPeer, visit: Callable[[RawPeer], Any]) -> None:
    peer.upgrade()
    visit(peer)


def ping(peer: RawPeer) -> None:
    peer.send(frame(PONG, b"") + frame(PING, b"?"))
    assert peer.read_frame()[-1] == b"?"


@pytest.mark.parametrize("visit", [lambda peer: None, ping], ids=["opened", "visited"])
@pytest.mark.parametrize("make", [receive, callback, wsgi])
def test_idle_connection_holds_nothing_of_its_opening(
    make: Callable[[], Acceptor], visit: Callable[[RawPeer], Any]
) -> None:
    found = held(make(), visit)
    assert {name: found[name] for name in DONE if found[name] > 0} == {}
    assert all(found[name] <= MANY for name in OURS)
    assert found["method"] <= METHODS * MANY
    assert found["io"] <= 3 * MANY  # the transport's, and two of the peer's socket
