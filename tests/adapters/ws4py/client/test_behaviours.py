"""What ws4py's client did wrong, each by the behaviour that stands in its place."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from typing import Any, ClassVar

import pytest

from geventws.adapters.ws4py import WS_KEY
from geventws.adapters.ws4py.client import WebSocketBaseClient
from geventws.adapters.ws4py.exc import HandshakeError
from geventws.options import Options
from tests.adapters.ws4py.scene import Records
from tests.rawpeer import TEXT, frame
from tests.servers import acceptance, header, response
from tests.threads import LOCAL, PATIENCE, contexts, joined_threads, serving, uri

Answer = Callable[[bytes], bytes]


class Client(Records, WebSocketBaseClient):
    """A client that records."""


class Hasty(Client):
    options: ClassVar[Options] = Options(open_timeout=0.5)


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Give the address of a server that answers one request with what *answer* makes of it."""
    with socket.create_server(LOCAL) as listener, joined_threads() as threads:

        def talk() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(PATIENCE)
                sock.sendall(answer(sock.recv(65536)))
                while sock.recv(65536):
                    pass

        threads.start(talk)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"


def without(name: str) -> Answer:
    """Return an answer that lacks a header."""

    def answer(request: bytes) -> bytes:
        lines = acceptance(request).split(b"\r\n")
        return b"\r\n".join(line for line in lines if not line.startswith(name.encode()))

    return answer


def replacing(old: str, new: str) -> Answer:
    """Return an answer with another text somewhere."""
    return lambda request: acceptance(request).replace(old.encode(), new.encode())


def in_lower_case(request: bytes) -> bytes:
    key = header(request, "Sec-WebSocket-Key").encode()
    proof = b64encode(sha1(key + WS_KEY).digest())
    assert proof != proof.lower()
    return acceptance(request).replace(proof, proof.lower())


REFUSED = {
    "no-accept": without("Sec-WebSocket-Accept"),
    "no-upgrade": without("Upgrade"),
    "no-connection": without("Connection"),
    "accept-in-lower-case": in_lower_case,
    "subprotocol-not-offered": lambda request: acceptance(request, "Sec-WebSocket-Protocol: evil"),
    "extension-not-offered": lambda request: acceptance(request, "Sec-WebSocket-Extensions: evil"),
    "no-headers": lambda request: b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "garbage": lambda request: b"\x16\x03\x01 no HTTP\r\n\r\n",
    "no-bound": lambda request: b"HTTP/1.1 101 X\r\nA: " + b"b" * 50_000,
    "end": lambda request: b"HTTP/1.1 101 X\r\n\r\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_client_refuses_an_answer_that_breaks_a_rule(name: str) -> None:
    with answering(REFUSED[name]) as url:
        client = Client(url)
        with pytest.raises(HandshakeError):
            client.connect()
        assert (client.sock, client.calls) == (None, [])


@pytest.mark.parametrize(
    "answer",
    [
        replacing("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        replacing("101 Switching Protocols", "101 "),
        replacing("Upgrade: websocket", "upgrade: WebSocket"),
    ],
    ids=["keep-alive", "no-phrase", "case"],
)
def test_client_takes_an_answer_that_keeps_the_rules(answer: Answer) -> None:
    with answering(answer) as url:
        client = Client(url)
        client.connect()
        assert client.calls == ["opened"]
        client.close_connection()


def test_client_knows_what_was_agreed_on_as_it_was_written() -> None:
    chosen = "Sec-WebSocket-Protocol: SuperChat"
    with answering(lambda request: acceptance(request, chosen)) as url:
        client = Client(url, protocols=["SuperChat"])
        client.connect()
        assert (client.protocols, client.extensions) == (["SuperChat"], [])
        client.close_connection()


def test_client_does_not_wait_for_an_answer_for_ever() -> None:
    with answering(lambda request: b"HTTP/1.1 101 ") as url, pytest.raises(TimeoutError):
        Hasty(url).connect()


@pytest.mark.parametrize("cut", [0, 3], ids=["whole", "cut"])
def test_client_delivers_every_frame_that_came_with_the_answer(cut: int) -> None:
    frames = b"".join(frame(TEXT, word, masked=False) for word in (b"one", b"two", b"three"))

    def answer(request: bytes) -> bytes:
        return acceptance(request) + frames[: len(frames) - cut]

    with answering(answer) as url:
        client = Client(url)
        client.connect()
        while len(client.calls) < (4 if not cut else 3):
            assert client.once()
        words = ["one", "two", "three"] if not cut else ["one", "two"]
        assert [str(each) for each in client.calls[1:]] == words
        if cut:
            assert client.process(frames[-cut:])
            assert str(client.calls[-1]) == "three"
        client.close_connection()


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([("X-A", "b\r\nX-Evil: 1")], ValueError),
        ([("X-A\r\nX-Evil", "b")], ValueError),
        ([("X-A", b"bytes")], TypeError),
        ([("Sec-WebSocket-Key", "mine")], ValueError),
    ],
)
def test_client_sends_no_header_that_would_be_another(headers: Any, error: Any) -> None:
    with pytest.raises(error):
        Client("ws://localhost/", headers=headers).connect()


def test_client_names_the_host_once_and_as_it_should_be() -> None:
    cases = {
        "ws://localhost/": ("localhost", "http://localhost"),
        "wss://localhost:9000/": ("localhost:9000", "https://localhost:9000"),
        "ws://[::1]/": ("[::1]", "http://[::1]"),
        "ws+unix:///my.sock": ("localhost", "http://localhost"),
    }
    for url, wanted in cases.items():
        headers = Client(url).handshake_headers
        assert [value for name, value in headers if name in ("Host", "Origin")] == list(wanted)


def test_client_makes_tls_of_a_secure_unix_socket(tmp_path: Path) -> None:
    theirs, ours = contexts()
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as listener, joined_threads() as threads:
        listener.bind(str(path))
        listener.listen()

        def talk() -> str:
            plain, _ = listener.accept()
            with ours.wrap_socket(plain, server_side=True) as sock:
                version = str(sock.version())
                sock.sendall(acceptance(sock.recv(65536)))
                sock.recv(65536)
                return version

        version = threads.start(talk)
        client = Client(f"wss+unix://{path}", ssl_options=theirs)
        client.connect()
        client.close_connection()
        assert version.result(PATIENCE).startswith("TLS")


def test_client_agrees_on_compression_and_sends_what_it_was_given() -> None:
    asked: list[Any] = []

    def note(ws: Any) -> None:
        asked.append((ws.request.cookies, ws.request.headers["Authorization"], ws.extensions))
        ws.send("*" * 1000)
        asked.append(ws.stats.wire_sent)

    with serving(note) as server:
        given = [("Cookie", "a=b"), ("Authorization", "Basic eDp5")]
        client = Client(uri(server), headers=given)
        client.connect()
        client.run()
    assert asked[0] == ({"a": "b"}, "Basic eDp5", ("permessage-deflate",))
    assert asked[1] < 100
    assert len(client.calls[1]) == 1000


def test_client_learns_where_it_was_redirected_to() -> None:
    moved = response("HTTP/1.1 302 Found", "Location: /other", "Content-Length: 0")
    with answering(lambda request: moved) as url:
        with pytest.raises(HandshakeError, match="302") as raised:
            Client(url).connect()
        assert raised.value.headers["Location"] == "/other"  # type: ignore[index]
