from __future__ import annotations

import socket
from typing import Any

import pytest

from geventws.adapters.threaded import EchoWebSocket, SelectPoller, connect
from geventws.core.errors import ConnectionClosed
from tests.adapters.threaded.managers import managed, no_low_descriptors
from tests.threads import PATIENCE, contexts, serving, uri


def test_server_refuses_what_is_no_handshake() -> None:
    with serving() as server, socket.create_connection(server.address) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_all(sock).startswith(b"HTTP/1.1 426 ")
    with serving() as server, socket.create_connection(server.address) as sock:
        sock.sendall(b"GET / HTTP/1.1\nHost: a\n\n")
        assert read_all(sock).startswith(b"HTTP/1.1 400 ")


def test_server_refuses_who_takes_too_long() -> None:
    with serving(open_timeout=0.05) as server, socket.create_connection(server.address) as sock:
        assert read_all(sock).startswith(b"HTTP/1.1 408 ")


def test_server_goes_on_after_a_failed_tls_handshake() -> None:
    theirs, ours = contexts()
    with serving(ssl=ours) as server:
        with socket.create_connection(server.address) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            read_all(sock)
        with connect(uri(server, secure=True), ssl=theirs) as ws:
            assert ws.ping(PATIENCE) > 0


def test_server_ends_when_it_is_closed_and_its_connections_go_on() -> None:
    with serving() as server:
        ws = connect(uri(server))
    with ws:
        ws.send("hello")
        assert ws.receive(PATIENCE) == "hello"
    with pytest.raises(ConnectionRefusedError):
        connect(uri(server))


def test_server_runs_callbacks_in_a_thread_for_each_connection() -> None:
    with serving(EchoWebSocket) as server:
        clients = [connect(uri(server)) for _ in range(5)]
        for ws in clients:
            ws.send("hello")
            assert ws.receive(PATIENCE) == "hello"
        for ws in clients:
            ws.close()
            assert ws.close_code == 1000


def test_server_runs_callbacks_in_the_threads_of_a_manager() -> None:
    with managed() as manager, serving(EchoWebSocket, manager=manager) as server:
        with connect(uri(server)) as ws:
            ws.send("hello")
            assert ws.receive(PATIENCE) == "hello"
            assert [each.request.path for each in manager if each.request] == ["/some/path"]
        assert manager.join(PATIENCE)


def test_server_closes_whom_its_manager_cannot_take(caplog: Any) -> None:
    with managed(SelectPoller()) as manager, serving(EchoWebSocket, manager=manager) as server:
        with no_low_descriptors(), connect(uri(server)) as first, connect(uri(server)) as second:
            # an accept() that waits has its descriptor already, and that one is low
            first.send("hello")
            assert first.receive(PATIENCE) == "hello"
            with pytest.raises(ConnectionClosed):
                second.receive(PATIENCE)
        assert second.close_code == 1011
    assert "select() knows descriptors below 1024 only" in caplog.text


def read_all(sock: socket.socket) -> bytes:
    """Return what comes up to the end."""
    sock.settimeout(PATIENCE)
    data = b""
    try:
        while more := sock.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data
