"""connect() to servers on real sockets: where it goes, what it asks for, what it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import AsyncResult

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.websocket import WebSocket
from tests.servers import (
    RawServer,
    accept,
    acceptance,
    dead_port,
    echo,
    header,
    name_server,
    read_head,
    refusing_port,
    serving,
)

TEXT, BINARY, CLOSE = 1, 2, 8


@pytest.fixture
def server() -> Iterator[RawServer]:
    with serving(echo) as server:
        yield server


@pytest.fixture
def asked() -> Iterator[tuple[int, Any]]:
    """Return the port of a server that refuses, and what it was asked, once it was."""
    heads: Any = AsyncResult()

    def refuse(sock: Any) -> None:
        heads.set(read_head(sock))
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with serving(refuse) as server:
        yield server.port, heads


def request_of(asked: tuple[int, Any], uri: str = "ws://127.0.0.1:{}/", **arguments: Any) -> bytes:
    """Return what connect() asks for."""
    port, heads = asked
    with pytest.raises(geventws.Rejected):
        geventws.connect(uri.format(port), **arguments)
    head: bytes = heads.get(timeout=5)
    return head


# Where it goes


@pytest.mark.usefixtures("leaks_nothing")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_client_talks_over_tcp(host: str) -> None:
    bound = "::1" if host == "[::1]" else "127.0.0.1"
    with serving(echo, (bound, 0)) as server:
        with geventws.connect(f"ws://{host}:{server.port}/") as ws:
            ws.send("text")
            ws.send(b"binary")
            assert (ws.receive(timeout=5), ws.receive(timeout=5)) == ("text", b"binary")
            assert ws.peer_address[:2] == (bound, server.port)
            assert (ws.request, ws.subprotocol, ws.extensions) == (None, None, ())
        assert ws.close_code == 1000


@pytest.mark.parametrize("form", ["ws+unix://{}", "ws+unix:{}:/chat?a=b"])
def test_client_talks_over_a_unix_socket(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a b:c"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        uri = form.format(str(path).replace(" ", "%20").replace(":", "%3A"))
        with serving(echo, listener), geventws.connect(uri) as ws:
            ws.send("hello")
            assert ws.receive(timeout=5) == "hello"
            assert ws.peer_address == str(path)


def test_client_connects_from_the_source_address(server: RawServer) -> None:
    uri = f"ws://127.0.0.1:{server.port}/"
    with geventws.connect(uri, source_address=("127.0.0.7", 0)) as ws:
        assert ws.local_address[0] == "127.0.0.7"


@pytest.mark.usefixtures("leaks_nothing")
def test_client_takes_the_fastest_address_of_a_name() -> None:
    with dead_port("127.0.0.2") as dead:
        port = dead.getsockname()[1]
        addresses = ["127.0.0.2", "127.0.0.1"]
        with (
            serving(echo, ("127.0.0.1", port)),
            name_server(lambda _: addresses),
            geventws.connect(f"ws://two.example:{port}/") as ws,
        ):
            assert ws.peer_address == ("127.0.0.1", port)


@pytest.mark.usefixtures("leaks_nothing")
def test_client_raises_where_nobody_listens() -> None:
    with pytest.raises(ConnectionRefusedError):
        geventws.connect(f"ws://127.0.0.1:{refusing_port()}/")
    with pytest.raises(FileNotFoundError):
        geventws.connect("ws+unix:///no/such/socket")
    with pytest.raises(socket.gaierror):
        geventws.connect("ws://no-such-host.invalid/")


# What it asks for


def test_client_asks_as_the_rfc_has_it(asked: tuple[int, Any]) -> None:
    head = request_of(asked, compression=None)
    key = header(head, "Sec-WebSocket-Key")
    assert head.decode() == "\r\n".join(
        [
            *("GET / HTTP/1.1", f"Host: 127.0.0.1:{asked[0]}", "Upgrade: websocket"),
            *("Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"),
            "\r\n",
        ]
    )


def test_client_asks_for_what_the_address_says(asked: tuple[int, Any]) -> None:
    head = request_of(asked, "ws://LOCALHOST:{}/\xe9 ?x=\xe9".replace(" ", "%20"))
    assert head.startswith(b"GET /%C3%A9%20?x=%C3%A9 HTTP/1.1\r\n")
    assert header(head, "Host") == f"localhost:{asked[0]}"


def test_client_names_hosts_that_are_no_names(tmp_path: Path) -> None:
    hosts: list[str] = []

    def refuse(sock: Any) -> None:
        hosts.append(header(read_head(sock), "Host"))

    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with serving(refuse, ("::1", 0)) as server, serving(refuse, listener):
            for uri in (f"ws://[::1]:{server.port}/", f"ws+unix://{path}"):
                with pytest.raises(geventws.InvalidHandshake):
                    geventws.connect(uri)
            assert hosts == [f"[::1]:{server.port}", "localhost"]


def test_client_sends_what_its_arguments_say(asked: tuple[int, Any]) -> None:
    head = request_of(
        asked,
        subprotocols=["chat", "superchat"],
        origin="https://example.org",
        headers={"Host": "other.example", "Authorization": "Basic eDp5"},
        compression=geventws.Deflate(client_max_window_bits=10),
    )
    assert header(head, "Sec-WebSocket-Protocol") == "chat, superchat"
    assert header(head, "Origin") == "https://example.org"
    assert header(head, "Host") == "other.example"
    assert header(head, "Authorization") == "Basic eDp5"
    assert "client_max_window_bits=10" in header(head, "Sec-WebSocket-Extensions")


def test_client_sends_headers_given_as_pairs(asked: tuple[int, Any]) -> None:
    head = request_of(asked, headers=[("X-A", "1"), ("X-A", "2")])
    assert b"\r\nX-A: 1\r\nX-A: 2\r\n" in head


def test_client_never_asks_twice_with_one_key() -> None:
    keys: list[str] = []

    def refuse(sock: Any) -> None:
        keys.append(header(read_head(sock), "Sec-WebSocket-Key"))

    with serving(refuse) as server:
        for _ in range(5):
            with pytest.raises(geventws.InvalidHandshake):
                geventws.connect(f"ws://127.0.0.1:{server.port}/")
    assert len(set(keys)) == 5


# What comes with the opening handshake


def frame(opcode: int, payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x80 | opcode, len(payload)]) + payload


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 7])
def test_client_loses_no_frame_that_comes_with_the_acceptance(cut: int) -> None:
    frames = frame(TEXT, b"first") + frame(BINARY, b"second")
    early, late = frames[: 7 + cut], frames[7 + cut :]
    go_on = gevent.event.Event()

    def greet(sock: Any) -> None:
        peer = accept(sock, then=early)
        go_on.wait()
        sock.sendall(late)
        peer.answer_close()

    with serving(greet) as server, geventws.connect(f"ws://127.0.0.1:{server.port}/") as ws:
        assert ws.receive(timeout=5) == "first"
        go_on.set()
        assert ws.receive(timeout=5) == b"second"


def test_client_hears_a_close_that_comes_with_the_acceptance() -> None:
    def dismiss(sock: Any) -> None:
        accept(sock, then=frame(TEXT, b"bye") + frame(CLOSE, b"\x03\xe9away")).next()

    with serving(dismiss) as server, geventws.connect(f"ws://127.0.0.1:{server.port}/") as ws:
        assert ws.receive(timeout=5) == "bye"
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=5)
    assert (caught.value.code, caught.value.reason, caught.value.clean) == (1001, "away", True)


def test_client_takes_an_acceptance_byte_by_byte() -> None:
    def drip(sock: Any) -> None:
        for byte in acceptance(read_head(sock)) + frame(TEXT, b"hello"):
            sock.sendall(bytes([byte]))
            gevent.sleep(0)

    with serving(drip) as server:
        ws = geventws.connect(f"ws://127.0.0.1:{server.port}/")
        assert ws.receive(timeout=5) == "hello"
        ws.drop()


def test_client_knows_what_was_agreed() -> None:
    def agree(sock: Any) -> None:
        lines = ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate"]
        accept(sock, *lines).answer_close()

    with serving(agree) as server:
        uri = f"ws://127.0.0.1:{server.port}/"
        with geventws.connect(uri, subprotocols=["other", "chat"]) as ws:
            assert (ws.subprotocol, ws.extensions) == ("chat", ("permessage-deflate",))


# The callback style


class Talker(WebSocket):
    """Says hello, hears two messages, and closes."""

    def opened(self) -> None:
        self.state = []
        self.send("hello")

    def received_message(self, message: str | bytes) -> None:
        self.state.append(message)
        if message == "hello":
            self.send(b"goodbye")
        else:
            self.close(4000, "enough")

    def closed(self, code: int, reason: str) -> None:
        self.state.append((code, reason))
        over.set()


over = gevent.event.Event()


@pytest.mark.usefixtures("leaks_nothing")
def test_client_runs_callbacks(server: RawServer) -> None:
    over.clear()
    ws = geventws.connect(f"ws://127.0.0.1:{server.port}/", handler=Talker)
    assert isinstance(ws, Talker)
    assert over.wait(timeout=5)
    assert ws.state == ["hello", b"goodbye", (4000, "enough")]


def test_client_runs_callbacks_for_what_came_with_the_acceptance() -> None:
    def greet(sock: Any) -> None:
        accept(sock, then=frame(TEXT, b"early") + frame(CLOSE, b"")).next()

    over.clear()
    with serving(greet) as server:
        ws = geventws.connect(f"ws://127.0.0.1:{server.port}/", handler=Talker)
        assert over.wait(timeout=5)
    assert ws.state[0] == "early"


class Unmade(WebSocket):
    """Cannot be made."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise LookupError("not today")


