"""Many threads as clients of the wsgiref and the CherryPy door: nothing is lost or mixed up."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from geventws.adapters.threaded import EchoWebSocket, ThreadedWebSocket, connect
from geventws.adapters.wsgiref import WebSocketWSGIApplication
from geventws.core.errors import ConnectionClosed
from tests.adapters import wsgiref_app
from tests.conformance.doors import running
from tests.threads import Threads, joined_threads

SEED = 6455
STEADY, SENDERS, MESSAGES = 6, 3, 20  # connections that stay, threads on each, what each sends
PASSING, TIMES = 4, 8  # threads whose connections come and go, and how many of each do
LONG = 60.0  # seconds; a busy machine takes its time for all of this

# who sends, which one of its messages this is, and a body that shows whether it is whole
WHOLE = re.compile(r"(\d+) (\d+) ([a-h])\3*")

APPLICATIONS: dict[str, Any] = {
    "wsgiref's manager": WebSocketWSGIApplication(handler_cls=EchoWebSocket),
    "wsgiref's views": wsgiref_app.echo_view,
}


@contextmanager
def serving(door: str) -> Iterator[str]:
    """Have an echo server run behind *door*, and give its address."""
    if door == "cherrypy":
        with running("cherrypy") as port:
            yield f"ws://127.0.0.1:{port}/"
    else:
        with wsgiref_app.serving(APPLICATIONS[door]) as server:
            yield wsgiref_app.uri(server)


def send_and_ping(ws: ThreadedWebSocket, sender: int) -> None:
    """Send whole messages and fragmented ones of any size, and ping now and then."""
    chance = random.Random(SEED + sender)
    for number in range(MESSAGES):
        body = chance.choice("abcdefgh") * chance.choice([1, 100, 3000, 70_000])
        text = f"{sender} {number} {body}"
        if chance.random() < 0.2:
            ws.send(iter([text[:9], text[9:]]))
        else:
            ws.send(text)
        if chance.random() < 0.3:
            assert ws.ping(LONG) > 0


def hear(ws: ThreadedWebSocket) -> dict[int, list[int]]:
    """Receive all that the senders of *ws* send; return the numbers that came of each."""
    heard: dict[int, list[int]] = {}
    for _ in range(SENDERS * MESSAGES):
        message = str(ws.receive(LONG))
        found = WHOLE.fullmatch(message)
        assert found, message[:80]
        heard.setdefault(int(found[1]), []).append(int(found[2]))
    return heard


def stay(url: str, place: int, threads: Threads) -> ThreadedWebSocket:
    """Have all that is sent come back, while others do the same."""
    ws = connect(url)
    senders = range(place * SENDERS, (place + 1) * SENDERS)
    sending = [threads.start(send_and_ping, ws, sender) for sender in senders]
    assert hear(ws) == {sender: list(range(MESSAGES)) for sender in senders}
    for work in sending:
        work.result(LONG)
    return ws


def send_until_closed(ws: ThreadedWebSocket, name: int) -> None:
    with suppress(ConnectionClosed):
        for number in range(1000):
            ws.send(f"{name} {number}")
            if number % 10 == 9:
                ws.ping(LONG)


def come_and_go(url: str, name: int, threads: Threads) -> None:
    """Open connections, and end them in the midst of what is sent."""
    chance = random.Random(SEED + name)
    for _ in range(TIMES):
        with connect(url) as ws:
            sending = threads.start(send_until_closed, ws, name)
            for number in range(chance.randrange(30)):
                assert ws.receive(LONG) == f"{name} {number}"
            ends: list[Any] = [ws.close, ws.drop, ws.begin_close, partial(ws.close, 4000)]
            chance.choice(ends)()
            sending.result(LONG)


@pytest.mark.parametrize("door", ["cherrypy", *APPLICATIONS])
def test_clients_at_once_lose_and_mix_up_nothing(door: str) -> None:
    with serving(door) as url, joined_threads() as threads:
        staying = [threads.start(stay, url, place, threads) for place in range(STEADY)]
        passing = [threads.start(come_and_go, url, 900 + n, threads) for n in range(PASSING)]
        for work in passing:
            work.result(LONG)
        connections = [work.result(LONG) for work in staying]
        closing = [threads.start(ws.close) for ws in connections * 2]
        for work in closing:
            work.result(LONG)
        assert [ws.close_code for ws in connections] == [1000] * STEADY
        with connect(url) as ws:
            ws.send("still here")
            assert ws.receive(LONG) == "still here"
