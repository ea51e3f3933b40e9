"""What a client makes of the answer to its opening handshake, and how long it waits for one."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

import geventws
from geventws.client import NAME_LOOKUP, TCP, TLS, Phases, open_connection
from geventws.opening import MAX_BODY, PHASE
from tests.servers import (
    Serve,
    acceptance,
    certified,
    dead_port,
    echo,
    name_server,
    read_head,
    response,
    saying,
    serving,
    silent,
    trusting,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")


def refused_by(serve: Serve, **arguments: Any) -> Exception:
    """Return what connect() raises for a server."""
    with serving(serve) as server, pytest.raises(geventws.HandshakeError) as caught:
        geventws.connect(f"ws://127.0.0.1:{server.port}/", **arguments)
    return caught.value


def rejection(data: bytes, **arguments: Any) -> geventws.Rejected:
    error = refused_by(saying(data), **arguments)
    assert isinstance(error, geventws.Rejected)
    return error


# Refusals


@pytest.mark.parametrize(
    ("lines", "body", "kept"),
    [
        (["Content-Length: 4"], b"full", b"full"),
        (["Content-Length: 4"], b"full and more", b"full"),
        (["Content-Length: 0"], b"", b""),
        (["Content-Length: 9"], b"cut", b"cut"),
        ([], b"to the end", b"to the end"),
        (["Content-Length: 99999"], b"x" * 99999, b"x" * MAX_BODY),
        ([], b"x" * 99999, b"x" * MAX_BODY),
        (
            ["Transfer-Encoding: chunked"],
            b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
            b"abc0123456789",
        ),
        (["Transfer-Encoding: chunked"], b"FFFFF\r\n" + b"x" * 99999, b"x" * MAX_BODY),
        (["Transfer-Encoding: chunked"], b"3\r\nabc\r\nnonsense", b"abc"),
        (["Transfer-Encoding: chunked"], b"3\r\nab", b"ab"),
        (["Content-Length: nonsense"], b"all", b"all"),
    ],
)
def test_client_keeps_what_a_refusal_says(lines: list[str], body: bytes, kept: bytes) -> None:
    error = rejection(response("HTTP/1.1 418 I'm a teapot", "X-Why: tea", *lines, body=body))
    assert (error.status, error.headers.get("x-why"), error.body) == (418, "tea", kept)
    assert str(error) == "the server answered 418"


@pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 401, 426, 429, 500, 503, 599])
def test_client_reports_every_status_but_101(status: int) -> None:
    error = rejection(response(f"HTTP/1.1 {status} ", "Content-Length: 0"))
    assert (error.status, error.body) == (status, b"")


def test_client_passes_over_what_comes_before_the_answer() -> None:
    hints = response("HTTP/1.1 100 Continue") + response("HTTP/1.1 103 Early Hints", "Link: </a>")

    def hint_and_accept(sock: Any) -> None:
        sock.sendall(hints + acceptance(read_head(sock)))
        silent(sock)

    assert rejection(hints + response("HTTP/1.1 404 Not Found")).status == 404
    with serving(hint_and_accept) as server:
        geventws.connect(f"ws://127.0.0.1:{server.port}/").drop()


def test_client_passes_over_so_many_answers_and_no_more() -> None:
    hints = response("HTTP/1.1 103 Early Hints") * 10
    assert rejection(hints + response("HTTP/1.1 404 Not Found")).status == 404
    with (
        serving(saying(hints + response("HTTP/1.1 103 Early Hints"))) as server,
        pytest.raises(geventws.InvalidHandshake, match=r"^more than 10 answers of 1xx"),
    ):
        geventws.connect(f"ws://127.0.0.1:{server.port}/")


def test_client_waits_for_the_body_of_a_refusal_no_longer_than_for_the_opening() -> None:
    def stall(sock: Any) -> None:
        read_head(sock)
        sock.sendall(response("HTTP/1.1 403 Forbidden", "Content-Length: 9", body=b"not"))
        silent(sock)

    error = refused_by(stall, open_timeout=0.2)
    assert isinstance(error, geventws.Rejected)
    assert error.body == b"not"


# Broken rules: each entry changes one thing of a response that would be accepted

RULES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("status-line", lambda head: b"nonsense\r\n\r\n", "status line"),
    ("no-http", lambda head: b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "status line"),
    ("http-1.0", lambda head: head.replace(b"HTTP/1.1", b"HTTP/1.0"), "101 of HTTP/1.1"),
    (
        "upgrade",
        lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        "Upgrade is not",
    ),
    ("no-upgrade", lambda head: head.replace(b"Upgrade: websocket\r\n", b""), "Upgrade is not"),
    (
        "connection",
        lambda head: head.replace(b": Upgrade", b": close"),
        "Connection has no Upgrade",
    ),
    ("no-connection", lambda head: head.replace(b"Connection: Upgrade\r\n", b""), "Connection has"),
    ("no-accept", lambda head: head.replace(b"Sec-WebSocket-Accept", b"X"), "Accept does not fit"),
    ("accept-case", lambda head: swap_accept(head), "Accept does not fit"),
    (
        "two-accepts",
        lambda head: with_line(head, b"Sec-WebSocket-Accept: x"),
        "Accept does not fit",
    ),
    ("subprotocol", lambda head: with_line(head, b"Sec-WebSocket-Protocol: evil"), "not offered"),
    ("subprotocols", lambda head: with_line(head, b"Sec-WebSocket-Protocol: a, b"), "not offered"),
    ("case", lambda head: with_line(head, b"Sec-WebSocket-Protocol: A"), "not offered"),
    (
        "extension",
        lambda head: with_line(head, b"Sec-WebSocket-Extensions: x-evil"),
        "extensions other",
    ),
    ("two-extensions", lambda head: deflate(head, b", x-other"), "extensions other"),
    ("parameter", lambda head: deflate(head, b"; evil"), "permessage-deflate"),
    (
        "window",
        lambda head: deflate(head, b"; server_max_window_bits=99"),
        "server_max_window_bits",
    ),
    (
        "twice",
        lambda head: deflate(head, b"; server_no_context_takeover" * 2),
        "repeated",
    ),
    ("grammar", lambda head: with_line(head, b"Sec-WebSocket-Extensions: a=;"), "malformed list"),
    ("bare-lf", lambda head: head.replace(b"\r\n", b"\n"), "CRLF"),
    ("folded", lambda head: with_line(head, b"X: a\r\n b"), "header line"),
    ("name", lambda head: with_line(head, b"X : a"), "header line"),
    ("long-line", lambda head: with_line(head, b"X: " + b"a" * 9000), "over 8192"),
    ("many-headers", lambda head: with_line(head, b"\r\n".join([b"X: a"] * 101)), "over 100"),
    ("cut", lambda head: head[:-2], "ends before"),
    ("empty", lambda head: b"", "ends before"),
]


def swap_accept(head: bytes) -> bytes:
    start, name, rest = head.partition(b"Sec-WebSocket-Accept: ")
    return start + name + rest.swapcase()


def with_line(head: bytes, line: bytes) -> bytes:
    return head[:-2] + line + b"\r\n\r\n"


def deflate(head: bytes, more: bytes) -> bytes:
    return with_line(head, b"Sec-WebSocket-Extensions: permessage-deflate" + more)


@pytest.mark.parametrize(
    ("change", "why"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_client_refuses_an_answer_that_breaks_a_rule(
    change: Callable[[bytes], bytes], why: str
) -> None:
    def serve(sock: Any) -> None:
        sock.sendall(change(acceptance(read_head(sock))))
        sock.shutdown(socket.SHUT_WR)
        silent(sock)

    error = refused_by(serve, subprotocols=["a", "b"])
    assert isinstance(error, geventws.InvalidHandshake)
    assert why in str(error)


def test_client_refuses_an_extension_that_it_did_not_offer() -> None:
    def serve(sock: Any) -> None:
        sock.sendall(deflate(acceptance(read_head(sock)), b""))
        silent(sock)

    assert "extensions other" in str(refused_by(serve, compression=None))


def test_client_refuses_a_head_without_an_end() -> None:
    def serve(sock: Any) -> None:
        read_head(sock)
        while True:
            sock.sendall(b"HTTP/1.1 101 " + b"a" * 65536)

    assert "over 8192" in str(refused_by(serve))


# Time


def drip(sock: Any) -> None:
    """Answer ever so slowly, and never to the end."""
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
    while True:
        sock.sendall(b"a")
        gevent.sleep(0.02)


@contextmanager
def slow_name() -> Iterator[tuple[str, None]]:
    def look_up(host: str) -> list[str]:
        Event().wait()
        return []

    with name_server(look_up):
        yield "ws://slow.example/", None


@contextmanager
def slow_tcp(addresses: int = 1) -> Iterator[tuple[str, None]]:
    hosts = [f"127.0.0.{number + 2}" for number in range(addresses)]
    with ExitStack() as stack:
        port = stack.enter_context(dead_port("0.0.0.0")).getsockname()[1]
        stack.enter_context(name_server(lambda host: hosts))
        yield f"ws://slow.example:{port}/", None


@contextmanager
def slow_tls() -> Iterator[tuple[str, None]]:
    with serving(silent) as server:
        yield f"wss://127.0.0.1:{server.port}/", None


@contextmanager
def slow_answer(
    serve: Serve = silent, context: ssl.SSLContext | None = None
) -> Iterator[tuple[str, ssl.SSLContext | None]]:
    with serving(serve, context=context) as server:
        scheme = "ws" if context is None else "wss"
        yield f"{scheme}://localhost:{server.port}/", context and trusting()


PHASES: dict[str, tuple[Callable[[], Any], str]] = {
    "name": (slow_name, "the name lookup"),
    "tcp": (slow_tcp, "the TCP handshake"),
    "race": (lambda: slow_tcp(3), "the TCP handshake"),
    "tls": (slow_tls, "the TLS handshake"),
    "silent": (slow_answer, "the opening handshake"),
    "drip": (lambda: slow_answer(drip), "the opening handshake"),
    "tls-drip": (lambda: slow_answer(drip, certified("localhost")), "the opening handshake"),
}
each_phase = pytest.mark.parametrize(("slow", "phase"), PHASES.values(), ids=list(PHASES))


@each_phase
def test_client_gives_up_in_time_and_names_the_phase(slow: Any, phase: str) -> None:
    with slow() as (uri, context):
        start = monotonic()
        with pytest.raises(TimeoutError, match=f"^{phase} took longer than open_timeout$"):
            geventws.connect(uri, open_timeout=0.3, ssl=context)
        assert 0.25 < monotonic() - start < 5


@each_phase
def test_client_lets_its_callers_timeout_pass(slow: Any, phase: str) -> None:
    with slow() as (uri, context):
        limit = gevent.Timeout(0.3)
        with pytest.raises(gevent.Timeout) as caught, limit:
            geventws.connect(uri, ssl=context)
        assert caught.value is limit


def test_client_counts_every_phase_against_one_open_timeout() -> None:
    def dawdle(host: str) -> list[str]:
        gevent.sleep(0.1)
        return ["127.0.0.1"]

    start = monotonic()
    with slow_answer() as (uri, _), name_server(dawdle), pytest.raises(TimeoutError):
        geventws.connect(uri, open_timeout=0.4)
    assert monotonic() - start < 5


@pytest.mark.parametrize("secure", [False, True])
def test_opening_tells_its_phases(secure: bool) -> None:
    told: list[str] = []

    class Noting(Phases):
        def begin(self, phase: str) -> None:
            told.append(phase)

    context = certified("localhost") if secure else None
    with serving(echo, context=context) as server:
        url = f"{'wss' if secure else 'ws'}://localhost:{server.port}/"
        trust = trusting() if secure else None
        connection, transport = open_connection(url, geventws.WebSocket, Noting(), ssl=trust)
        with connection:
            assert transport.peer_address == connection.peer_address
    assert told == [NAME_LOOKUP, TCP, *([TLS] if secure else []), PHASE]


def test_client_waits_for_ever_where_open_timeout_is_none() -> None:
    with serving(echo) as server:
        geventws.connect(f"ws://127.0.0.1:{server.port}/", open_timeout=None).drop()


def test_client_reports_a_stream_that_is_reset() -> None:
    def reset(sock: Any) -> None:
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(reset) as server, pytest.raises(ConnectionResetError):
        geventws.connect(f"ws://127.0.0.1:{server.port}/")