@pytest.mark.usefixtures("leaks_nothing")
def test_client_closes_the_socket_where_the_handler_cannot_be_made(server: RawServer) -> None:
    with pytest.raises(LookupError, match="not today"):
        geventws.connect(f"ws://127.0.0.1:{server.port}/", handler=Unmade)


# Others run meanwhile


@pytest.mark.usefixtures("leaks_nothing")
def test_client_holds_nobody_else_up(server: RawServer) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            gevent.sleep(0.0001)  # not 0: that keeps the resolver's thread from the GIL for long

    ticking = gevent.spawn(tick)
    try:
        with pytest.raises(socket.gaierror):
            geventws.connect("ws://no-such-host.invalid/")
        after_lookup = ticks
        assert after_lookup
        ws = geventws.connect(f"ws://localhost:{server.port}/")
        assert ticks > after_lookup
    finally:
        ticking.kill()
    ws.close()


def test_client_connects_many_times_at_once(server: RawServer) -> None:
    def talk(number: int) -> str | bytes:
        with geventws.connect(f"ws://127.0.0.1:{server.port}/") as ws:
            ws.send(str(number))
            return ws.receive(timeout=5)

    talks = [gevent.spawn(talk, number) for number in range(50)]
    gevent.joinall(talks, timeout=20)
    assert [each.value for each in talks] == [str(number) for number in range(50)]


def test_options_reach_the_connection(server: RawServer) -> None:
    with geventws.connect(f"ws://127.0.0.1:{server.port}/", max_size=10) as ws:
        ws.send("x" * 11)
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=5)
    assert caught.value.code == 1009
