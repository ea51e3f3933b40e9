"""Who takes part in a stream: members that resume, and publishers that count what they publish.

Publisher -> a batch -> the node publishes it -> Redis -> both nodes -> Member -> Account
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from gevent.event import Event

import geventws
from loadtests.scale.account import Account

HISTORY: Final = 1000  # publications that a room remembers
WINDOW: Final = 500  # publications of a room that its members may be behind
BATCH: Final = 50
END: Final = 0  # the number of what a publisher says last


class Room:
    """One room, whose publishers wait for those members that keep them.

    Attributes:
        published: how many messages there are, by publisher.
        unsure: publisher and number of those that nobody knows of whether they are.
        members: who is in it.
        keeps: how many of them, from the first on, publishers wait for.
    """

    def __init__(self, name: str, publishers: list[str], keeps: int) -> None:
        self.name = name
        self.published = dict.fromkeys(publishers, 0)
        self.unsure: set[tuple[str, int]] = set()
        self.members: list[Member] = []
        self.keeps = keeps
        self.moved = Event()

    def wait(self) -> None:
        """Wait until the members are not far behind."""
        while self._behind() > WINDOW:
            self.moved.clear()
            self.moved.wait()

    def _behind(self) -> int:
        said = sum(self.published.values()) - len(self.unsure)
        return said - min(each.account.taken for each in self.members[: self.keeps])


class Member:
    """Somebody in a room, who comes back when cut off.

    Attributes:
        account: what came.
        openings: how many connections there were.
        ready: set when the first one is in the room.
        done: set when every publisher has ended.
    """

    def __init__(self, port: int, room: Room, name: str) -> None:
        self.room = room
        self.name = name
        self.account = Account(room.name)
        self.openings = 0
        self.ready = Event()
        self.done = Event()
        self._uri = f"ws://127.0.0.1:{port}/member?room={room.name}&name={name}"
        self._ended: set[str] = set()

    def run(self) -> None:
        """Listen, and come back, until killed."""
        connections = geventws.reconnect(
            self._uri, resume=True, first_delay=0.05, max_delay=0.5, max_size=None
        )
        for ws in connections:
            self.openings += 1
            with suppress(geventws.ConnectionClosed), ws:
                for message in ws:
                    if ws.heard_in is None:
                        self.ready.set()
                    else:
                        self._take(*str(message).split(" ", 2))
                    if ws.unrecovered:
                        self.account.told = True
                        ws.unrecovered.clear()

    def _take(self, publisher: str, number: str, padding: str) -> None:
        if int(number) == END:
            self._ended.add(publisher)
            if len(self._ended) == len(self.room.published):
                self.done.set()
            return
        self.account.take(publisher, int(number))
        if self.account.taken % BATCH == 0:
            self.room.moved.set()


class Publisher:
    """Has one node publish so many numbered messages in one room, batch by batch."""

    def __init__(self, port: int, room: Room, name: str, total: int, size: int) -> None:
        self._uri = f"ws://127.0.0.1:{port}/publisher"
        self._room = room
        self._name = name
        self._total = total
        self._size = size

    def run(self) -> None:
        """Publish all of them, and say the end until that is sure."""
        published = self._room.published
        with geventws.connect(self._uri) as ws:
            while (done := published[self._name]) < self._total:
                self._room.wait()
                count = min(BATCH, self._total - done)
                unsure = self._publish(ws, done + 1, count)
                self._room.unsure.update((self._name, each) for each in unsure)
                published[self._name] += count
            while self._publish(ws, END, 1):
                pass

    def _publish(self, ws: geventws.WebSocket, first: int, count: int) -> list[int]:
        said = {"room": self._room.name, "publisher": self._name, "size": self._size}
        ws.send(json.dumps({**said, "first": first, "count": count}))
        unsure: list[int] = json.loads(ws.receive())
        return unsure
