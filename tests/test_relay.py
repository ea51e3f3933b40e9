"""TLS in memory between two sockets: what comes and goes, and that nothing is left of it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.ssl
import pytest
import truststore
from gevent import socket
from gevent.event import Event

import geventws
from geventws.proxy import parse_proxy, tunnel_request
from geventws.relay import needs_relay, relay
from geventws.tls import wrap
from tests.proxying import OPENED, proxying
from tests.servers import authority, certified, echo, serving, silent, trusting

pytestmark = pytest.mark.usefixtures("leaks_nothing")
NAME = "localhost"


@contextmanager
def relayed(serve: Any, context: Any = None, **more: Any) -> Iterator[Any]:
    """Give a socket that talks to *serve* over TLS."""
    with serving(serve, context=certified(NAME)) as server, gevent.Timeout(20):
        below = socket.create_connection(("127.0.0.1", server.port))
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            below.setsockopt(socket.SOL_SOCKET, buffer, 65536)
        top = relay(below, context or trusting(), NAME, **more)
        with top:
            assert top.getpeername() == ("127.0.0.1", server.port)
            assert top.getsockname()[0] == "127.0.0.1"
            yield top


def send_back(sock: Any) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_relay_passes_bytes_both_ways(version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    context.maximum_version = version
    sent = bytes(range(256)) * 32768  # more than fits in between: who sends must read meanwhile
    with relayed(send_back, context) as top:
        sending = gevent.spawn(top.sendall, sent)
        received = bytearray()
        while len(received) < len(sent):
            received += top.recv(65536)
        sending.get()
    assert received == sent


def test_relay_passes_the_end_on() -> None:
    def leave(sock: Any) -> None:
        sock.sendall(b"bye")
        sock.unwrap()

    with relayed(leave) as top:
        assert top.recv(100) == b"bye"
        assert top.recv(100) == b""


def test_relay_passes_an_end_without_a_word_on() -> None:
    with relayed(lambda sock: sock.sendall(b"bye")) as top:
        assert top.recv(100) == b"bye"
        assert top.recv(100) == b""


def test_relay_tells_the_peer_when_we_say_no_more() -> None:
    heard: list[bytes] = []

    def hear(sock: Any) -> None:
        while data := sock.recv(100):
            heard.append(data)
        heard.append(b"the end")

    with relayed(hear) as top:
        top.sendall(b"hello")
        top.shutdown(socket.SHUT_WR)
        assert top.recv(100) == b""
    assert heard == [b"hello", b"the end"]


def test_relay_within_tls_passes_on_what_comes_after_we_said_no_more() -> None:
    def answer(sock: Any) -> None:
        while sock.recv(100):
            pass
        sock.sendall(bytes(300_000))

    context = certified(NAME)
    with serving(answer, context=context) as server, proxying(context=context) as proxy:
        tcp = socket.create_connection(("127.0.0.1", proxy.port))
        below = wrap(tcp, trusting(), server_hostname=NAME)
        below.sendall(tunnel_request(parse_proxy("a"), "127.0.0.1", server.port))
        assert below.recv(1000) == OPENED
        with relay(below, trusting(), NAME) as top, gevent.Timeout(10):
            top.shutdown(socket.SHUT_WR)
            received = 0
            while data := top.recv(65536):
                received += len(data)
    assert received == 300_000


def test_relay_does_not_wait_for_ever_for_a_peer_that_does_not_read() -> None:
    done, closed = Event(), Event()

    class Below(socket.socket):
        def close(self) -> None:
            super().close()
            closed.set()

    def ignore(sock: Any) -> None:
        done.wait()

    with serving(ignore, context=certified(NAME)) as server:
        below = Below()
        below.connect(("127.0.0.1", server.port))
        with relay(below, trusting(), NAME, 0.1) as top:
            sent = gevent.with_timeout(0.5, top.sendall, bytes(1 << 25), timeout_value="stuck")
            assert sent == "stuck"
            assert not closed.is_set()
        try:
            assert closed.wait(10)
        finally:
            done.set()


def test_relay_waits_for_a_slow_peer_while_somebody_is_there() -> None:
    go_on = Event()

    def hesitate(sock: Any) -> None:
        go_on.wait()
        send_back(sock)

    sent = bytes(1 << 23)
    with relayed(hesitate, linger=0.05) as top:
        sending = gevent.spawn(top.sendall, sent)
        sending.join(0.3)
        assert not sending.ready()
        go_on.set()
        received = 0
        while received < len(sent):
            received += len(top.recv(65536))
        sending.get()


def test_relay_closes_what_is_below_where_the_handshake_fails() -> None:
    with serving(silent, context=certified("other.example")) as server:
        below = socket.create_connection(("127.0.0.1", server.port))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            relay(below, trusting(), NAME)
        assert below.fileno() == -1


def test_relay_closes_what_is_below_where_the_peer_leaves_or_the_caller() -> None:
    with serving(lambda sock: None) as server:
        below = socket.create_connection(("127.0.0.1", server.port))
        with pytest.raises(OSError, match=r"EOF|reset"):
            relay(below, trusting(), NAME)
    with serving(silent) as server:
        below = socket.create_connection(("127.0.0.1", server.port))
        limit = gevent.Timeout(0.1)
        with pytest.raises(gevent.Timeout), limit:
            relay(below, trusting(), NAME)
        assert below.fileno() == -1


# Who needs it


def test_relay_is_needed_within_tls_and_for_contexts_of_another_kind() -> None:
    plain = socket.socket()
    with plain:
        for make in (ssl.SSLContext, gevent.ssl.SSLContext):
            assert not needs_relay(plain, make(ssl.PROTOCOL_TLS_CLIENT))
        assert needs_relay(plain, truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    near, far = socket.socketpair()
    with far, wrap(near, trusting(), server_hostname=NAME) as secured:
        assert needs_relay(secured, trusting())


def test_client_takes_a_context_of_truststore(monkeypatch: pytest.MonkeyPatch) -> None:
    with authority().cert_pem.tempfile() as trusted:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)  # the system's trust, as Linux has it
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with (
            serving(echo, context=certified(NAME)) as server,
            geventws.connect(f"wss://{NAME}:{server.port}/", ssl=context) as ws,
        ):
            ws.send("x" * 100_000)
            assert ws.receive(timeout=10) == "x" * 100_000
            assert ws.peer_address == ("127.0.0.1", server.port)
        with (
            serving(silent, context=certified(NAME, by="somebody else")) as server,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            geventws.connect(f"wss://{NAME}:{server.port}/", ssl=context)
