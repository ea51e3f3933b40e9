"""What devices send, to all who watch.

device -> /send      [t, x, y, z], milliseconds by the device's clock and m/s2 along its axes
/watch -> watcher    {device: [[t, x, y, z], ...], ...}, 20 times a second

Each message to a watcher names every device there is, so the latest one is enough: who is too slow
for all of them misses readings, but never a device, and holds up nobody.
"""

from __future__ import annotations

import json
from collections import deque
from itertools import chain, count
from math import isfinite
from urllib.parse import parse_qs

import gevent

import geventws

INTERVAL = 0.05  # seconds between two messages to the watchers
AT_ONCE = 100  # readings of one device in one of them; the oldest give way
MAX_MESSAGE = 256  # bytes of a reading
MAX_NAME = 24  # characters
UNSUPPORTED = 1003


class Relay:
    """A handler for serve(), of devices as well as watchers; run() is its heart."""

    def __init__(self) -> None:
        self._watchers = geventws.Manager(slow_peers="latest")
        self._readings: dict[str, deque[list[float]]] = {}  # of each device, not yet passed on
        self._said = "{}"

    def __call__(self, ws: geventws.WebSocket) -> None:
        """Serve one connection until it is closed."""
        assert ws.request is not None  # a server's connections all have one
        try:
            if ws.request.path == "/send":
                self._listen(ws, self._free_name(ws.request.query))
            else:
                self._watchers.add(ws)
                ws.send(self._said)
                deque(ws, maxlen=0)  # what a watcher says does not matter
        except geventws.ConnectionClosed:
            return

    def _listen(self, ws: geventws.WebSocket, name: str) -> None:
        readings = self._readings[name] = deque(maxlen=AT_ONCE)
        try:
            ws.send(name)
            for message in ws:
                readings.append(parse(message))
        except ValueError as error:
            ws.close(UNSUPPORTED, str(error))
        finally:
            del self._readings[name]

    def _free_name(self, query: str) -> str:
        asked = " ".join(parse_qs(query).get("name", [""])[0].split())[:MAX_NAME]
        name = asked if asked and asked.isprintable() else "device"
        names = chain([name], (f"{name} {number}" for number in count(2)))
        return next(each for each in names if each not in self._readings)

    def run(self) -> None:
        """Pass readings on, for ever."""
        while True:
            gevent.sleep(INTERVAL)
            said = json.dumps({name: list(fresh) for name, fresh in self._readings.items()})
            for readings in self._readings.values():
                readings.clear()
            if said != self._said:
                self._said = said
                self._watchers.broadcast(said)


def parse(message: str | bytes) -> list[float]:
    """Return the reading that *message* is; raise ValueError where it is none."""
    try:
        t, x, y, z = map(float, json.loads(message))
    except (TypeError, ValueError) as error:
        raise ValueError("a reading is [t, x, y, z]") from error
    if not all(map(isfinite, (t, x, y, z))):
        raise ValueError("a reading has finite numbers only")
    return [t, x, y, z]
