"""reconnect(): when the next connection comes, how long it waits, and when it gives up."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event

import geventws
from geventws.core.errors import ConnectionClosed, InvalidHandshake, Rejected
from geventws.reconnecting import Reconnecting
from tests.servers import (
    RawServer,
    Serve,
    accept,
    certified,
    header,
    read_head,
    refusing_port,
    response,
    saying,
    serving,
    silent,
)

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Dice:
    """Takes note of what it is asked for, and gives the lower number, which is hardly ever long."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    def __call__(self, low: float, high: float) -> float:
        self.asked.append((low, high))
        return min(low, 0.01)


def closing(code: int | None) -> Serve:
    """Accept, say hi, and close with *code*; 1005 is with none, None to leave without a word."""

    def serve(sock: Any) -> None:
        peer = accept(sock, then=b"\x81\x02hi")
        if code is None:
            return
        peer.send(8, b"" if code == 1005 else code.to_bytes(2, "big"))
        peer.next()

    return serve


def refusing(status: int, *lines: str) -> Serve:
    return saying(response(f"HTTP/1.1 {status} ", "Content-Length: 0", *lines))


@contextmanager
def doing(*deeds: Serve) -> Iterator[RawServer]:
    """Have a server do one thing after the other, one for each connection, the last for ever."""
    numbers = count()

    def serve(sock: Any) -> None:
        deeds[min(next(numbers), len(deeds) - 1)](sock)

    with serving(serve) as server:
        yield server


def again(server: RawServer, **arguments: Any) -> Reconnecting:
    arguments.setdefault("jitter", Dice())
    url = f"ws://127.0.0.1:{server.port}/"
    connections: Reconnecting = geventws.reconnect(url, proxy=None, **arguments)
    return connections


def greetings(connections: Reconnecting) -> list[Any]:
    """Return what the connections say, as a user would read it."""
    heard = []
    for ws in connections:
        with suppress(ConnectionClosed), ws:
            for message in ws:
                heard.append(message)
    return heard


# Between connections


@pytest.mark.parametrize("code", [1001, 1005, 1011, 1012, 1013, 1014, 3000, 4999, None])
def test_reconnect_goes_on_after_an_end_that_may_pass(code: int | None) -> None:
    with doing(closing(code), closing(code), closing(1000)) as server:
        connections = again(server)
        assert greetings(connections) == ["hi"] * 3
        assert len(server.clients) == 3
        assert list(connections) == []


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 1010])
def test_reconnect_raises_what_would_come_again(code: int) -> None:
    with doing(closing(code)) as server:
        with pytest.raises(ConnectionClosed) as caught:
            greetings(again(server))
        assert caught.value.code == code
        assert len(server.clients) == 1


def test_reconnect_ends_when_the_body_closes_normally() -> None:
    with doing(closing(None)) as server:
        for ws in again(server):
            assert ws.receive(timeout=10) == "hi"
            ws.close()  # which this server does not answer
        assert len(server.clients) == 1


def test_reconnect_goes_on_when_the_body_closes_otherwise() -> None:
    def answer(sock: Any) -> None:
        accept(sock).answer_close()

    with doing(answer, answer, closing(1000)) as server:
        connections = again(server)
        next(connections).close(4000, "not this one")
        next(connections).drop()
        assert greetings(connections) == ["hi"]


def test_reconnect_closes_a_connection_that_is_left_open() -> None:
    said: list[Any] = []

    def listen(sock: Any) -> None:
        peer = accept(sock)
        frame = peer.next()
        assert frame is not None
        said.append(frame.payload[:2])
        peer.send(8, frame.payload)

    with doing(listen, closing(1000)) as server:
        connections = again(server)
        first = next(connections)
        second = next(connections)
        assert (first.close_code, second.receive(timeout=10)) == (1001, "hi")
        assert said == [b"\x03\xe9"]
        second.drop()


def test_reconnect_leaves_the_connection_to_who_leaves_the_loop() -> None:
    def answer(sock: Any) -> None:
        accept(sock, then=b"\x81\x02hi").answer_close()

    with doing(answer) as server:
        left = None
        for ws in again(server):
            left = ws
            break
        assert left is ws
        assert ws.receive(timeout=10) == "hi"
        ws.close()
        assert ws.close_code == 1000


