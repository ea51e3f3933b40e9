"""kill -9 of one of 4 workers: its own connections are lost, and come back."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final

import gevent
from gevent.pool import Pool

import geventws
from loadtests.soak.drain import SERVE
from loadtests.soak.figures import Figure, Plan
from loadtests.soak.processes import Program

WORKERS: Final = 4
CONNECTIONS: Final = 4_000
PAUSE: Final = 4.0  # seconds between two messages of one connection
BEFORE, AFTER = 2.0, 3.0  # seconds of talk
PATIENCE: Final = 30.0  # seconds in which one must have come back


class Client:
    """One connection, and which worker has it."""

    def __init__(self, uri: str) -> None:
        self.ws = geventws.connect(uri)
        self.worker = int(self.ws.receive(timeout=30))
        self.wrong = 0
        self._stopped = False

    def stop(self) -> None:
        """Send no more once the answer is here."""
        self._stopped = True

    def talk(self) -> bool:
        """Talk until stopped; return whether the connection is still open."""
        number = 0
        try:
            while not self._stopped:
                self.ws.send(str(number))
                self.wrong += self.ws.receive(timeout=30) != str(number)
                number += 1
                self._rest()
        except (geventws.ConnectionClosed, TimeoutError):
            return False
        return True

    def _rest(self) -> None:
        """Say nothing for a while, but notice the end."""
        with suppress(TimeoutError):
            self.ws.receive(timeout=PAUSE)
            self.wrong += 1  # nobody asked for that


def run(plan: Plan) -> list[Figure]:
    """Have all talk, kill one worker, and have its clients come back."""
    workers = ["--app", "loadtests.soak.serving:tell_worker", "--workers", str(WORKERS)]
    with Program([*SERVE, *workers]) as server:
        uri = server.line().replace("listening on http", "ws").partition(" (")[0]
        pool = Pool(64)
        connect = partial(_again, uri)
        clients = _connected(pool.map(connect, range(plan.count(CONNECTIONS))))
        talking = [gevent.spawn(each.talk) for each in clients]
        gevent.sleep(min(BEFORE, plan.seconds))
        plan.progress(0.3)
        victim = clients[0].worker
        killed = monotonic()
        os.kill(victim, signal.SIGKILL)
        pairs = list(zip(clients, talking, strict=True))
        own = [talk for each, talk in pairs if each.worker == victim]
        gevent.joinall(own, timeout=30)
        back = _connected(pool.map(connect, own))
        returned = monotonic() - killed
        plan.progress(0.6)
        gevent.sleep(min(AFTER, plan.seconds))
        for each in clients:
            each.stop()
        gevent.joinall(talking, timeout=60)
        others = [
            talk.get(block=False) and not each.wrong
            for each, talk in pairs
            if each.worker != victim
        ]
        server.process.send_signal(signal.SIGTERM)
        for each in [*clients, *back]:
            each.ws.drop()
        status = server.process.wait(timeout=60)
    shares = Counter(each.worker for each in clients)
    return [
        Figure("connections", len(clients)),
        Figure("of the worker that is killed", shares[victim]),
        Figure("of the others, lost or wrongly answered", others.count(False), 0),
        Figure("of its own, not back", len(own) - len(back), 0),
        Figure("seconds until its own were back", returned, 5),
        Figure("new workers that they found", len({each.worker for each in back} - set(shares))),
        Figure("exit status", status, 0),
    ]


def _again(uri: str, _: object) -> Client | None:
    """Connect; who was in the queue of the killed worker tries again, for a while."""
    end = monotonic() + PATIENCE
    while monotonic() < end:
        try:
            return Client(uri)
        except (OSError, geventws.WebSocketError):
            gevent.sleep(0.1)
    return None


def _connected(clients: Iterable[Client | None]) -> list[Client]:
    return [each for each in clients if each is not None]
