from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any, ClassVar, Final

import pytest
import trustme

from geventws.adapters.ws4py.client import WebSocketBaseClient, context_of
from geventws.adapters.ws4py.exc import HandshakeError, StreamClosed
from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Response
from geventws.options import Options
from tests.adapters.ws4py.scene import Records, ended
from tests.servers import acceptance, header, response
from tests.threads import LOCAL, PATIENCE, contexts, joined_threads, saying, serving, uri

KEY: Final = b64encode(b"0123456789abcdef")


class Client(Records, WebSocketBaseClient):
    """A client that records, run by the test."""

    options: ClassVar[Options] = Options(ping_interval=None, open_timeout=PATIENCE)


def headers_of(client: WebSocketBaseClient) -> dict[str, str]:
    return dict(client.handshake_headers)


@contextmanager
def answering(answer: Any) -> Iterator[tuple[str, list[bytes]]]:
    """Give the address of a server that answers one request with what *answer* makes of it."""
    asked: list[bytes] = []
    with socket.create_server(LOCAL) as listener, joined_threads() as threads:

        def talk() -> None:
            sock, _ = listener.accept()
            with sock:
                asked.append(sock.recv(65536))
                sock.sendall(answer(asked[0]))
                while sock.recv(65536):
                    pass

        threads.start(talk)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/", asked


# What is asked for


def test_headers_given_twice_are_sent_twice() -> None:
    given = [("X-Seen", "one"), ("X-Seen", "two")]
    client = WebSocketBaseClient("ws://example.org/", headers=given)
    assert [item for item in client.handshake_headers if item[0] == "X-Seen"] == given


def test_client_whose_handshake_ok_fails_is_not_connected() -> None:
    class Failing(Client):
        def handshake_ok(self) -> None:
            raise LookupError("so it goes")

    over = Event()

    def wait_for_the_end(ws: Any) -> None:
        with suppress(ConnectionClosed):
            ws.receive(PATIENCE)
        over.set()

    with serving(wait_for_the_end) as server:
        client = Failing(uri(server))
        with pytest.raises(LookupError):
            client.connect()
        assert over.wait(PATIENCE)


def test_url_says_where_to_and_what_to_ask() -> None:
    client = WebSocketBaseClient("wss://Example.org/chat?room=1")
    assert (client.scheme, client.host, client.port) == ("wss", "example.org", 443)
    assert (client.resource, client.unix_socket_path) == ("/chat?room=1", None)
    assert client.bind_addr == ("example.org", 443)


@pytest.mark.parametrize("scheme", ["ws+unix", "wss+unix"])
def test_url_may_be_a_unix_sockets(scheme: str) -> None:
    client = WebSocketBaseClient(f"{scheme}:///tmp/my.sock")
    assert (client.scheme, client.host, client.port) == (scheme, "localhost", None)
    assert (client.unix_socket_path, client.bind_addr) == ("/tmp/my.sock", "/tmp/my.sock")
    assert client.resource == "/"
    assert headers_of(client)["Host"] == "localhost"


@pytest.mark.parametrize("url", ["ftp://localhost", "ws://", "localhost", "ws://a/#b"])
def test_url_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        WebSocketBaseClient(url)


def test_nothing_is_looked_up_before_connect() -> None:
    client = WebSocketBaseClient("ws://name.invalid/")
    assert (client.sock, client.local_address, client.peer_address) == (None, None, None)
    with pytest.raises(StreamClosed):
        client.send("early")
    client.close()
    client.close_connection()
    assert not client.once()
    with pytest.raises(OSError, match=r".+"):
        client.connect()


def test_headers_are_what_the_handshake_needs_and_what_was_given() -> None:
    client = WebSocketBaseClient(
        "ws://[::1]:9000/", ["chat", "echo"], headers=[("X-Test", "hello there")]
    )
    headers = headers_of(client)
    assert headers["Host"] == "[::1]:9000"
    assert headers["Origin"] == "http://[::1]:9000"
    assert headers["Sec-WebSocket-Key"] == client.key.decode()
    assert headers["Sec-WebSocket-Version"] == "13"
    assert headers["Sec-WebSocket-Protocol"] == "chat, echo"
    assert headers["X-Test"] == "hello there"
    assert client.handshake_request.startswith(b"GET / HTTP/1.1\r\nHost: [::1]:9000\r\n")


