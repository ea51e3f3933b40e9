from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websockets.sync.server

from geventws.adapters.threaded import connect
from geventws.adapters.threaded.dial import closing_on_failure, dial, secure
from geventws.uri import parse_uri
from tests.threads import (
    LOCAL,
    PATIENCE,
    Threads,
    contexts,
    echo_of_theirs,
    joined_threads,
    saying,
    serving,
)


@pytest.fixture
def threads() -> Iterator[Threads]:
    with joined_threads() as started:
        yield started


def test_connect_tries_every_address() -> None:
    # the server listens on IPv4 alone, where "localhost" may be IPv6 too
    with serving() as server, connect(f"ws://localhost:{server.address[1]}/") as ws:
        assert ws.peer_address == server.address


def test_connect_reaches_a_unix_socket(tmp_path: Any, threads: Threads) -> None:
    path = str(tmp_path / "socket")
    with websockets.sync.server.unix_serve(echo_of_theirs, path) as server:
        threads.start(server.serve_forever)
        with connect(f"ws+unix://{path}:/chat") as ws:
            ws.send("x")
            assert ws.receive(PATIENCE) == "x"
        server.shutdown()


def test_connect_raises_when_nobody_listens() -> None:
    with socket.create_server(LOCAL) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        connect(f"ws://127.0.0.1:{port}/", open_timeout=None)


def test_connect_raises_when_there_is_no_such_host() -> None:
    with pytest.raises(socket.gaierror):
        connect("ws://nowhere.invalid/")


def test_dial_begins_at_the_source_address() -> None:
    with (
        socket.create_server(LOCAL) as listener,
        dial(
            parse_uri(f"ws://127.0.0.1:{listener.getsockname()[1]}/"), None, ("127.0.0.3", 0)
        ) as sock,
    ):
        assert sock.getsockname()[0] == "127.0.0.3"


def test_dial_closes_a_socket_whose_source_address_is_not_ours() -> None:
    with socket.create_server(LOCAL) as listener, pytest.raises(OSError, match="assign"):
        dial(parse_uri(f"ws://127.0.0.1:{listener.getsockname()[1]}/"), None, ("192.0.2.1", 0))


def test_closing_on_failure_closes_only_then() -> None:
    with socket.socket() as sock:
        with closing_on_failure(sock):
            pass
        assert sock.fileno() >= 0
        with pytest.raises(LookupError), closing_on_failure(sock):
            raise LookupError
        assert sock.fileno() < 0


def test_secure_closes_where_the_deadline_has_passed() -> None:
    near, far = socket.socketpair()
    with far, pytest.raises(TimeoutError, match="the TLS handshake took longer"):
        secure(near, contexts()[0], "localhost", 0.0)
    assert near.fileno() < 0


def test_connect_raises_when_tls_takes_too_long() -> None:
    with (
        saying() as port,
        pytest.raises(TimeoutError, match="the TLS handshake took longer than open_timeout"),
    ):
        connect(f"wss://127.0.0.1:{port}/", open_timeout=0.2)


def test_connect_raises_when_tcp_takes_too_long() -> None:
    with full_port() as port, pytest.raises(TimeoutError, match="the TCP handshake took longer"):
        connect(f"ws://127.0.0.1:{port}/", open_timeout=0.05)


def test_connect_raises_when_the_name_lookup_takes_too_long() -> None:
    with pytest.raises(TimeoutError, match="the name lookup took longer"):
        connect("ws://localhost/", open_timeout=1e-9)


@contextmanager
def full_port() -> Iterator[int]:
    """Give a port that answers nobody, for its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(LOCAL)
        listener.listen(0)
        first.connect(listener.getsockname())
        second.settimeout(0)
        second.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
