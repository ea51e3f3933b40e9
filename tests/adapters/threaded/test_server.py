from __future__ import annotations

import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest

from geventws.adapters.threaded import (
    EchoWebSocket,
    SelectPoller,
    ThreadedWebSocket,
    connect,
)
from geventws.core.errors import ConnectionClosed
from tests.adapters.threaded.managers import managed, no_low_descriptors
from tests.threads import PATIENCE, contexts, joined_threads, no_more_threads, serving, uri


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
    with (
        managed(SelectPoller()) as manager,
        serving(EchoWebSocket, manager=manager) as server,
        connect(uri(server)) as first,
    ):
        first.send("hello")
        assert first.receive(PATIENCE) == "hello"
        # an accept() that waits has its descriptor already, and that one is low
        with no_low_descriptors(), connect(uri(server)), connect(uri(server)) as last:
            with pytest.raises(ConnectionClosed):
                last.receive(PATIENCE)
            assert last.close_code == 1011
    assert "select() knows descriptors below 1024 only" in caplog.text


# Shortages


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """See to it that none can be opened."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def said() -> Iterator[SimpleQueue[logging.LogRecord]]:
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    logger, handler = logging.getLogger("geventws"), QueueHandler(records)
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_server_accepts_again_after_a_shortage_of_descriptors(
    said: SimpleQueue[logging.LogRecord],
) -> None:
    with serving() as server, socket.socket() as first, socket.socket() as second:
        with no_more_descriptors():
            for sock in (first, second):  # an accept() that waits has its descriptor already
                sock.connect(server.address)
            record = said.get(timeout=PATIENCE)
            assert "accepts no connection for now" in record.getMessage()
        second.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_all(second).startswith(b"HTTP/1.1 426 ")


def test_server_drops_whom_it_has_no_thread_for_and_goes_on(caplog: Any) -> None:
    with serving() as server:
        with no_more_threads(), socket.create_connection(server.address) as sock:
            assert read_all(sock) == b""
        with connect(uri(server)) as ws:
            ws.send("hello")
            assert ws.receive(PATIENCE) == "hello"
    assert "a connection was dropped" in caplog.text


# Draining


def test_server_is_drained_of_the_connections_that_have_threads() -> None:
    left: SimpleQueue[str] = SimpleQueue()

    def handle(ws: ThreadedWebSocket) -> None:
        for message in ws:
            ws.send(message)
        left.put("a handler")

    with serving(handle) as server:
        check_drained(server)
        assert [left.get_nowait() for _ in range(3)] == ["a handler"] * 3


def test_server_is_drained_of_the_connections_of_its_manager() -> None:
    with managed() as manager, serving(EchoWebSocket, manager=manager) as server:
        check_drained(server)
        assert manager.join(PATIENCE)


def check_drained(server: Any) -> None:
    clients = [connect(uri(server)) for _ in range(3)]
    for ws in clients:
        ws.send("hello")
        assert ws.receive(PATIENCE) == "hello"
    with joined_threads() as threads:
        draining = threads.start(server.drain, PATIENCE)
        for ws in clients:
            with pytest.raises(ConnectionClosed) as raised:
                ws.receive(PATIENCE)
            assert raised.value.code == 1001
            ws.close()
        assert draining.result(PATIENCE)
    with pytest.raises(ConnectionRefusedError):
        connect(uri(server))


def test_server_drops_whom_it_cannot_drain_in_time() -> None:
    begun, go_on = Event(), Event()

    def handle(ws: ThreadedWebSocket) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    with serving(handle) as server, connect(uri(server)) as ws:
        assert begun.wait(PATIENCE)
        try:
            assert not server.drain(0.05)
            with pytest.raises(ConnectionClosed):
                ws.receive(PATIENCE)
        finally:
            go_on.set()


def test_server_that_drains_closes_who_is_still_in_the_handshake() -> None:
    asked, go_on = Event(), Event()

    def process_request(request: Any) -> None:
        asked.set()
        go_on.wait(PATIENCE)

    with serving(process_request=process_request) as server, joined_threads() as threads:
        connecting = threads.start(connect, uri(server))
        try:
            assert asked.wait(PATIENCE)
            assert server.drain(PATIENCE)
        finally:
            go_on.set()
        ws = connecting.result(PATIENCE)
        with pytest.raises(ConnectionClosed) as raised:
            ws.receive(PATIENCE)
        assert raised.value.code == 1001
        ws.close()


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
