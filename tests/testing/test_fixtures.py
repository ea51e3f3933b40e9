"""What the fixtures for pytest give."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event

from geventws.core.errors import ConnectionClosed
from geventws.testing.fixtures import connections, networks, nothing_left, pairs, servers
from geventws.websocket import EchoWebSocket
from tests.ends import caught
from tests.servers import certified, trusting
from tests.serving import echo

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def application(environ: Any, start_response: Any) -> list[bytes]:
    """Send the path back."""
    environ["wsgi.websocket"].send(environ["PATH_INFO"])
    return []


def test_servers_run_until_the_end() -> None:
    with connections() as connect, servers() as start:
        first, second = start(echo), start(EchoWebSocket, max_size=10)
        ws = connect(first, "/path")
        ws.send("echo")
        assert ws.receive(timeout=10) == "echo"
        assert connect(second).ping(timeout=10) >= 0
        port = first.address[1]
    assert not first.started
    assert isinstance(caught(lambda: connect(f"ws://127.0.0.1:{port}/")), ConnectionRefusedError)


def test_connections_go_to_applications_and_urls_too() -> None:
    with servers() as start, connections() as connect:
        url = f"ws://127.0.0.1:{start(echo).address[1]}/"
        ws = connect(url, proxy=None)
        assert connect(application, "/here").receive(timeout=10) == "/here"
    assert ws.close_code == 1000


def test_connection_to_a_server_with_tls_has_tls() -> None:
    with servers() as start, connections() as connect:
        server = start(EchoWebSocket, ssl=certified("127.0.0.1"))
        assert connect(server, ssl=trusting()).ping(timeout=10) >= 0


def test_path_beside_a_url_is_refused() -> None:
    with connections() as connect, pytest.raises(TypeError, match="path"):
        connect("ws://127.0.0.1:1/", "/path")


def test_pairs_are_dropped_at_the_end() -> None:
    with pairs() as make:
        client, server = make(server=EchoWebSocket)
        client.send("echo")
        assert client.receive(timeout=10) == "echo"
    assert isinstance(caught(server.receive), ConnectionClosed)


def test_network_is_open_for_the_block() -> None:
    with networks(5) as network:
        gevent.sleep(100)
        assert (network.seed, network.now) == (5, 100)


def test_what_is_left_is_told_after_the_block() -> None:
    stop = Event()
    with nothing_left(patience=0.1) as left:
        waiting = gevent.spawn(stop.wait)
    try:
        assert len(left) == 1
    finally:
        stop.set()
        waiting.join()
