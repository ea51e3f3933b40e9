"""Each rule over each door, through real sockets: the peer here knows sockets, but not the library.

A server runs in a process of its own and is visited anew for each rule. A client runs in one too,
and is sent here again and again.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable, Iterator

import pytest

from geventws.core.codes import Side
from tests.conformance.doors import CLIENTS, MAX_SIZE, SERVERS, running, visiting
from tests.conformance.rules import RULES
from tests.conformance.rules_hearing import Hearing
from tests.conformance.rules_words import (
    Compression,
    Pong,
    Rule,
    Turn,
    close,
    echoed,
    ends,
    ping,
    text,
)

PATIENCE = 20.0  # seconds; who waits longer waits for nothing
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MANY = 100  # what is said in more frames than this is not cut further

HELD = [rule for rule in RULES if rule.max_size == MAX_SIZE]
each_rule = pytest.mark.parametrize("rule", HELD, ids=[rule.name for rule in HELD])


# The opening handshake


def read_head(sock: socket.socket) -> dict[str, str]:
    """Wait for the head of a request or response; return its headers by lower-case name."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(65536)
        assert data, f"the stream ends after {head!r}"
        head += data
    pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.lower(): value for name, _, value in pairs}


def send_head(sock: socket.socket, *lines: str) -> None:
    """Send the head of a request or response that upgrades."""
    upgrade = "Upgrade: websocket", "Connection: Upgrade"
    sock.sendall("\r\n".join([lines[0], *upgrade, *filter(None, lines[1:]), "", ""]).encode())


def accept_of(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers *key* (RFC 6455 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def extensions(compression: Compression | None, side: Side) -> str:
    """Return the header by which the peer of *side* offers an agreement, or answers with it."""
    if compression is None:
        return ""
    ours, theirs = ("server", "client") if side == Side.SERVER else ("client", "server")
    parts = ["Sec-WebSocket-Extensions: permessage-deflate"]
    if compression.peer_bits < 15:
        parts.append(f"{theirs}_max_window_bits={compression.peer_bits}")
    if compression.peer_alone:
        parts.append(f"{theirs}_no_context_takeover")
    if compression.our_bits < 15:
        parts.append(f"{ours}_max_window_bits={compression.our_bits}")
    if compression.our_alone:
        parts.append(f"{ours}_no_context_takeover")
    return "; ".join(parts)


def open_to(sock: socket.socket, compression: Compression | None) -> None:
    """Have a server open a connection."""
    send_head(
        sock,
        "GET / HTTP/1.1",
        "Host: 127.0.0.1",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        extensions(compression, Side.SERVER),
    )
    headers = read_head(sock)
    assert headers["sec-websocket-accept"] == accept_of(KEY)
    assert ("sec-websocket-extensions" in headers) == (compression is not None)


def answer(sock: socket.socket, compression: Compression | None) -> None:
    """Let a client open a connection."""
    headers = read_head(sock)
    accept = accept_of(headers["sec-websocket-key"])
    send_head(
        sock,
        "HTTP/1.1 101 Switching Protocols",
        f"Sec-WebSocket-Accept: {accept}",
        extensions(compression, Side.CLIENT),
    )


# The rules


def say(sock: socket.socket, turn: Turn, side: Side) -> None:
    """Say in one breath what is the peer's turn to say."""
    sock.sendall(turn.wire(side))


def spell(sock: socket.socket, turn: Turn, side: Side) -> None:
    """Say the same frame by frame, and each in two halves."""
    for said in turn.sent:
        data = said.wire(side)
        half = len(data) // 2 if len(turn.sent) < MANY else len(data)
        sock.sendall(data[:half])
        sock.sendall(data[half:])


Way = Callable[[socket.socket, Turn, Side], None]
both_ways = pytest.mark.parametrize("way", [say, spell], ids=["at-once", "in-halves"])


def play(sock: socket.socket, rule: Rule, side: Side, way: Way) -> None:
    """Hold the end of *side* at the other end of *sock* to a rule."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hearing = Hearing(side, rule.compression)
    *turns, last = rule.ended().turns
    for turn in turns:
        way(sock, turn, side)
        while not hearing.has(turn.heard):
            hear(sock, hearing)
        hearing.expect(turn.heard)
    way(sock, last, side)
    while hearing.close is None:
        hear(sock, hearing)
    if side == Side.CLIENT:  # RFC 6455 7.1.1: the server ends TCP first
        sock.shutdown(socket.SHUT_WR)
    while data := sock.recv(65536):
        hearing.feed(data)
    hearing.expect(last.heard)
    hearing.ends()
    assert hearing.close in rule.ended().close


def hear(sock: socket.socket, hearing: Hearing) -> None:
    """Wait for more bytes."""
    data = sock.recv(65536)
    assert data, f"the stream ends after {hearing.heard!r:.200}"
    hearing.feed(data)


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Give the port of the echo server behind one door after the other."""
    with running(request.param) as found:
        yield found


@both_ways
@each_rule
def test_server_keeps_the_rule(port: int, rule: Rule, way: Way) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        open_to(sock, rule.compression)
        play(sock, rule, Side.SERVER, way)


@pytest.fixture(scope="module", params=CLIENTS)
def visitor(request: pytest.FixtureRequest) -> Iterator[Callable[[], socket.socket]]:
    """Give what has the echo client behind one door after the other come, and returns its end."""
    with visiting(request.param) as visit, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def come() -> socket.socket:
            visit(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
            sock, _ = listener.accept()
            sock.settimeout(PATIENCE)
            return sock

        yield come


@both_ways
@each_rule
def test_client_keeps_the_rule(visitor: Callable[[], socket.socket], rule: Rule, way: Way) -> None:
    with visitor() as sock:
        answer(sock, rule.compression)
        play(sock, rule, Side.CLIENT, way)


# That a rule which is not kept is noticed

BROKEN = [
    echoed("another-message", "", [text("a")], "b"),
    echoed("another-kind", "", [text("a")], b"a"),
    echoed("another-pong", "", [ping(b"a")], Pong(b"b")),
    echoed("answer-too-many", "", [text("a")]),
    ends("answer-too-few", "", [text("a"), close(1000)], "a", "b", codes=(1000,)),
    ends("another-code", "", [close(1000)], codes=(1001,)),
]
each_broken_rule = pytest.mark.parametrize("rule", BROKEN, ids=[rule.name for rule in BROKEN])


@each_broken_rule
def test_server_that_does_not_keep_a_rule_is_found_out(port: int, rule: Rule) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        open_to(sock, rule.compression)
        with pytest.raises(AssertionError):
            play(sock, rule, Side.SERVER, say)


@each_broken_rule
def test_client_that_does_not_keep_a_rule_is_found_out(
    visitor: Callable[[], socket.socket], rule: Rule
) -> None:
    with visitor() as sock:
        answer(sock, rule.compression)
        with pytest.raises(AssertionError):
            play(sock, rule, Side.CLIENT, say)
