"""Our client and other people's servers: every way of talking, with each of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.options import DEFLATE
from geventws.websocket import WebSocket
from tests.interop.peers import THEIR_SERVERS
from tests.interop.scenes import (
    CLOSES,
    FRAGMENTS,
    IN_TIME,
    MESSAGES,
    PLAIN,
    REFUSAL,
    SUBPROTOCOL,
    client_context,
    joined,
)
from tests.interop.their_servers import TheirServer

TABLE = list(product(THEIR_SERVERS, ["plain", "tls"], ["deflate", "raw"]))


@pytest.fixture(
    scope="module", params=TABLE, ids=[f"{kind.__name__}-{tls}-{how}" for kind, tls, how in TABLE]
)
def server(request: pytest.FixtureRequest) -> Iterator[TheirServer]:
    kind, tls, how = request.param
    server = kind(tls == "tls", PLAIN if how == "deflate" else None)
    yield server
    server.stop()


def visit(server: TheirServer, path: str, **arguments: Any) -> WebSocket:
    """Return a connection to *server*."""
    context = None if server.context is None else client_context()
    compression = None if server.compression is None else DEFLATE
    uri = f"{server.uri}/{path}"
    ws: WebSocket = geventws.connect(uri, ssl=context, compression=compression, **arguments)
    return ws


def test_client_gets_back_what_it_sends(server: TheirServer) -> None:
    with visit(server, "echo") as ws:
        assert ws.extensions == (("permessage-deflate",) if server.compression else ())
        for name, message in MESSAGES.items():
            ws.send(message)
            assert ws.receive(timeout=IN_TIME) == message, name


def test_client_sends_many_before_it_receives(server: TheirServer) -> None:
    with visit(server, "echo") as ws:
        for number in range(100):
            ws.send(f"message {number} " * 10)
        received = [ws.receive(timeout=IN_TIME) for _ in range(100)]
        assert received == [f"message {number} " * 10 for number in range(100)]


def test_client_sends_fragments(server: TheirServer) -> None:
    with visit(server, "echo") as ws:
        for name, fragments in FRAGMENTS.items():
            ws.send(iter(fragments))
            assert ws.receive(timeout=IN_TIME) == joined(fragments), name


def test_client_receives_fragments(server: TheirServer) -> None:
    if not server.can_fragment:
        return
    with visit(server, "cut") as ws:
        for name, fragments in FRAGMENTS.items():
            ws.send(joined(fragments))
            assert ws.receive(timeout=IN_TIME) == joined(fragments), name


def test_client_pings_and_is_pinged(server: TheirServer) -> None:
    with visit(server, "echo") as ws:
        assert 0 < ws.ping(timeout=IN_TIME) < IN_TIME
    with visit(server, "ping") as ws:
        assert ws.receive(timeout=IN_TIME) == "you are"


@pytest.mark.parametrize(("code", "reason"), CLOSES)
def test_client_closes(server: TheirServer, code: int, reason: str) -> None:
    ws = visit(server, "listen")
    ws.close(code, reason)
    assert server.closes.get(timeout=IN_TIME) == (code, reason)
    with pytest.raises(ConnectionClosed) as caught:
        ws.receive()
    assert caught.value.clean
    assert caught.value.code in (code, 1000)  # which is what aiohttp answers to any


@pytest.mark.parametrize(("code", "reason"), CLOSES)
def test_client_is_closed(server: TheirServer, code: int, reason: str) -> None:
    with visit(server, "close") as ws:
        ws.send(f"{code} {reason}")
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=IN_TIME)
    assert (caught.value.code, caught.value.reason, caught.value.clean) == (code, reason, True)


def test_client_and_server_agree_on_a_subprotocol(server: TheirServer) -> None:
    with visit(server, "echo", subprotocols=["superchat", SUBPROTOCOL]) as ws:
        assert ws.subprotocol == SUBPROTOCOL


def test_client_is_told_why_it_was_refused(server: TheirServer) -> None:
    with pytest.raises(geventws.Rejected) as caught:
        visit(server, "refuse")
    status, name, value, body = REFUSAL
    error = caught.value
    assert (error.status, error.headers.get(name), error.body) == (status, value, body)
