from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.cookiejar import CookieJar
from queue import SimpleQueue
from threading import enumerate as enumerate_threads
from threading import get_ident
from typing import Any

import pytest

from geventws.adapters.threaded import ThreadedWebSocket, WebSocketClient, connect
from geventws.core.errors import InvalidHandshake, InvalidURI, Rejected
from geventws.core.handshake import Request, Response
from geventws.websocket import WebSocket
from tests.adapters.threaded.managers import Noting
from tests.threads import (
    PATIENCE,
    Threads,
    contexts,
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


# connect()


def test_connect_names_the_handshake_that_took_too_long() -> None:
    with (
        saying() as port,
        pytest.raises(TimeoutError, match="the opening handshake took longer than open_timeout"),
    ):
        connect(f"ws://127.0.0.1:{port}/", open_timeout=0.2)


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


def test_connect_logs_in_follows_redirects_and_keeps_cookies() -> None:
    asked: list[Any] = []

    def admit(request: Request) -> Response | None:
        headers = request.headers
        asked.append((request.path, headers.get("Authorization"), headers.get("Cookie")))
        if request.path == "/room":
            return None
        return Response(302, {"Location": "/room", "Set-Cookie": "seat=12"})

    with (
        serving(process_request=admit) as server,
        connect(
            f"ws://127.0.0.1:{server.address[1]}/",
            auth=("Aladdin", "open sesame"),
            cookies=CookieJar(),
        ) as ws,
    ):
        ws.send("hello")
        assert ws.receive(PATIENCE) == "hello"
    user = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert asked == [("/", user, None), ("/room", user, "seat=12")]


def test_connect_raises_the_redirect_that_is_one_too_many() -> None:
    again = Response(302, {"Location": "/"})
    with serving(process_request=lambda _: again) as server:
        with pytest.raises(InvalidHandshake, match="more redirects than 2"):
            connect(uri(server), redirects=2)
        with pytest.raises(Rejected):
            connect(uri(server), redirects=0)


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
    for name, value in [
        ("ssl", "context"),
        ("handler", print),
        ("handler", WebSocket),
        ("source_address", "127.0.0.1"),
        ("source_address", ("127.0.0.1", "0")),
    ]:
        wrong: Any = {name: value}
        with pytest.raises(TypeError, match=f"{name}: "):
            connect("ws://localhost/", **wrong)
    with pytest.raises(ValueError, match="source_address: a unix socket has none"):
        connect("ws+unix:///tmp/none", source_address=("127.0.0.1", 0))


def test_connect_begins_at_the_source_address() -> None:
    with (
        serving() as server,
        connect(uri(server), source_address=("127.0.0.2", 0)) as ws,
    ):
        assert ws.local_address[0] == "127.0.0.2"


def test_connect_gives_a_connection_whose_callbacks_run_when_it_is_run(threads: Threads) -> None:
    with serving() as server:
        ws = connect(uri(server), handler=Noting)
        assert ws.notes.empty()
        running = threads.start(ws.run)
        ws.send("hello")
        assert [ws.next(), ws.next()] == ["opened", "hello"]
        ws.begin_close(4000)
        running.result(PATIENCE)
        assert ws.next() == (4000, "")
        assert ws._transport.closed


# WebSocketClient


class Client(WebSocketClient):
    """Takes notes, as Noting does."""

    def __init__(self, url: str, **arguments: Any) -> None:
        super().__init__(url, **arguments)
        self.notes: SimpleQueue[Any] = SimpleQueue()
        self.threads: set[int] = set()

    def opened(self) -> None:
        self.note("opened")

    def received_message(self, message: str | bytes) -> None:
        self.note(message)
        if message == "fail":
            raise LookupError("as was asked for")

    def ponged(self, data: bytes) -> None:
        self.note("ponged")

    def closed(self, code: int, reason: str) -> None:
        self.note((code, reason))

    def note(self, what: Any) -> None:
        self.threads.add(get_ident())
        self.notes.put(what)

    def next(self) -> Any:
        return self.notes.get(timeout=PATIENCE)


def test_client_runs_its_callbacks_in_a_thread_of_its_own() -> None:
    with serving() as server:
        client = Client(uri(server), subprotocols=["chat"])
        client.connect()
        assert client.next() == "opened"
        client.send("hello")
        assert client.next() == "hello"
        client.send(iter(["in ", "pieces"]))
        assert client.next() == "in pieces"
        assert client.ping(PATIENCE) > 0
        assert client.next() == "ponged"
        client.close(4000, "enough")
        client.run_forever()
        assert client.next() == (4000, "")
        assert len(client.threads) == 1
        assert get_ident() not in client.threads


def test_client_may_send_and_close_in_its_callbacks() -> None:
    class Greeting(Client):
        def opened(self) -> None:
            super().opened()
            self.send("hello")

        def received_message(self, message: str | bytes) -> None:
            super().received_message(message)
            self.close()

    with serving() as server:
        client = Greeting(uri(server))
        client.connect()
        client.run_forever()
        assert [client.next() for _ in range(3)] == ["opened", "hello", (1000, "")]


def test_client_may_connect_again_after_the_end_and_not_before() -> None:
    with serving() as server:
        client = Client(uri(server))
        for _ in range(2):
            client.connect()
            assert client.next() == "opened"
            with pytest.raises(RuntimeError, match="the client is connected already"):
                client.connect()
            client.close()
            client.run_forever()
            assert client.next() == (1000, "")


def test_client_says_what_its_callbacks_raise(caplog: Any) -> None:
    with serving() as server:
        client = Client(uri(server))
        client.connect()
        client.send("fail")
        client.run_forever()
        assert [client.next() for _ in range(3)] == [
            "opened",
            "fail",
            (1011, "the application failed"),
        ]
    assert "as was asked for" in caplog.text


def test_client_hears_of_its_errors_itself() -> None:
    class Hearing(Client):
        def unhandled_error(self, error: Exception) -> None:
            self.note(str(error))

    with serving() as server:
        client = Hearing(uri(server))
        client.connect()
        client.send("fail")
        client.run_forever()
        assert [client.next() for _ in range(3)] == ["opened", "fail", "as was asked for"]


@pytest.mark.parametrize("daemon", [True, False])
def test_client_is_a_daemon_or_not(daemon: bool) -> None:
    with serving() as server:
        client = Client(uri(server), daemon=daemon)
        client.connect()
        assert client.next() == "opened"
        (mine,) = [thread for thread in enumerate_threads() if thread.name == "WebSocketClient"]
        assert mine.daemon is daemon
        client.close()
        client.run_forever()


def test_client_that_was_never_connected_has_nothing_to_do() -> None:
    client = WebSocketClient("ws://127.0.0.1:1/")
    client.run_forever()
    client.close()
    for use in (client.ping, lambda: client.send("x")):
        with pytest.raises(RuntimeError, match=r"connect\(\) has not been called"):
            use()
    with pytest.raises(ConnectionRefusedError):
        client.connect()
    client.run_forever()


def test_client_calls_what_it_does_not_override() -> None:
    with serving(greet) as server:
        client = WebSocketClient(uri(server))
        client.connect()
        assert client.ping(PATIENCE) > 0
        client.close()
        client.run_forever()
        assert client.connection is not None
        assert client.connection.close_code == 1000


def greet(ws: ThreadedWebSocket) -> None:
    """Say something, and hear the other one out."""
    ws.send("hello")
    assert list(ws) == []