def test_headers_may_replace_host_and_origin_and_be_a_mapping() -> None:
    given = {"Host": "example.org", "Origin": "https://example.org"}
    client = WebSocketBaseClient("ws://localhost/", headers=given)
    names = [name for name, _ in client.handshake_headers]
    assert (names.count("Host"), names.count("Origin")) == (1, 1)
    assert headers_of(client)["Host"] == "example.org"
    assert headers_of(client)["Origin"] == "https://example.org"


def test_excluded_headers_are_left_out_whatever_their_case() -> None:
    client = WebSocketBaseClient(
        "ws://localhost/", headers=[("X-A", "b")], exclude_headers=["ORIGIN", "x-a"]
    )
    assert {"Origin", "X-A"} & headers_of(client).keys() == set()


def test_extensions_say_whether_compression_is_offered() -> None:
    url = "ws://localhost/"
    offers = [None, ["permessage-deflate"], []]
    clients = [WebSocketBaseClient(url, None, each) for each in offers]
    offering = ["Sec-WebSocket-Extensions" in headers_of(client) for client in clients]
    assert offering == [True, True, False]


# What is answered


def test_connection_is_open_after_connect() -> None:
    with serving(subprotocols=["chat"]) as server:
        client = Client(uri(server), protocols=["no", "chat"])
        client.connect()
        assert client.calls == ["opened"]
        assert (client.protocols, client.extensions) == (["chat"], ["permessage-deflate"])
        assert client.peer_address == server.address
        client.send("hello")
        while client.calls == ["opened"]:
            assert client.once()
        client.close(4000, "bye")
        assert client.client_terminated
        client.run()
        assert ended(client) == (4000, "")
        assert [str(each) for each in client.calls[1:-1]] == ["hello"]


def test_client_connects_again_after_the_end() -> None:
    with serving() as server:
        client = Client(uri(server), protocols=["chat"])
        keys = set()
        for _ in "12":
            client.connect()
            keys.add(client.key)
            with pytest.raises(RuntimeError, match="connected already"):
                client.connect()
            client.close()
            client.run()
        assert client.calls == ["opened", (1000, "")] * 2
        assert len(keys) == 2


def test_key_that_is_no_text_is_refused_before_anything_is_sent() -> None:
    client = Client("ws://localhost:1/")
    wrong: Any = 1
    client.key = wrong
    with pytest.raises(TypeError, match="key: str or bytes, not int"):
        client.connect()


def test_send_before_connect_says_that_it_is_not_connected() -> None:
    with pytest.raises(StreamClosed, match="the websocket is not connected yet"):
        Client("ws://localhost:1/").send("early")


@pytest.mark.parametrize("key", [KEY, KEY.decode()], ids=["bytes", "str"])
def test_key_resource_and_address_can_be_set(key: Any) -> None:
    def accept(request: bytes) -> bytes:
        return acceptance(request)

    with answering(accept) as (url, asked):
        client = Client("ws://name.invalid/")
        client.key = key
        client.resource = "/other"
        client.bind_addr = ("127.0.0.1", int(url.split(":")[2].strip("/")))
        client.connect()
        client.close_connection()
    assert asked[0].startswith(b"GET /other HTTP/1.1\r\nHost: name.invalid\r\n")
    assert header(asked[0], "Sec-WebSocket-Key") == "MDEyMzQ1Njc4OWFiY2RlZg=="


