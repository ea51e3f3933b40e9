"""The manager with everything at once: nothing is lost, mixed or swapped; and 2,000 clients."""

from __future__ import annotations

import random
import re
import resource
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest

from geventws.adapters.threaded import (
    EPollPoller,
    PollPoller,
    SelectPoller,
    ThreadedWebSocket,
    WebSocketManager,
    connect,
)
from geventws.core.errors import ConnectionClosed
from tests.adapters.threaded.managers import managed
from tests.conformance.doors import running
from tests.threads import contexts, joined_threads, serving, uri

SEED = 6455
STEADY, SENDERS, MESSAGES = 8, 3, 40  # connections that stay, threads on each, what each sends
PASSING = 12  # connections that come and go, of each of the threads that make them
LONG = 60.0  # seconds; a busy machine takes its time for all of this
CLIENTS = 2000

# who sends, which one of its messages this is, and a body that shows whether it is whole
WHOLE = re.compile(r"(\d+) (\d+) ([a-h])\3*")


class Answering(ThreadedWebSocket):
    """Sends back what was sent, but not what was broadcast."""

    def received_message(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.send(message)


class Member(ThreadedWebSocket):
    """Keeps what it hears; says when it has heard all."""

    def begin(self, rest: bytes) -> None:
        self.heard: list[Any] = []
        self.has_all = threading.Event()
        super().begin(rest)

    def received_message(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.heard.append(message)
            if len(self.heard) == SENDERS * MESSAGES:
                self.has_all.set()


def some_text(chance: random.Random) -> str:
    return chance.choice("abcdefgh") * chance.choice([1, 100, 3000, 70_000])


def send_among_other_things(ws: Member, sender: int, ours: Any, theirs: Any) -> None:
    chance = random.Random(SEED + sender)
    for number in range(MESSAGES):
        text = f"{sender} {number} {some_text(chance)}"
        if chance.random() < 0.2:
            ws.send(iter([text[:9], text[9:]]))
        else:
            ws.send(text)
        deed = chance.randrange(8)
        if deed == 0:
            assert ws.ping(LONG) > 0
        elif deed == 1:
            ours.remove(ws)
            ours.add(ws)
        elif deed == 2:
            theirs.broadcast(b"to all")
        elif deed == 3:
            ours.broadcast(b"to all of theirs")


def come_and_go(url: str, seed: int, ours: WebSocketManager, options: Any) -> None:
    chance = random.Random(seed)
    for _ in range(PASSING):
        ws = connect(url, handler=Member, **options)
        ours.join_room(ws, chance.choice("ab"))
        with suppress(ConnectionClosed):
            for number in range(chance.randrange(4)):
                ws.send(f"{seed} {number} a")
        chance.choice([ws.close, ws.drop, ws.begin_close, lambda ws=ws: ours.remove(ws)])()
        ours.broadcast(b"to a room", room="a")
        ws.close()


@pytest.mark.parametrize(
    ("poller", "secure"),
    [(EPollPoller, False), (EPollPoller, True), (PollPoller, False), (SelectPoller, False)],
)
def test_everything_at_once_loses_and_mixes_nothing(poller: Any, secure: bool) -> None:
    client_ssl, server_ssl = contexts() if secure else (None, None)
    options: Any = {"compression": None, "ssl": client_ssl}
    with (
        managed(poller(), workers=6, slow_peers="block") as ours,
        managed(workers=6, slow_peers="block") as theirs,
        serving(Answering, manager=theirs, ssl=server_ssl, compression=None) as server,
    ):
        url = uri(server, secure)
        members = [connect(url, handler=Member, **options) for _ in range(STEADY)]
        for ws in members:
            ours.add(ws)
        with joined_threads() as threads:
            working = [
                threads.start(send_among_other_things, members[k % STEADY], k, ours, theirs)
                for k in range(STEADY * SENDERS)
            ]
            working += [threads.start(come_and_go, url, k, ours, options) for k in range(900, 903)]
            for work in working:
                work.result(LONG)
        for ws in members:
            assert ws.has_all.wait(LONG)
            check_heard(ws.heard)
        assert set(members) <= set(ours)
        ours.close_all()
        assert ours.join(LONG)
        assert theirs.join(LONG)


def check_heard(heard: list[str]) -> None:
    """Fail where a message is not whole, or comes before one that its sender sent earlier."""
    following: dict[str, int] = {}
    for message in heard:
        found = WHOLE.fullmatch(message)
        assert found, message[:80]
        assert int(found[2]) == following.get(found[1], 0)
        following[found[1]] = int(found[2]) + 1
    assert set(following.values()) == {MESSAGES}


# As in ws4py's example


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process open enough files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS + 500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class RollCall:
    """Counts up to CLIENTS."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self.all = threading.Event()

    def __call__(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == CLIENTS:
                self.all.set()


@pytest.mark.timeout(180)
def test_manager_holds_two_thousand_clients(many_files: None, record_property: Any) -> None:
    opened, echoed, closed = RollCall(), RollCall(), RollCall()

    class Client(ThreadedWebSocket):
        def opened(self) -> None:
            opened()

        def received_message(self, message: str | bytes) -> None:
            assert message == "to all"
            echoed()

        def closed(self, code: int, reason: str) -> None:
            closed()

    with running("native") as port, managed() as manager:
        begin = monotonic()
        for _ in range(CLIENTS):
            manager.add(connect(f"ws://127.0.0.1:{port}/", handler=Client))
        assert opened.all.wait(LONG)
        record_property("seconds to start 2,000 clients", round(monotonic() - begin, 2))
        assert len(manager) == CLIENTS
        assert threading.active_count() < 100  # whatever else the tests have left running
        assert len(manager.broadcast("to all").sent) == CLIENTS
        assert echoed.all.wait(LONG)
        manager.close_all()
        assert manager.join(LONG)
        assert closed.all.is_set()