# Openings that fail


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_reconnect_tries_again_after_a_refusal_that_may_pass(status: int) -> None:
    with doing(refusing(status), refusing(status), closing(1000)) as server:
        assert greetings(again(server)) == ["hi"]
        assert len(server.clients) == 3


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 407, 426])
def test_reconnect_raises_any_other_refusal(status: int) -> None:
    with doing(refusing(status)) as server:
        with pytest.raises(Rejected) as caught:
            next(again(server))
        assert (caught.value.status, len(server.clients)) == (status, 1)


@pytest.mark.parametrize(
    "fail",
    [
        lambda sock: None,
        lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"),
        lambda sock: sock.sendall(b"HTTP/1.1 101 Swi"),
        silent,
    ],
    ids=["ends", "resets", "cut-short", "silent"],
)
def test_reconnect_tries_again_where_the_network_fails(fail: Serve) -> None:
    with doing(fail, closing(1000)) as server:
        assert greetings(again(server, open_timeout=1.0)) == ["hi"]


def test_reconnect_raises_an_answer_that_breaks_a_rule() -> None:
    with doing(saying(b"SSH-2.0\r\n\r\n")) as server, pytest.raises(InvalidHandshake):
        next(again(server))


def test_reconnect_raises_for_a_certificate_that_does_not_fit() -> None:
    with (
        serving(silent, context=certified("other.example")) as server,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        next(geventws.reconnect(f"wss://127.0.0.1:{server.port}/", proxy=None))
    assert len(server.clients) == 1


def test_reconnect_raises_the_last_of_so_many_failures() -> None:
    dice = Dice()
    url = f"ws://127.0.0.1:{refusing_port()}/"
    connections = geventws.reconnect(url, attempts=3, jitter=dice, proxy=None)
    with pytest.raises(ConnectionRefusedError):
        next(connections)
    assert (connections.failures, len(dice.asked)) == (3, 2)
    with doing(closing(1011)) as server, pytest.raises(ConnectionClosed):
        greetings(again(server, attempts=2))
    assert len(server.clients) == 2


def test_reconnect_asks_for_a_fresh_token_each_time() -> None:
    heads: list[bytes] = []
    tokens = count(1)

    def refuse(sock: Any) -> None:
        heads.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 503 \r\n\r\n")

    with doing(refuse, refuse, refuse, closing(1000)) as server:
        assert greetings(again(server, auth=lambda: f"Bearer {next(tokens)}")) == ["hi"]
    said = [header(head, "Authorization") for head in heads]
    assert said == ["Bearer 1", "Bearer 2", "Bearer 3"]


# Delays


def test_reconnect_waits_longer_with_each_failure_up_to_a_limit() -> None:
    dice = Dice()
    with doing(*[refusing(503)] * 5, closing(1000)) as server:
        greetings(again(server, jitter=dice, first_delay=2.0, max_delay=9.0))
    assert dice.asked == [(0.0, 2.0), (0.0, 4.0), (0.0, 8.0), (0.0, 9.0), (0.0, 9.0)]


def test_reconnect_counts_connections_that_do_not_last() -> None:
    dice = Dice()
    with doing(*[closing(1011)] * 3, closing(1000)) as server:
        greetings(again(server, jitter=dice))
    assert dice.asked == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]


def test_reconnect_keeps_nothing_of_a_hundred_connections() -> None:
    with doing(*[closing(1011)] * 100, closing(1000)) as server:
        connections = again(server)
        assert greetings(connections) == ["hi"] * 101
        assert connections.failures == 100


def test_reconnect_logs_a_reason_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def close(sock: Any) -> None:
        accept(sock).send(8, b"\x03\xf3a\n\x1b[b")

    with doing(close, closing(1000)) as server, caplog.at_level("INFO", "geventws"):
        greetings(again(server))
    assert caplog.messages == ["reconnecting in 0.0 s: connection closed: 1011 a\\x0a\\x1b[b"]


def test_reconnect_begins_again_after_a_connection_that_lasted() -> None:
    dice = Dice()
    deeds = [refusing(503), refusing(503), closing(1011), refusing(503), closing(1000)]
    with doing(*deeds) as server:
        connections = again(server, jitter=dice, stable_after=0)
        greetings(connections)
    assert dice.asked == [(0.0, 1.0), (0.0, 2.0), (0.0, 1.0), (0.0, 1.0)]


