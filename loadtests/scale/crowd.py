"""The members of the rooms of two nodes, who measure how long a message is under way.

Crowd: connect -> load(): publishers say what the time is -> all members hear it -> Load
"""

from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, NamedTuple

import gevent
from gevent.event import Event
from gevent.pool import Pool

import geventws
from loadtests.scale.node import JOINED
from loadtests.soak.figures import percentile

PUBLISHERS: Final = 20
MOST: Final = 64  # messages under way: with a hundred, python-socketio runs out of connections
WATCHED: Final = 20  # members of each node whose latencies count: clocks cost, too
PATIENCE: Final = 60.0  # seconds until what is under way must have come


class Plain:
    """How our node is spoken to: messages as they are."""

    def uri(self, port: int, room: str, name: str) -> str:
        """Return where to connect to."""
        return f"ws://127.0.0.1:{port}/member?room={room}&name={name}"

    def enter(self, ws: geventws.WebSocket, room: str) -> None:
        """Wait until *ws* is in *room*."""
        while ws.receive(timeout=PATIENCE) != JOINED:
            pass

    def said(self, payload: str) -> str:
        """Return the message that says *payload*."""
        return payload

    def heard(self, ws: geventws.WebSocket, message: Any) -> str | None:
        """Return the payload of *message*, None where it has none."""
        return message  # type: ignore[no-any-return]


class SocketIO(Plain):
    """How a node of python-socketio is spoken to: just enough of Engine.IO 4 and Socket.IO 5."""

    BEGIN: Final = '42["said","'
    PING, PONG = "2", "3"

    def uri(self, port: int, room: str, name: str) -> str:
        """Return where to connect to."""
        return f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"

    def enter(self, ws: geventws.WebSocket, room: str) -> None:
        """Open the session, connect to the namespace, and wait until *ws* is in *room*."""
        ws.receive(timeout=PATIENCE)
        ws.send("40")
        ws.receive(timeout=PATIENCE)
        ws.send(f"42{json.dumps(['join', room])}")
        while not str(ws.receive(timeout=PATIENCE)).startswith('42["joined"'):
            pass

    def said(self, payload: str) -> str:
        """Return the message that says *payload*, which needs no escapes."""
        return f'42["say","{payload}"]'

    def heard(self, ws: geventws.WebSocket, message: Any) -> str | None:
        """Return the payload of *message*; a ping is answered, and has none."""
        if message == self.PING:
            ws.send(self.PONG)
            return None
        return message[len(self.BEGIN) : -2] if message.startswith(self.BEGIN) else None


class Load(NamedTuple):
    """What came of some seconds of load.

    Attributes:
        publications: how many messages were said.
        deliveries: how many were heard.
        lost: how many were not.
        seconds: from the first one said to the last one heard.
        p50, p99: of the latencies, in seconds.
    """

    publications: int
    deliveries: int
    lost: int
    seconds: float
    p50: float
    p99: float


class Crowd:
    """So many members of each of two nodes, in rooms of so many, half of them at either node.

    Args:
        ports: of the nodes.
        count: members at each of them.
        members: in a room.
        name: what the rooms' names begin with.
    """

    def __init__(
        self, dialect: Plain, ports: list[int], count: int, members: int, name: str
    ) -> None:
        self.members = members
        self._dialect = dialect
        self._rooms = max(1, 2 * count // members)
        self._name = name
        self._deliveries = 0
        self._latencies: list[float] = []
        self._heard = Event()
        seats = [(port, seat) for seat in range(self._rooms * members // 2) for port in ports]
        self._all: list[geventws.WebSocket] = Pool(32).map(self._connect, seats)
        publishers = [
            ws for ws, (port, _) in zip(self._all, seats, strict=True) if port == ports[0]
        ]
        self._publishers = publishers[:PUBLISHERS]
        self._greenlets = [
            gevent.spawn(self._listen, ws, index < 2 * WATCHED)
            for index, ws in enumerate(self._all)
        ]

    def _connect(self, seat: tuple[int, int]) -> geventws.WebSocket:
        port, number = seat
        room = f"{self._name}-{number % self._rooms}"
        ws = geventws.connect(self._dialect.uri(port, room, str(number)), max_size=None)
        self._dialect.enter(ws, room)
        return ws

    def _listen(self, ws: geventws.WebSocket, is_watched: bool) -> None:
        for message in ws:
            payload = self._dialect.heard(ws, message)
            if payload is not None and payload[0] != "-":
                self._deliveries += 1
                if is_watched:
                    self._latencies.append(monotonic() - float(payload[:20]))
                self._heard.set()

    def load(self, size: int, seconds: float, rate: float | None) -> Load:
        """Say messages of *size* bytes for some *seconds*; return when they were heard.

        Args:
            rate: messages a second; None is as many as are heard.
        """
        self._deliveries, self._latencies = 0, []
        begin = monotonic()
        wait = self._in_time(begin, rate) if rate else self._in_turn()
        said = 0
        while monotonic() < begin + seconds:
            publisher = self._publishers[said % len(self._publishers)]
            publisher.send(self._dialect.said(f"{monotonic():020.9f} ".ljust(size, ".")))
            said += 1
            wait(said)
        lost = self._drain(said * self.members)
        took = monotonic() - begin
        times = self._latencies or [0.0]
        p50, p99 = percentile(times, 50), percentile(times, 99)
        return Load(said, self._deliveries, lost, took, p50, p99)

    def _in_time(self, begin: float, rate: float) -> Callable[[int], object]:
        return lambda said: gevent.sleep(max(0.0, begin + said / rate - monotonic()))

    def _in_turn(self) -> Callable[[int], object]:
        window = min(MOST, max(PUBLISHERS, 4000 // self.members)) * self.members
        return lambda said: self._wait(lambda: said * self.members - self._deliveries < window)

    def _wait(self, is_so: Callable[[], bool]) -> None:
        end = monotonic() + PATIENCE
        while not is_so() and monotonic() < end:
            self._heard.clear()
            self._heard.wait(end - monotonic())

    def _drain(self, expected: int) -> int:
        self._wait(lambda: self._deliveries >= expected)
        return expected - self._deliveries

    def close(self) -> None:
        """Let everybody go."""
        gevent.killall(self._greenlets)
        for ws in self._all:
            ws.drop()
