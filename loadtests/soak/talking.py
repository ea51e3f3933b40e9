"""Clients in a process of their own, which talk in numbered messages, or say nothing for long.

python -m loadtests.soak.talking '{"uri": ..., "count": 1000, "rate": 1, "sources": [...]}'

opens all -> says so -> is told for how long -> talks -> waits for the answers -> says what it found
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from time import monotonic
from typing import Any

import gevent
from gevent.pool import Pool

import geventws
from geventws.benchmarking.histogram import Histogram
from loadtests.soak.processes import allow_files, say, told

AT_ONCE = 64  # may be opening
ANSWERING = 30.0  # seconds that the last answers may take


class Talker:
    """One connection, and the messages on it that have no answer yet."""

    def __init__(self, ws: geventws.WebSocket, times: Histogram) -> None:
        self.ws = ws
        self.sent = self.received = self.wrong = 0
        self._times = times
        self._due: dict[int, float] = {}

    def say_next(self) -> None:
        """Send the next number."""
        self._due[self.sent] = monotonic()
        self.ws.send(f"message {self.sent}")
        self.sent += 1

    def listen(self) -> None:
        """Check every answer until the connection ends."""
        for message in self.ws:
            if message != f"message {self.received}":
                self.wrong += 1
            self._times.add(monotonic() - self._due.pop(self.received, monotonic()))
            self.received += 1


class Talkers:
    """All connections of this process."""

    def __init__(self, uri: str, count: int, rate: float = 0, **given: Any) -> None:
        self.times = Histogram()
        self.talkers: list[Talker] = []
        self.failed: Counter[str] = Counter()
        self._uri, self._count, self._rate = uri, count, rate
        self._sources = given.pop("sources", ["127.0.0.1"])
        self._given = given

    def open(self) -> None:
        """Open all connections."""
        pool = Pool(AT_ONCE)
        for number in range(self._count):
            pool.spawn(self._open, self._sources[number % len(self._sources)])
        pool.join()

    def _open(self, source: str) -> None:
        try:
            ws = geventws.connect(self._uri, source_address=(source, 0), **self._given)
        except (OSError, geventws.WebSocketError) as error:
            self.failed[f"{type(error).__name__}: {error}"] += 1
        else:
            self.talkers.append(Talker(ws, self.times))

    def talk(self, seconds: float) -> None:
        """Talk for so long, each as often as the rate says; at the end each says one thing more."""
        listening = [gevent.spawn(self._until_lost, each) for each in self.talkers if self._rate]
        end = monotonic() + seconds
        if self._rate:
            self._keep_rate(end)
        gevent.sleep(max(0, end - monotonic()))
        if not self._rate:
            listening = [gevent.spawn(self._until_lost, each) for each in self.talkers]
        for each in self.talkers:
            self._say(each)
        self._wait_for_answers()
        gevent.killall(listening)

    def _keep_rate(self, end: float) -> None:
        step = 1 / (self._rate * len(self.talkers))
        due = monotonic()
        while due < end:
            for each in self.talkers:
                due += step
                self._say(each)
                gevent.sleep(max(0, due - monotonic()))

    def _say(self, talker: Talker) -> None:
        try:
            talker.say_next()
        except geventws.ConnectionClosed as closed:
            self.failed[f"sending: {closed}"] += 1

    def _until_lost(self, talker: Talker) -> None:
        try:
            talker.listen()
        except geventws.ConnectionClosed as closed:
            self.failed[f"receiving: {closed}"] += 1

    def _wait_for_answers(self) -> None:
        end = monotonic() + ANSWERING
        while any(each.received < each.sent for each in self.talkers) and monotonic() < end:
            gevent.sleep(0.05)

    def found(self) -> dict[str, Any]:
        """Return what came of it."""
        talkers = self.talkers
        return {
            "open": sum(each.ws.close_code is None for each in talkers),
            "sent": sum(each.sent for each in talkers),
            "received": sum(each.received for each in talkers),
            "wrong": sum(each.wrong for each in talkers),
            "pings": sum(each.ws.stats.pings_received for each in talkers),
            "failed": self.failed,
            "p50": self.times.percentile(50),
            "p99": self.times.percentile(99),
            "most": self.times.most,
        }


def main(given: dict[str, Any]) -> None:
    """Do as the first lines of this file say."""
    allow_files()
    talkers = Talkers(**given)
    talkers.open()
    say(open=len(talkers.talkers), failed=talkers.failed)
    while (asked := told()) is not None:
        talkers.talk(asked["seconds"])
        say(**talkers.found())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
