"""Chat rooms: one WebSocket is one person, in one room at a time.

What page and server say to each other is in messages, and who is in the rooms in people.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import Any, Final

import gevent

from geventws.broker import MemoryBroker
from geventws.clock import monotonic
from geventws.core.codes import TRY_AGAIN_LATER
from geventws.core.errors import ConnectionClosed
from geventws.demo.messages import Refused, checked, encode, line, parse, said_in, who_has
from geventws.demo.people import DIRECTORY, People, events
from geventws.manager import Manager
from geventws.websocket import WebSocket

logger = logging.getLogger("geventws")

MAX_NAME, MAX_ROOM, MAX_KEY, MAX_TEXT = 24, 24, 64, 2000  # characters
MAX_ROOMS = 100  # with people in them
HISTORY = 50  # messages a newcomer is shown
BURST, SECONDS = 20, 10  # messages one person may send in so many seconds
AWAY: Final = "the rooms cannot be reached"


class Person:
    """Who is at the other end of one WebSocket: nobody and in no room before the first join."""

    def __init__(self) -> None:
        self.who = self.name = self.room = ""
        self._times: deque[float] = deque([-SECONDS] * BURST, maxlen=BURST)

    def hold_back(self) -> None:
        """Count one message, or raise Refused where too many came too fast."""
        if monotonic() - self._times[0] < SECONDS:
            raise Refused(f"too fast, over {BURST} messages in {SECONDS} seconds")
        self._times.append(monotonic())


class Chat:
    """A handler for serve(): whom instances on one broker serve can meet in its rooms.

    Args:
        broker: an IBroker that remembers what is said; by default one for this instance alone.
        look_interval: seconds until the people here see what nobody tells, as that a process with
            others has crashed and presence does not name them any more.
    """

    def __init__(self, broker: Any = None, look_interval: float = 10.0) -> None:
        self._broker = MemoryBroker() if broker is None else broker
        self._manager = Manager(broker=self._broker)
        self._people = People(self._manager)
        self._look_interval = look_interval
        self._here = Manager()  # the same connections, for what only this process has to tell
        self._looking: gevent.Greenlet[[], None] | None = None

    def __call__(self, ws: WebSocket) -> None:
        """Serve one person until the connection is closed."""
        person = Person()
        self._here.add(ws)
        if self._looking is None:
            self._looking = gevent.spawn(self._look_around)
        try:
            with suppress(ConnectionClosed), _sending_away(ws):
                self._manager.add(ws)
                for message in ws:
                    self._answer(ws, person, message)
        finally:
            self._leave(ws, person)
            self._manager.remove(ws)
            self._here.remove(ws)
            if self._looking is not None and not self._here:
                self._looking.kill(block=False)
                self._looking = None

    def _answer(self, ws: WebSocket, person: Person, message: str | bytes) -> None:
        try:
            person.hold_back()
            self._act(ws, person, parse(message))
        except Refused as refused:
            ws.send(encode("error", text=str(refused)))

    def _act(self, ws: WebSocket, person: Person, message: object) -> None:
        match message:
            case {"type": "join", "room": room, "name": name, "key": key}:
                room, name = line("room", room, MAX_ROOM), line("name", name, MAX_NAME)
                self._join(ws, person, room, name, checked("key", key, MAX_KEY))
            case {"type": "say" | "rename"} if not person.room:
                raise Refused("join a room first")
            case {"type": "say", "text": text}:
                self._say(person, checked("text", text, MAX_TEXT))
            case {"type": "rename", "name": name}:
                self._rename(ws, person, line("name", name, MAX_NAME))
            case _:
                raise Refused("expected join {room, name, key}, say {text} or rename {name}")

    def _join(self, ws: WebSocket, person: Person, room: str, name: str, key: str) -> None:
        rooms = self._people.rooms()
        if room not in rooms and len(rooms) >= MAX_ROOMS:
            raise Refused(f"too many rooms, over {MAX_ROOMS}")
        self._leave(ws, person)
        person.room, person.who = room, who_has(key)  # from here on there is something to leave
        self._here.join_room(ws, room)
        card = self._people.enter(ws, room, person.who, name)
        person.name = card["name"]
        self._welcome(ws, room)
        self._tell(room, "here", ws, member=self._manager.id_of(ws), card=card)
        self._tell_number(room)

    def _welcome(self, ws: WebSocket, room: str) -> None:
        # In this order: whatever of the room is in neither reaches ws by itself.
        said = self._broker.history(room).publications
        people = self._people.of(room)
        history = [message for each in said if (message := said_in(each.message))]
        welcome = {"room": room, "you": self._manager.id_of(ws), "people": people}
        rooms = self._people.rooms()
        ws.send(encode("welcome", **welcome, rooms=rooms, history=history[-HISTORY:]))

    def _leave(self, ws: WebSocket, person: Person) -> None:
        if person.room:
            room, person.room = person.room, ""
            self._here.leave_room(ws, room)
            self._people.leave(ws, room)
            with suppress(ConnectionError):  # then the others see it when they look around
                self._tell(room, "gone", member=self._manager.id_of(ws))
                self._tell_number(room)

    def _say(self, person: Person, text: str) -> None:
        said = {"who": person.who, "name": person.name, "text": text}
        message = encode("said", room=person.room, **said, time=time.time(), id=token_hex(8))
        with _refusing():
            self._manager.broadcast(message, room=person.room)

    def _rename(self, ws: WebSocket, person: Person, name: str) -> None:
        with _refusing():
            card = self._people.rename(ws, person.room, person.who, name)
            person.name = card["name"]
            self._tell(person.room, "here", member=self._manager.id_of(ws), card=card)

    def _tell(self, room: str, kind: str, *exclude: WebSocket, **fields: object) -> None:
        message = encode(kind, room=room, **fields)
        self._manager.broadcast(message, room=events(room), exclude=exclude)

    def _tell_number(self, room: str) -> None:
        number = self._people.rooms().get(room, 0)
        self._manager.broadcast(encode("room", room=room, number=number), room=DIRECTORY)

    def _look_around(self) -> None:
        """Tell the people here now and then who is there, where that is not what it was."""
        seen: dict[str, str] = {}
        while True:
            gevent.sleep(self._look_interval)
            with suppress(ConnectionError):
                seen = self._tell_changes(seen)

    def _tell_changes(self, seen: dict[str, str]) -> dict[str, str]:
        now = {"": encode("rooms", rooms=self._people.rooms())}
        for room in {room for ws in self._here for room in self._here.rooms(ws)}:
            now[room] = encode("people", room=room, people=self._people.of(room))
        for room, message in now.items():
            if seen.get(room) != message:
                self._here.broadcast(message, room=room or None)
        return now


@contextmanager
def _sending_away(ws: WebSocket) -> Iterator[None]:
    """Tell who cannot be in any room to come back later; the page asks for the same then."""
    try:
        yield
    except ConnectionError as error:
        logger.warning("%s: %s: %s", ws, AWAY, error)
        ws.close(TRY_AGAIN_LATER, AWAY)


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse what cannot be done while the broker cannot be reached."""
    try:
        yield
    except ConnectionError:
        raise Refused(AWAY) from None
