"""The way to a server: what each step leaves behind, and the ways that go through others."""

from __future__ import annotations

import socket as stdlib_socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest
from gevent import socket

from geventws.cli.walking import CHUNK, KEPT, SECOND_LOOK, Walk
from geventws.core.errors import InvalidURI, Rejected
from geventws.opening import MAX_BODY
from geventws.tls import default_context
from tests.cli.probes import ASKED, AT_ONCE, PATIENCE
from tests.proxying import proxying
from tests.servers import (
    authority,
    certified,
    echo,
    name_server,
    response,
    saying,
    serving,
    silent,
    trusting,
)


def walking(url: str, patience: float = PATIENCE, **asked: Any) -> Any:
    """Return a walk to *url*, which is closed at the end."""
    return closing(Walk(url, {**ASKED, **asked}, patience))


def steps(walk: Walk) -> list[str]:
    return [fact.name for fact in walk.facts]


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have our authority be the one that everybody trusts."""
    with authority().cert_pem.tempfile() as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        default_context.cache_clear()
        yield
    default_context.cache_clear()


def test_walk_says_which_step_it_failed_in() -> None:
    with walking("http://x/") as walk:
        assert walk.step == "address"
        with pytest.raises(InvalidURI):
            walk.reach()
        assert (walk.step, walk.where, walk.facts) == ("address", None, [])


def test_walk_leaves_credentials_out_of_the_address() -> None:
    with serving(echo) as server:
        url = f"ws://ann:secret@127.0.0.1:{server.port}/x?token=secret"
        with walking(url) as walk:
            walk.reach()
        assert walk.facts[0].value == f"ws://127.0.0.1:{server.port}/x?..."
        assert (walk.received, walk.headers) == (b"", None)


def test_walk_names_every_address_and_the_one_that_answered() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        with (
            name_server(lambda _: ["::1", "127.0.0.1"]),
            walking(f"ws://a.example:{port}/") as walk,
        ):
            walk.reach()
    assert [fact.value for fact in walk.facts[1:]] == ["::1 127.0.0.1", f"[::1]:{port}"]


def test_walk_keeps_the_headers_of_a_refusal() -> None:
    refusal = response("HTTP/1.1 404 Not Found", "Server: x", "Content-Length: 0")
    with serving(saying(refusal)) as server, walking(f"ws://127.0.0.1:{server.port}/") as walk:
        walk.reach()
        with pytest.raises(Rejected):
            walk.ask()
        assert walk.headers is not None
        assert walk.headers["Server"] == "x"
        assert bytes(walk.received) == refusal


def test_walk_passes_over_what_comes_in_front_of_the_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nServer: early\r\n\r\n"
    refusal = response("HTTP/1.1 404 Not Found", "Server: late", "Content-Length: 0")
    with (
        serving(saying(early + refusal)) as server,
        walking(f"ws://127.0.0.1:{server.port}/") as walk,
    ):
        walk.reach()
        with pytest.raises(Rejected):
            walk.ask()
        assert walk.headers is not None
        assert walk.headers["Server"] == "late"


def flood(listener: Any) -> None:
    """Answer with a body that takes far more bytes than it has, as fast as they are taken."""
    sock, _ = listener.accept()
    with sock, suppress(OSError):
        sock.recv(CHUNK)
        sock.sendall(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(b"1;%b\r\nA\r\n" % bytes(8000).replace(b"\0", b"x") * 100)


def test_walk_gives_up_an_answer_that_floods_it() -> None:
    with (
        stdlib_socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor() as threads,  # a greenlet would give the hub its turns
    ):
        flooding = threads.submit(flood, listener)
        with walking(f"ws://127.0.0.1:{listener.getsockname()[1]}/", AT_ONCE) as walk:
            walk.reach()
            with pytest.raises(Rejected) as refused:
                walk.ask()
        assert 0 < len(refused.value.body) < MAX_BODY
        assert len(walk.received) < KEPT + CHUNK
        flooding.result(PATIENCE)


def test_walk_has_no_headers_of_an_answer_that_is_malformed() -> None:
    with walking("ws://127.0.0.1/") as walk:
        walk.received += b"SSH-2.0\r\n\r\n"
        assert walk.headers is None


def test_walk_takes_a_refusal_whose_body_does_not_end() -> None:
    def begin(sock: Any) -> None:
        sock.sendall(b"HTTP/1.1 503 Busy\r\n\r\nfor now")
        silent(sock)

    with serving(begin) as server, walking(f"ws://127.0.0.1:{server.port}/", AT_ONCE) as walk:
        walk.reach()
        with pytest.raises(Rejected) as refused:
            walk.ask()
        assert refused.value.body == b"for now"


def test_walk_again_begins_anew_with_what_has_changed() -> None:
    with walking("ws://127.0.0.1/", origin="http://a") as walk:
        further = walk.again("ws://127.0.0.2/", origin=None)
    assert further.url == "ws://127.0.0.2/"
    assert (further.asked["origin"], walk.asked["origin"]) == (None, "http://a")
    assert further.asked["compression"] is walk.asked["compression"]
    assert further.patience == SECOND_LOOK


@pytest.mark.parametrize(
    ("speaks", "scheme", "host"),
    [
        ("http", "http", "localhost"),
        ("socks5", "socks5h", "localhost"),
        ("socks5", "socks5", "127.0.0.1"),
        ("socks4", "socks4a", "localhost"),
        ("socks4", "socks4", "127.0.0.1"),
    ],
)
def test_walk_goes_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, speaks: str, scheme: str, host: str
) -> None:
    with serving(echo) as server, proxying(speaks) as proxy:
        monkeypatch.setenv("ws_proxy", f"{scheme}://127.0.0.1:{proxy.port}")
        with walking(f"ws://localhost:{server.port}/") as walk:
            walk.reach()
            walk.ask()
    assert proxy.asked == [(host, server.port)]
    assert steps(walk) == ["address", "name lookup", "TCP", "proxy", "opening handshake"]


@pytest.mark.usefixtures("trusted")
def test_walk_makes_tls_within_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    context = certified("localhost")
    with serving(echo, context=context) as server, proxying(context=context) as proxy:
        monkeypatch.setenv("wss_proxy", f"https://localhost:{proxy.port}")
        with walking(f"wss://localhost:{server.port}/") as walk:
            walk.reach()
            walk.ask()
    assert walk.facts[4].value == "within TLS, by way of memory"


def test_walk_closes_the_socket_where_tls_fails() -> None:
    def answer(sock: Any) -> None:
        sock.recv(1)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(answer) as server, walking(f"wss://127.0.0.1:{server.port}/") as walk:
        with pytest.raises(ssl.SSLError):
            walk.reach()
        assert walk.socket.closed


def test_walk_verifies_with_the_context_that_is_given() -> None:
    with (
        serving(echo, context=certified("127.0.0.1")) as server,
        walking(f"wss://127.0.0.1:{server.port}/", ssl=trusting()) as walk,
    ):
        walk.reach()
    assert walk.facts[3].value.startswith("TLSv1.3, ")
