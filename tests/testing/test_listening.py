"""A server on a network in memory."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Opening
from geventws.memory import transports
from geventws.testing.listening import Server
from geventws.testing.network import Network
from geventws.websocket import WebSocket
from tests.ends import caught, run
from tests.serving import echo

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@pytest.fixture
def network() -> Iterator[Network]:
    """Return an open network."""
    with Network(1) as made:
        yield made


def test_stopped_server_closes_its_connections_and_refuses_new_ones(network: Network) -> None:
    server = network.serve(echo)
    ws = network.connect()
    server.stop(1012, "back soon")
    with pytest.raises(ConnectionClosed) as closed:
        ws.receive(timeout=10)
    assert (closed.value.code, closed.value.reason) == (1012, "back soon")
    assert isinstance(caught(network.connect), ConnectionRefusedError)
    server.start()
    network.connect().close()
    gevent.sleep(1)
    assert (server.connections, server.listening) == ([], True)


def test_killed_server_drops_its_connections(network: Network) -> None:
    server = network.serve(lambda ws: Event().wait())
    ws = network.connect()
    server.kill()
    assert caught(ws.receive).code == 1001
    assert (server.connections, server.listening) == ([], False)


def test_handler_that_fails_closes_with_1011(network: Network) -> None:
    def fail(ws: WebSocket) -> None:
        raise KeyError

    network.serve(fail)
    assert caught(network.connect().receive).code == 1011


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 426 "),
        (b"no request\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /" + b"a" * 9000, b"HTTP/1.1 414 "),
        (b"GET /", b""),  # and then nothing, for open_timeout
    ],
)
def test_request_that_opens_no_websocket_is_answered(
    network: Network, said: bytes, heard: bytes
) -> None:
    server = Server(echo, open_timeout=10)
    near, far = transports()
    server.take(far)
    near.post([said])
    assert near.read(60).startswith(heard)
    near.close()
    far.close()
    assert network.now == (0 if heard else 10)


def test_client_that_takes_no_answer_is_left_at_open_timeout(network: Network) -> None:
    near, far = transports(capacity=0)
    far.arrive(Opening("server", "/", compression=None).request())
    Server(echo, open_timeout=10).take(far)
    assert near.read(60) == b""
    assert network.now == 10
    near.close()


def test_killed_opening_closes_its_transport(network: Network) -> None:
    server = Server(echo)
    near, far = transports()
    server.take(far)
    run()
    server.kill()
    assert (far.closed, near.read()) == (True, b"")
    near.close()


def test_handler_has_to_be_one() -> None:
    with pytest.raises(TypeError, match="handler"):
        Server("no handler")  # type: ignore[arg-type]
