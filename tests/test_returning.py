"""reconnect(resume=True), with servers that say what the specification allows, and what not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import gevent
import pytest
from gevent.event import Event

import geventws
from geventws.broker import MemoryBroker, Position, Publication
from geventws.core.codes import Side
from geventws.core.errors import ConnectionClosed, InvalidHandshake, ProtocolError
from geventws.core.handshake import Request
from geventws.reconnecting import Resuming
from geventws.resuming import (
    MARK,
    RESUME,
    joined,
    left,
    positions,
    published,
    skipped,
)
from geventws.returning import ResumingWebSocket
from tests.pairs import RawPeer
from tests.servers import RawServer, acceptance, header, read_head, serving

pytestmark = pytest.mark.usefixtures("leaks_nothing")

TEXT, BINARY, CLOSE = 1, 2, 8
AGREED = f"Sec-WebSocket-Protocol: {RESUME}"
Message = str | bytes


class Script:
    """What a server says on each connection, and what its clients offered."""

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self.offered: list[list[str]] = []

    @property
    def said(self) -> list[dict[str, Position]]:
        """Where the clients said they stand, each time."""
        return [
            positions(
                Request(f"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: {','.join(each)}".encode())
            )
            for each in self.offered
        ]

    def connections(self, **arguments: Any) -> Resuming:
        url = f"ws://127.0.0.1:{self.server.port}/"
        connections: Resuming = geventws.reconnect(
            url, resume=True, jitter=lambda low, high: 0.0, proxy=None, **arguments
        )
        return connections


Part = tuple[list[Message], int | None]


@contextmanager
def playing(*parts: Part, agreed: str = AGREED) -> Iterator[Script]:
    """Have a server say the messages of one part after the other, each on a connection of its own.

    The part's number is the code it closes with; None is to cut the connection off, and 0 to wait
    for the client's close.
    """
    numbers = count()

    def serve(sock: Any) -> None:
        messages, code = parts[next(numbers)]
        head = read_head(sock)
        script.offered.append(header(head, "Sec-WebSocket-Protocol").split(", "))
        peer = RawPeer(sock, Side.CLIENT)
        frames = [_frame(peer, message) for message in messages]
        if code:
            frames.append(peer.frame(CLOSE, code.to_bytes(2, "big")))
        sock.sendall(acceptance(head, agreed) + b"".join(frames))
        if code:
            peer.next()
        elif code == 0:
            peer.answer_close()

    with serving(serve) as server:
        script = Script(server)
        yield script


def _frame(peer: RawPeer, message: Message) -> bytes:
    if isinstance(message, str):
        return peer.frame(TEXT, message.encode())
    return peer.frame(BINARY, message)


def at(offset: int, epoch: str = "x", room: str = "tea", message: Message | None = None) -> Message:
    text = str(offset) if message is None else message
    return published(Publication(room, text, Position(offset, epoch)))


def start(offset: int, recovered: bool | None = None, room: str = "tea") -> str:
    return joined(room, Position(offset, "x"), recovered)


def heard(connections: Resuming) -> list[Message]:
    """Return what the connections say, as a user would read it."""
    messages = []
    for ws in connections:
        with suppress(ConnectionClosed), ws:
            for message in ws:
                messages.append(message)
    return messages


# What is received


def test_resuming_gives_payloads_as_they_were_published() -> None:
    payloads: list[Message] = ["", b"", "\n", b"\n\n", "two\nlines", b"\x00\xff", '{"room":1}']
    messages = [at(n, message=payload) for n, payload in enumerate(payloads, 1)]
    with playing(([start(0), *messages], 1000)) as script:
        assert heard(script.connections()) == payloads


def test_resuming_tells_what_was_sent_to_it_alone() -> None:
    story = ["hello", start(0), at(1), b"\x1e{", f"{MARK}null}}\n{left('tea')}"]
    with playing((story, 1000)) as script:
        rooms = []
        for ws in script.connections():
            for message in ws:
                rooms.append((message, ws.heard_in))
    assert rooms == [("hello", None), ("1", "tea"), (b"\x1e{", None), (left("tea"), None)]


def test_resuming_goes_on_where_it_was_cut_off() -> None:
    story: list[Part] = [
        ([start(5), at(6), at(7)], None),
        ([start(7, True), at(8)], None),
        ([start(8, True), at(9), at(9), at(10)], 1000),
    ]
    with playing(*story) as script:
        connections = script.connections()
        assert heard(connections) == ["6", "7", "8", "9", "10"]
    assert script.offered[0] == [RESUME]
    assert script.said == [{}, {"tea": (7, "x")}, {"tea": (8, "x")}]


def test_resuming_that_is_cut_off_before_the_replay_ends_skips_nothing() -> None:
    story: list[Part] = [
        ([start(5), at(6)], None),
        ([start(6, True)], None),
        ([start(6, True), at(7), at(8)], None),
        ([start(8, True), at(9), at(10)], 1000),
    ]
    with playing(*story) as script:
        assert heard(script.connections()) == ["6", "7", "8", "9", "10"]
    assert [said.get("tea") for said in script.said] == [None, (6, "x"), (6, "x"), (8, "x")]


def test_resuming_asks_again_for_what_the_body_did_not_take() -> None:
    story: list[Part] = [
        ([start(5), at(6), at(7), at(8)], 1001),
        ([start(6, True), at(7), at(8)], 1000),
    ]
    with playing(*story) as script:
        connections = script.connections()
        ws = next(connections)
        assert ws.receive(timeout=10) == "6"
        ws.drop()
        assert heard(connections) == ["7", "8"]
    assert script.said[1] == {"tea": (6, "x")}


def test_resuming_says_what_it_could_not_recover_until_that_is_dealt_with() -> None:
    story: list[Part] = [
        ([start(5), start(5, None, "milk"), at(6)], None),
        ([start(20, False), start(5, True, "milk"), at(21)], None),
        ([start(21, True), start(5, True, "milk"), at(22)], None),
        ([], 1000),
    ]
    with playing(*story) as script:
        connections = script.connections()
        unrecovered = [set[str](), set[str](), set[str]()]
        for now in unrecovered:
            ws = next(connections)
            ws.receive(timeout=10)
            now |= ws.unrecovered
            ws.drop()
        ws.unrecovered.discard("tea")
        assert unrecovered == [set(), {"tea"}, {"tea"}]
        assert next(connections).unrecovered == set()


def test_resuming_forgets_a_room_that_it_was_taken_out_of() -> None:
    story: list[Part] = [
        ([start(5), at(6), left("tea"), start(9), at(10), left("tea"), "bye"], None),
        ([start(30), at(31)], 1000),
    ]
    with playing(*story) as script:
        connections = script.connections()
        assert heard(connections) == ["6", "10", "bye", "31"]
        assert script.said == [{}, {}]


def test_resuming_counts_what_was_not_meant_for_it() -> None:
    story: list[Part] = [
        ([start(5), skipped("tea", Position(6, "x")), at(7)], None),
        ([start(7, True)], 1000),
    ]
    with playing(*story) as script:
        connections = script.connections()
        assert heard(connections) == ["7"]
    assert script.said[1] == {"tea": (7, "x")}


def test_resuming_receives_in_one_piece() -> None:
    with playing(([start(0), at(1, message="1" * 70_000)], 1000)) as script:
        ws = next(script.connections())
        assert list(ws.receive_pieces()) == ["1" * 70_000]
        ws.close()


def test_resuming_waits_no_longer_than_it_is_told() -> None:
    notice = skipped("tea", Position(7, "x"))
    story: Part = ([start(5), at(6), notice, at(7), at(8), notice], 0)
    with playing(story) as script, next(script.connections()) as ws:
        assert isinstance(ws, ResumingWebSocket)
        assert ws.receive(timeout=10) == "6"
        assert ws.receive(timeout=0) == "8"  # it came along, behind what is not for the application
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError):
                ws.receive(timeout)
        with pytest.raises(TypeError, match=r"^timeout"):
            ws.receive("1")  # type: ignore[arg-type]


# Servers that do not keep to it


@pytest.mark.parametrize("broken", [f"{MARK}}}", f"{MARK}1}}\nm", MARK.encode() + b"\xff\n"])
def test_resuming_fails_a_server_whose_heads_are_none(broken: Message) -> None:
    with playing(([start(5), at(6), broken, at(7)], 1000)) as script:
        connections = script.connections()
        with next(connections) as ws:
            assert ws.receive(timeout=10) == "6"
            for _ in range(2):
                with pytest.raises(ConnectionClosed) as caught:
                    ws.receive(timeout=10)
                assert (caught.value.code, caught.value.clean) == (1002, False)
            assert isinstance(caught.value.__cause__, ProtocolError | None)
        with pytest.raises(ConnectionClosed) as caught:
            next(connections)
        assert caught.value.code == 1002
        assert len(script.offered) == 1


@pytest.mark.parametrize("agreed", ["X-Nothing: 1", "Sec-WebSocket-Protocol: chat"])
def test_resuming_refuses_a_server_that_does_not_resume(agreed: str) -> None:
    with playing(([], None), agreed=agreed) as script:
        connections = script.connections(subprotocols=["chat"])
        with pytest.raises(InvalidHandshake, match=r"^the server did not select resume\.geventws"):
            next(connections)
        assert script.offered == [[RESUME, "chat"]]


def test_resuming_offers_what_the_application_offers_too() -> None:
    with playing(([start(5)], None), ([], 1000)) as script:
        assert heard(script.connections(subprotocols=("bearer.1",))) == []
        first, second = script.offered
        assert first == [RESUME, "bearer.1"]
        assert [second[0], second[2]] == first


@pytest.mark.parametrize("subprotocols", ["chat", [RESUME], ["a b"]])
def test_resuming_refuses_subprotocols_that_are_none(subprotocols: Any) -> None:
    connections = geventws.reconnect("ws://127.0.0.1:9/", resume=True, subprotocols=subprotocols)
    with pytest.raises((TypeError, ValueError), match=r"^subprotocols"):
        next(connections)


def test_resuming_connection_is_known_by_its_class() -> None:
    with playing(([], 1000)) as script, next(script.connections()) as ws:
        assert isinstance(ws, ResumingWebSocket)
        assert (ws.heard_in, ws.unrecovered, ws.subprotocol) == (None, set(), RESUME)


# Over a broker


class Room:
    """A server whose clients are all in the room "tea"."""

    def __init__(self, history: int) -> None:
        self.manager = geventws.Manager(broker=MemoryBroker(history=history))
        self.joined = Event()

    def __call__(self, ws: geventws.WebSocket) -> None:
        self.manager.join_room(ws, "tea")
        self.joined.set()
        list(ws)

    def drop_all(self) -> None:
        self.joined.clear()
        for ws in self.manager:
            ws.drop()


@contextmanager
def room(history: int) -> Iterator[tuple[Room, Resuming]]:
    """Have a server with a room, and a client of it."""
    tea = Room(history)
    server = geventws.serve(tea, ("127.0.0.1", 0), subprotocols=[RESUME])
    server.start()
    connections: Resuming = geventws.reconnect(
        f"ws://127.0.0.1:{server.server_port}/",
        resume=True,
        jitter=lambda low, high: 0.0,
        proxy=None,
    )
    try:
        yield tea, connections
    finally:
        server.stop()


def test_resuming_gets_each_of_a_thousand_once_whatever_is_cut_off() -> None:
    with room(history=1000) as (tea, connections):
        messages = [str(n) if n % 2 else b"%d" % n for n in range(1000)]

        def publish() -> None:
            assert tea.joined.wait(10)
            for n, message in enumerate(messages):
                tea.manager.broadcast(message, room="tea")
                if n % 100 == 50:
                    tea.drop_all()
                elif n % 100 == 90:
                    assert tea.joined.wait(10)
            tea.manager.close_all(1000)

        publishing = gevent.spawn(publish)
        try:
            heard_at_all = gevent.with_timeout(20, heard, connections)
        finally:
            publishing.kill()
        assert heard_at_all == messages
        assert connections.failures == 10


def test_resuming_is_told_what_a_room_does_not_remember() -> None:
    with room(history=3) as (tea, connections):
        first = next(connections)
        assert tea.joined.wait(10)
        tea.manager.broadcast("one", room="tea")
        assert first.receive(timeout=10) == "one"
        tea.drop_all()
        for n in range(10):
            tea.manager.broadcast(str(n), room="tea")
        second = next(connections)
        assert tea.joined.wait(10)
        tea.manager.broadcast("live", room="tea")
        assert second.receive(timeout=10) == "live"
        assert second.unrecovered == {"tea"}
        second.close()


def test_resuming_that_was_too_slow_comes_back_for_what_it_missed() -> None:
    with room(history=100) as (tea, connections):
        first = next(connections)
        assert tea.joined.wait(10)
        tea.joined.clear()
        random = os.urandom(1_000_000)  # nothing to deflate
        messages = [random + b"%d" % n for n in range(20)]  # more than sockets take, and 1 MiB
        for message in messages:
            tea.manager.broadcast(message, room="tea")
        assert tea.manager.counts.not_sent
        came: list[Message] = []
        with gevent.Timeout(30), pytest.raises(ConnectionClosed) as caught:
            came.extend(first)
        assert caught.value.code == 1008
        second = next(connections)
        came += [second.receive(timeout=20) for _ in range(20 - len(came))]
        assert came == messages
        assert second.unrecovered == set()
        second.close()


def test_resuming_raises_what_was_wrong_with_more_than_its_pace() -> None:
    with playing(([start(1)], 1008)) as script, pytest.raises(ConnectionClosed) as caught:
        heard(script.connections())
    assert caught.value.code == 1008
