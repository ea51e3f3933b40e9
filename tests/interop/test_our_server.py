"""Other people's clients and our server: every way of talking, with each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple, TypeVar

import gevent
import pytest
from gevent.queue import Queue

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.options import DEFLATE
from tests.interop.peers import THEIR_CLIENTS
from tests.interop.scenes import (
    CLOSES,
    FRAGMENTS,
    HOST,
    IN_TIME,
    MESSAGES,
    PLAIN,
    REFUSAL,
    SUBPROTOCOL,
    cut,
    joined,
    server_context,
)
from tests.interop.their_clients import Refused, TheirClient

T = TypeVar("T")
TABLE = [
    (kind, tls, how)
    for kind, tls, how in product(THEIR_CLIENTS, ["plain", "tls"], ["deflate", "raw"])
    if kind.can_compress or how == "raw"
]


class Meeting(NamedTuple):
    """Our server, and how their client is to visit it."""

    uri: str
    kind: type[TheirClient]
    compressed: bool
    closes: Any  # a queue of (code, reason): how visits to /listen ended

    def with_client(
        self, talk: Callable[[TheirClient], T], path: str = "echo", offers: bool = False
    ) -> T:
        """Return what *talk* does with a connected client, in a thread."""

        def visit() -> T:
            wish = PLAIN if self.compressed else None
            return talk(self.kind(f"{self.uri}/{path}", wish, offers))

        with gevent.Timeout(3 * IN_TIME):
            result: T = gevent.get_hub().threadpool.apply(visit)
        return result


@pytest.fixture(
    scope="module", params=TABLE, ids=[f"{kind.__name__}-{tls}-{how}" for kind, tls, how in TABLE]
)
def meeting(request: pytest.FixtureRequest) -> Iterator[Meeting]:
    kind, tls, how = request.param
    closes: Any = Queue()

    def handle(ws: geventws.WebSocket) -> None:
        assert ws.request is not None
        if ws.request.path == "/close":
            code, _, reason = str(ws.receive()).partition(" ")
            ws.close(int(code), reason)
        elif ws.request.path == "/ping":
            assert ws.ping(timeout=IN_TIME) > 0
            ws.send("you are")
        else:
            echo(ws, closes)

    server = geventws.serve(
        handle,
        ("127.0.0.1", 0),
        ssl=server_context() if tls == "tls" else None,
        compression=DEFLATE if how == "deflate" else None,
        subprotocols=[SUBPROTOCOL],
        process_request=refuse,
    )
    server.start()
    scheme = "ws" if tls == "plain" else "wss"
    yield Meeting(f"{scheme}://{HOST}:{server.server_port}", kind, how == "deflate", closes)
    server.stop()


def echo(ws: geventws.WebSocket, closes: Any) -> None:
    assert ws.request is not None
    try:
        while True:
            message = ws.receive()
            ws.send(iter(cut(message)) if ws.request.path == "/cut" else message)
    except ConnectionClosed as closed:
        if ws.request.path == "/listen":
            closes.put((closed.code, closed.reason))


def refuse(request: geventws.Request) -> geventws.Response | None:
    status, name, value, body = REFUSAL
    return geventws.Response(status, {name: value}, body) if request.path == "/refuse" else None


def test_client_gets_back_what_it_sends(meeting: Meeting) -> None:
    def talk(client: TheirClient) -> list[str]:
        assert client.compressed == meeting.compressed
        differing = []
        for name, message in MESSAGES.items():
            client.send(message)
            if client.receive() != message:
                differing.append(name)
        client.close()
        return differing

    assert meeting.with_client(talk) == []


def test_client_sends_many_before_it_receives(meeting: Meeting) -> None:
    def talk(client: TheirClient) -> list[str | bytes]:
        for number in range(100):
            client.send(f"message {number} " * 10)
        received = [client.receive() for _ in range(100)]
        client.close()
        return received

    assert meeting.with_client(talk) == [f"message {number} " * 10 for number in range(100)]


def test_client_sends_fragments(meeting: Meeting) -> None:
    def talk(client: TheirClient) -> list[str | bytes]:
        received = []
        for fragments in FRAGMENTS.values():
            client.send_fragments(fragments)
            received.append(client.receive())
        client.close()
        return received

    if meeting.kind.can_fragment:
        assert meeting.with_client(talk) == [joined(parts) for parts in FRAGMENTS.values()]


def test_client_receives_fragments(meeting: Meeting) -> None:
    def talk(client: TheirClient) -> list[str | bytes]:
        received = []
        for fragments in FRAGMENTS.values():
            client.send(joined(fragments))
            received.append(client.receive())
        client.close()
        return received

    expected = [joined(parts) for parts in FRAGMENTS.values()]
    assert meeting.with_client(talk, "cut") == expected


def test_client_pings(meeting: Meeting) -> None:
    def talk(client: TheirClient) -> None:
        client.ping()
        client.close()

    meeting.with_client(talk)


def test_client_is_pinged(meeting: Meeting) -> None:
    def talk(client: TheirClient) -> str | bytes:
        said = client.receive()
        client.close()
        return said

    assert meeting.with_client(talk, "ping") == "you are"


@pytest.mark.parametrize(("code", "reason"), CLOSES)
def test_client_closes(meeting: Meeting, code: int, reason: str) -> None:
    meeting.with_client(lambda client: client.close(code, reason), "listen")
    assert meeting.closes.get(timeout=IN_TIME) == (code, reason)


@pytest.mark.parametrize(("code", "reason"), CLOSES)
def test_client_is_closed(meeting: Meeting, code: int, reason: str) -> None:
    def talk(client: TheirClient) -> tuple[int, str]:
        client.send(f"{code} {reason}")
        return client.closed()

    assert meeting.with_client(talk, "close") == (code, reason)


def test_client_and_server_agree_on_a_subprotocol(meeting: Meeting) -> None:
    def talk(client: TheirClient) -> str | None:
        client.close()
        return client.subprotocol

    assert meeting.with_client(talk) is None
    assert meeting.with_client(talk, offers=True) == SUBPROTOCOL


def test_client_is_told_why_it_was_refused(meeting: Meeting) -> None:
    with pytest.raises(Refused) as caught:
        meeting.with_client(TheirClient.close, "refuse")
    status, name, value, body = REFUSAL
    refused = caught.value
    assert (refused.status, refused.headers[name]) == (status, value)
    assert refused.body in (body, b"")  # aiohttp gives it to nobody
