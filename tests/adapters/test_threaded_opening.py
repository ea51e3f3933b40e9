from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websockets.sync.server

from geventws.adapters.threaded import connect
from geventws.core.errors import InvalidHandshake, InvalidURI, Rejected
from geventws.core.handshake import Response
from tests.threads import (
    LOCAL,
    PATIENCE,
    Threads,
    contexts,
    echo_of_theirs,
    joined_threads,
    met,
    saying,
    serving,
    uri,
)


@pytest.fixture
def threads() -> Iterator[Threads]:
    with joined_threads() as started:
        yield started


# Opening


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


@pytest.mark.parametrize(
    ("scheme", "phase"), [("ws", "opening"), ("wss", "TLS")], ids=["opening", "tls"]
)
def test_connect_names_the_handshake_that_took_too_long(scheme: str, phase: str) -> None:
    with (
        saying() as port,
        pytest.raises(TimeoutError, match=f"the {phase} handshake took longer than open_timeout"),
    ):
        connect(f"{scheme}://127.0.0.1:{port}/", open_timeout=0.2)


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


def test_connect_verifies_the_certificate() -> None:
    _, ours = contexts()
    with serving(ssl=ours) as server, pytest.raises(ssl.SSLCertVerificationError):
        connect(uri(server, secure=True))


def test_connect_verifies_the_name() -> None:
    theirs, ours = contexts()
    with serving(ssl=ours) as server, pytest.raises(ssl.SSLCertVerificationError):
        connect(f"wss://127.0.0.1:{server.address[1]}/", ssl=theirs)


def test_connect_tells_why_it_was_refused() -> None:
    refuse = Response(401, body="who?")
    with serving(process_request=lambda _: refuse) as server, pytest.raises(Rejected) as raised:
        connect(uri(server))
    assert (raised.value.status, raised.value.body) == (401, b"who?")


def test_connect_raises_when_the_answer_is_not_http() -> None:
    with saying(b"220 smtp.example.org ESMTP\r\n\r\n") as port, pytest.raises(InvalidHandshake):
        connect(f"ws://127.0.0.1:{port}/")


def test_connect_begins_with_what_came_with_the_answer() -> None:
    with met(lambda ws: ws.send("at once")) as ws:
        assert ws.receive(PATIENCE) == "at once"


def test_connect_refuses_wrong_arguments() -> None:
    with pytest.raises(InvalidURI):
        connect("http://localhost/")
    with pytest.raises(ValueError, match="ssl"):
        connect("ws://localhost/", ssl=contexts()[0])


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
