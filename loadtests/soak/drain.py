"""SIGTERM under load: everybody hears 1001, and what was accepted is answered."""

from __future__ import annotations

import signal
from collections import Counter
from time import monotonic
from typing import Final

import gevent
from gevent.event import Event
from gevent.pool import Pool

import geventws
from loadtests.soak.figures import Figure, Plan
from loadtests.soak.processes import Program

CONNECTIONS: Final = 1_000
PAUSE: Final = 0.1  # seconds between two messages of one connection
UNDER_LOAD: Final = 2.0  # seconds until the signal
CLOSE_TIMEOUT: Final = 10.0
SERVE: Final = ["-m", "geventws", "serve", "--port", "0"]


class Client:
    """One connection that talks until it is closed."""

    def __init__(self, ws: geventws.WebSocket, number: int) -> None:
        self.ws = ws
        self.answers: set[str] = set()
        self._number = number

    def send(self) -> None:
        """Send one message after the other until the connection ends."""
        try:
            count = 0
            while True:
                self.ws.send(f"{self._number}-{count}")
                count += 1
                gevent.sleep(PAUSE)
        except geventws.ConnectionClosed:
            return  # receive() tells with what

    def receive(self) -> int:
        """Take the answers; return the code that the connection is closed with."""
        try:
            while True:
                self.answers.add(str(self.ws.receive()))
        except geventws.ConnectionClosed as closed:
            return closed.code


def run(plan: Plan) -> list[Figure]:
    """Have them talk, stop the server, and look at what it had accepted."""
    with Program([*SERVE, "--app", "loadtests.soak.serving:note"]) as server:
        uri = server.line().replace("listening on http", "ws")
        accepted: set[str] = set()
        ended = Event()
        reading = gevent.spawn(_read, server, accepted, ended)
        pool = Pool(64)
        connections = pool.map(lambda _: geventws.connect(uri), range(plan.count(CONNECTIONS)))
        clients = [Client(ws, number) for number, ws in enumerate(connections)]
        sending = [gevent.spawn(each.send) for each in clients]
        receiving = [gevent.spawn(each.receive) for each in clients]
        gevent.sleep(min(UNDER_LOAD, plan.seconds))
        plan.progress(0.5)
        before, told = len(accepted), monotonic()
        server.process.send_signal(signal.SIGTERM)
        gevent.joinall(receiving, timeout=60)
        codes = Counter(each.get(block=False) if each.ready() else 0 for each in receiving)
        gevent.killall(sending)
        status = server.process.wait(timeout=60)
        seconds = monotonic() - told
        ended.wait(10)
        reading.kill()
    answered = set().union(*(each.answers for each in clients))
    return [
        Figure("connections", len(clients)),
        Figure("not closed with 1001", len(clients) - codes[1001], 0),
        Figure("messages accepted", len(accepted)),
        Figure("of these after the signal", len(accepted) - before),
        Figure("accepted messages without an answer", len(accepted - answered), 0),
        Figure("exit status", status, 0),
        Figure("seconds until the end", seconds, CLOSE_TIMEOUT + 1),
    ]


def _read(server: Program, accepted: set[str], ended: Event) -> None:
    """Gather what the server has accepted, until it ends."""
    for line in server.process.stdout:
        accepted.add(line.decode().strip())
    ended.set()
