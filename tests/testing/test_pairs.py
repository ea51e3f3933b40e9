"""The in-memory network as its users see it."""

from __future__ import annotations

from typing import Any, assert_type

import gevent
import pytest

import geventws
from geventws import testing
from geventws.core.codes import Side, State
from geventws.core.deflate import Deflate
from geventws.core.errors import ConnectionClosed
from geventws.core.protocol import Protocol
from geventws.testing import join, pair
from geventws.websocket import EchoWebSocket, WebSocket
from tests.ends import caught

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Greeter(WebSocket):
    """Greets by the path that was asked for."""

    def opened(self) -> None:
        assert self.request is not None
        self.send(f"hello at {self.request.path}")


def test_pair_is_open_and_joined() -> None:
    client, server = pair()
    client.send("to the server")
    server.send(b"to the client")
    assert (server.receive(timeout=1), client.receive(timeout=1)) == (
        "to the server",
        b"to the client",
    )
    with client:
        pass
    assert (client.close_code, server.close_code) == (1000, 1000)


def test_pair_runs_the_callbacks_of_a_subclass() -> None:
    client, server = pair(server=EchoWebSocket)
    client.send("echo")
    assert client.receive(timeout=1) == "echo"
    client.close()
    assert isinstance(server, EchoWebSocket)


def test_pair_gives_the_server_a_real_request() -> None:
    client, server = pair(server=Greeter, target="/room?name=a%20b")
    assert client.receive(timeout=1) == "hello at /room"
    request: Any = server.request
    assert (request.query, request.host, request.method) == ("name=a%20b", "memory", "GET")
    assert client.request is None
    client.close()


@pytest.mark.parametrize("compression", [None, Deflate()])
def test_pair_agrees_on_compression_as_a_handshake_would(compression: Deflate | None) -> None:
    client, server = pair(compression=compression)
    expected = () if compression is None else ("permessage-deflate",)
    assert (client.extensions, server.extensions) == (expected, expected)
    client.send("x" * 10_000)
    assert server.receive(timeout=1) == "x" * 10_000
    assert (server.stats.wire_received < 1000) == (compression is not None)
    client.close()


def test_pair_with_little_capacity_holds_the_sender_back() -> None:
    client, server = pair(capacity=100, compression=None)
    sender = gevent.spawn(client.send, "x" * 1000)
    gevent.sleep(0)
    assert not sender.ready()
    assert server.receive(timeout=1) == "x" * 1000
    sender.get(timeout=1)
    client.close()


def test_pair_takes_the_options_of_a_connection() -> None:
    client, server = pair(max_size=10, compression=None)
    client.send("more than ten bytes")
    assert isinstance(caught(server.receive, 1), ConnectionClosed)
    assert caught(client.receive, 1).code == 1009
    with pytest.raises(ValueError, match="ping_timeout"):
        pair(ping_timeout=-1)


def test_pair_is_looked_after() -> None:
    client, server = pair()
    assert client.ping(timeout=5) >= 0  # though the server's application does nothing
    assert server.stats.pings_received == 1
    client.close()


def test_pair_has_the_types_that_were_asked_for() -> None:
    neither, right, left = pair(), pair(server=Greeter), pair(EchoWebSocket)
    both = pair(Greeter, EchoWebSocket)
    assert_type(neither, tuple[WebSocket, WebSocket])
    assert_type(right, tuple[WebSocket, Greeter])
    assert_type(left, tuple[EchoWebSocket, WebSocket])
    assert_type(both, tuple[Greeter, EchoWebSocket])
    for made in (neither, right, left, both):
        for end in made:
            end.drop()


def test_two_cores_are_joined_until_neither_has_more_to_say() -> None:
    client, server = Protocol(Side.CLIENT), Protocol(Side.SERVER)
    client.send_message("hello")
    client.send_ping(b"there?")
    server.send_message(b"welcome")
    join(client, server)
    assert (server.next_message(), client.next_message()) == ("hello", b"welcome")
    assert list(client.pongs or ()) == [b"there?"]
    client.close(3000)
    join(client, server)
    assert (client.state, server.state) == (State.CLOSED, State.CLOSED)
    assert (client.close_code, server.close_code) == (3000, 3000)


def test_testing_has_the_transports_too() -> None:
    near, far = testing.transports(capacity=5)
    assert isinstance(near, testing.MemoryTransport)
    near.close()
    far.close()


def test_handlers_are_tested_as_the_documentation_shows() -> None:
    def handler(ws: geventws.WebSocket) -> None:
        for message in ws:
            ws.send(message)

    client, server = pair()
    handling = gevent.spawn(handler, server)
    client.send("hello")
    assert client.receive(timeout=1) == "hello"
    client.close()
    handling.get(timeout=1)