def test_unix_socket_is_connected_to(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as listener, joined_threads() as threads:
        listener.bind(str(path))
        listener.listen()

        def talk() -> str:
            sock, _ = listener.accept()
            with sock:
                request = sock.recv(65536)
                sock.sendall(acceptance(request))
                while sock.recv(65536):
                    pass
            return request.partition(b"\r\n")[0].decode()

        asked = threads.start(talk)
        client = Client(f"ws+unix://{path}")
        client.resource = "/ws"
        client.connect()
        client.close_connection()
        assert asked.result(PATIENCE) == "GET /ws HTTP/1.1"


def test_refusal_says_what_the_server_answered() -> None:
    def refuse(request: Any) -> Response:
        return Response(403, {"X-Why": "no"}, "go away")

    with serving(process_request=refuse) as server:
        client = Client(uri(server))
        with pytest.raises(HandshakeError, match="403") as raised:
            client.connect()
        assert raised.value.status == 403
        assert raised.value.headers["X-Why"] == "no"  # type: ignore[index]
        assert raised.value.body == b"go away"
        assert (client.sock, client.calls) == (None, [])


def test_refusal_may_be_malformed() -> None:
    with answering(lambda request: b"HTTP/1.1 500 Oh\r\nno header\r\n\r\n") as (url, _):
        with pytest.raises(HandshakeError, match="500") as raised:
            Client(url).connect()
        assert list(raised.value.headers) == []  # type: ignore[call-overload]
    with pytest.raises(HandshakeError, match="status line"):
        Client(url).process_response_line(b"garbage")


HOOKS = ["handshake_headers", "handshake_request", "process_response_line"]
HOOKS += ["process_handshake_header", "handshake_ok"]


def test_every_step_of_the_handshake_can_be_overridden() -> None:
    steps: list[str] = []

    class Hooked(Client):
        @property
        def handshake_headers(self) -> list[tuple[str, str]]:
            steps.append("handshake_headers")
            return [*super().handshake_headers, ("X-Hook", "1")]

        @property
        def handshake_request(self) -> bytes:
            steps.append("handshake_request")
            return super().handshake_request

        def process_response_line(self, response_line: bytes) -> None:
            steps.append("process_response_line")
            assert response_line.startswith(b"HTTP/1.1 101 ")
            super().process_response_line(response_line)

        def process_handshake_header(self, headers: bytes) -> tuple[list[str], list[str]]:
            steps.append("process_handshake_header")
            assert b"\r\nConnection: Upgrade" in headers
            return super().process_handshake_header(headers)

        def handshake_ok(self) -> None:
            steps.append("handshake_ok")
            super().handshake_ok()

    asked: list[Any] = []
    with serving(asked.append) as server:
        client = Hooked(uri(server))
        client.connect()
        client.run()
    assert sorted(steps) == sorted(HOOKS)
    assert steps[2:] == HOOKS[2:]
    assert asked[0].request.headers["X-Hook"] == "1"


def test_hook_may_refuse_a_connection() -> None:
    class Choosy(Client):
        def process_handshake_header(self, headers: bytes) -> tuple[list[str], list[str]]:
            raise HandshakeError("not like this")

    with serving() as server, pytest.raises(HandshakeError, match="not like this"):
        Choosy(uri(server)).connect()


def test_interim_answers_are_passed_over() -> None:
    early = response("HTTP/1.1 103 Early Hints", "Link: </style.css>")
    with answering(lambda request: early + acceptance(request)) as (url, _):
        client = Client(url)
        client.connect()
        assert client.calls == ["opened"]
        client.close_connection()


def test_server_that_says_nothing_is_waited_for_until_open_timeout() -> None:
    class Hasty(Client):
        options: ClassVar[Options] = Options(open_timeout=0.5)

    with saying() as port, pytest.raises(TimeoutError, match="opening handshake"):
        Hasty(f"ws://127.0.0.1:{port}/").connect()


# TLS


def test_certificate_is_verified_unless_said_otherwise() -> None:
    theirs, ours = contexts()
    with serving(ssl=ours) as server:
        url = uri(server, secure=True)
        with pytest.raises(ssl.SSLCertVerificationError):
            Client(url).connect()
        for options in (theirs, {"cert_reqs": ssl.CERT_NONE}):
            client = Client(url, ssl_options=options)
            client.connect()
            client.close()
            client.run()
            assert ended(client) == (1000, "")


def test_options_name_the_authority_and_the_server(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(context)
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    with serving(ssl=context) as server:
        url = uri(server, secure=True)
        with pytest.raises(ssl.SSLCertVerificationError):
            Client(url, ssl_options={"ca_certs": str(path)}).connect()
        options = {"ca_certs": str(path), "server_hostname": "example.org"}
        client = Client(url, ssl_options={**options, "cert_reqs": ssl.CERT_REQUIRED})
        client.connect()
        client.close()
        client.run()


def test_context_takes_a_certificate_and_ciphers_and_passes_old_options_over(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.pem"
    trustme.CA().issue_cert("me").private_key_and_cert_chain_pem.write_to_path(str(path))
    given = {"certfile": str(path), "ciphers": "ECDHE+AESGCM", "ssl_version": 2}
    context = context_of(given)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert all("GCM" in each["name"] or "TLS_" in each["name"] for each in context.get_ciphers())
    with pytest.raises(TypeError, match="cipher"):
        context_of({"cipher": "typo"})
