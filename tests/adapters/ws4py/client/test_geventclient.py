from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import gevent
import pytest
from gevent.queue import Empty

from geventws.adapters.ws4py.client.geventclient import WebSocketClient
from geventws.options import Options
from geventws.server import serve
from tests import servers
from tests.servers import certified, refusing_port, serving, silent, trusting
from tests.serving import LOCAL, echo, in_time, running

pytestmark = pytest.mark.usefixtures("leaks_nothing")


@contextmanager
def connected(handler: Any = echo, **arguments: Any) -> Iterator[WebSocketClient]:
    """Give a client of a server that runs *handler*."""
    with running(serve(handler, LOCAL)) as server:
        client = WebSocketClient(f"ws://127.0.0.1:{server.address[1]}/", **arguments)
        client.connect()
        try:
            yield client
        finally:
            client.close()
            client._th.join(5)
            client.close_connection()


def deaf(sock: Any) -> None:
    """Accept a WebSocket and say nothing more."""
    servers.accept(sock)
    servers.silent(sock)


def test_receive_returns_messages_and_then_none() -> None:
    with connected() as client:
        client.send("text")
        client.send(b"bytes", binary=True)
        got = [in_time(client.receive) for _ in "12"]
        assert [(each.data, each.is_binary) for each in got] == [(b"text", False), (b"bytes", True)]
        client.close()
        assert in_time(client.receive) is None
        assert client.receive(block=False) is None
    assert client.terminated


def test_receive_returns_what_came_before_the_close() -> None:
    def say(ws: Any) -> None:
        ws.send("one")
        ws.send("two")

    with connected(say) as client:
        in_time(client._th.join)
        assert [str(client.receive()) for _ in "12"] == ["one", "two"]
        assert client.receive() is None


def test_who_receives_may_answer_before_what_stands_behind_takes_effect() -> None:
    answers: list[Any] = []

    def talk(sock: Any) -> None:
        peer = servers.accept(sock)
        sock.sendall(peer.frame(1, b"before") + peer.frame(3))
        answers.extend(frame.payload for frame in peer.until_end())

    with serving(talk) as server:
        client = WebSocketClient(f"ws://127.0.0.1:{server.port}/", extensions=[])
        client.connect()
        while (message := in_time(client.receive)) is not None:
            client.send(message)
        in_time(client._th.join)
    assert answers[0] == b"before"
    assert answers[1][:2] == b"\x03\xea"  # 1002


def test_every_greenlet_that_receives_is_told_of_the_end() -> None:
    with connected() as client:
        waiting = [gevent.spawn(client.receive) for _ in range(5)]
        client.close()
        gevent.joinall(waiting, timeout=5, raise_error=True)
        assert [each.value for each in waiting] == [None] * 5
        assert all(each.successful() for each in waiting)


def test_receive_need_not_wait() -> None:
    with connected() as client:
        with pytest.raises(Empty):
            client.receive(block=False)
        with pytest.raises(Empty):
            client.receive(timeout=0.01)


def test_other_greenlets_run_while_one_waits() -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        while True:
            gevent.sleep(0.001)
            ticks += 1

    with connected() as client:
        ticking = gevent.spawn(tick)
        try:
            with pytest.raises(Empty):
                client.receive(timeout=0.1)
        finally:
            ticking.kill()
    assert ticks > 5


def test_client_connects_again_after_the_end() -> None:
    with running(serve(echo, LOCAL)) as server:
        client = WebSocketClient(f"ws://127.0.0.1:{server.address[1]}/")
        for word in ("one", "two"):
            client.connect()
            client.send(word)
            assert str(in_time(client.receive)) == word
            client.close()
            assert in_time(client.receive) is None
            in_time(client._th.join)


def test_client_of_tls_verifies() -> None:
    with serving(servers.echo, context=certified("localhost")) as server:
        client = WebSocketClient(f"wss://localhost:{server.port}/", ssl_options=trusting())
        client.connect()
        client.send("secret")
        assert str(in_time(client.receive)) == "secret"
        client.close()
        assert in_time(client.receive) is None
        in_time(client._th.join)
        with pytest.raises(OSError, match="certificate"):
            WebSocketClient(f"wss://localhost:{server.port}/").connect()


def test_unix_socket_is_connected_to(tmp_path: Any) -> None:
    path = str(tmp_path / "sock")
    with running(serve(echo, f"unix:{path}")):
        client = WebSocketClient(f"ws+unix://{path}")
        client.connect()
        client.send("hello")
        assert str(in_time(client.receive)) == "hello"
        client.close()
        in_time(client._th.join)


def test_connect_gives_up_in_time() -> None:
    class Hasty(WebSocketClient):
        options: ClassVar[Options] = Options(open_timeout=0.5)

    with serving(silent) as server, pytest.raises(TimeoutError, match="opening handshake"):
        Hasty(f"ws://127.0.0.1:{server.port}/").connect()
    with serving(silent) as server, pytest.raises(TimeoutError, match="TLS"):
        Hasty(f"wss://127.0.0.1:{server.port}/").connect()
    with pytest.raises(ConnectionRefusedError):
        WebSocketClient(f"ws://127.0.0.1:{refusing_port()}/").connect()


def test_heartbeat_gives_up_a_peer_that_says_nothing() -> None:
    class Watched(WebSocketClient):
        options: ClassVar[Options] = Options(ping_timeout=0.05)
        end: Any = None

        def closed(self, code: int, reason: str | None = None) -> None:
            self.end = (code, reason)
            super().closed(code, reason)

    with serving(deaf) as server:
        client = Watched(f"ws://127.0.0.1:{server.port}/", heartbeat_freq=0.02)
        client.connect()
        assert in_time(client.receive) is None
        assert client.end == (1006, "Going away")
        in_time(client._th.join)


def test_peer_that_never_answers_a_close_is_dropped() -> None:
    class Hasty(WebSocketClient):
        options: ClassVar[Options] = Options(ping_interval=None, close_timeout=0.05)

    with serving(deaf) as server:
        client = Hasty(f"ws://127.0.0.1:{server.port}/")
        client.connect()
        client.close()
        assert in_time(client.receive) is None
        in_time(client._th.join)