@pytest.mark.parametrize("code", [1012, 1013])
def test_reconnect_waits_as_a_busy_server_wants(code: int) -> None:
    for max_delay, expected in ((60.0, (5.0, 30.0)), (10.0, (5.0, 10.0)), (1.0, (1.0, 1.0))):
        dice = Dice()
        with doing(closing(code), closing(1000)) as server:
            greetings(again(server, jitter=dice, max_delay=max_delay))
        assert dice.asked == [expected]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        *[("7", (7.0, 8.0)), ("0", (0.0, 1.0)), ("soon", (0.0, 1.0)), ("-1", (0.0, 1.0))],
        *[(huge, (60.0, 61.0)) for huge in ("9999", "9999999999", "9" * 400)],
        ("Wed, 21 Oct 2015 07:28:00 GMT", (0.0, 1.0)),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", (0.0, 1.0)),
        ("Wed, 21 Oct 2015 07:28:00 +333333333333333", (0.0, 1.0)),
    ],
)
def test_reconnect_honours_retry_after(said: str, expected: tuple[float, float]) -> None:
    dice = Dice()
    with doing(refusing(429, f"Retry-After: {said}"), closing(1000)) as server:
        greetings(again(server, jitter=dice))
    assert dice.asked == [expected]


def test_reconnect_honours_a_date_of_return() -> None:
    dice = Dice()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    with doing(refusing(503, f"Retry-After: {date}"), closing(1000)) as server:
        greetings(again(server, jitter=dice))
    ((low, high),) = dice.asked
    assert 10 < low < 41
    assert high == low + 1


def test_reconnect_draws_a_random_delay_by_default() -> None:
    with doing(refusing(503), refusing(503), closing(1000)) as server:
        url = f"ws://127.0.0.1:{server.port}/"
        assert greetings(geventws.reconnect(url, max_delay=0.01, proxy=None)) == ["hi"]


def test_reconnect_can_be_interrupted_while_it_waits_and_goes_on() -> None:
    with doing(refusing(503), closing(1000)) as server:
        connections, waiting = waiting_for(server)
        waiting.kill(gevent.Timeout())
        assert isinstance(waiting.get(), gevent.Timeout)
        assert gevent.with_timeout(0.1, next, connections, timeout_value=None) is None
        assert len(server.clients) == 1


def test_reconnect_that_is_killed_leaves_nothing() -> None:
    with doing(refusing(503)) as server:
        _, waiting = waiting_for(server)
        waiting.kill()
        assert isinstance(waiting.value, gevent.GreenletExit)


def waiting_for(server: RawServer) -> tuple[Reconnecting, Any]:
    """Return what has begun a long wait for *server*, and the greenlet that waits."""
    waits = Event()

    def jitter(low: float, high: float) -> float:
        waits.set()
        return 30.0

    def wait() -> object:
        try:
            return next(connections)
        except gevent.Timeout as timeout:
            return timeout

    connections = again(server, jitter=jitter)
    waiting = gevent.spawn(wait)
    assert waits.wait(10)
    return connections, waiting


# Arguments


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        *[(name, "1", TypeError) for name in ("first_delay", "max_delay", "stable_after")],
        *[(name, -1, ValueError) for name in ("first_delay", "max_delay", "stable_after")],
        ("max_delay", float("inf"), ValueError),
        ("max_delay", None, TypeError),
        ("attempts", True, TypeError),
        ("attempts", 1.5, TypeError),
        ("attempts", 0, ValueError),
        ("resume", 1, TypeError),
    ],
)
def test_reconnect_names_a_wrong_argument(
    name: str, value: Any, kind: Callable[..., Exception]
) -> None:
    given: Any = {name: value}
    with pytest.raises((TypeError, ValueError), match=rf"^{name}: ") as caught:
        geventws.reconnect("ws://127.0.0.1:9/", **given)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("url", "arguments", "kind"),
    [
        ("http://127.0.0.1/", {}, geventws.InvalidURI),
        ("ws://127.0.0.1:9/", {"max_size": "1"}, TypeError),
        ("ws://127.0.0.1:9/", {"proxy": "ftp://a"}, ValueError),
        ("ws://127.0.0.1:9/", {"no_such": 1}, TypeError),
    ],
)
def test_reconnect_raises_a_wrong_argument_of_connect(
    url: str, arguments: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        next(geventws.reconnect(url, **arguments))
