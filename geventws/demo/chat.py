"""Chat rooms: one WebSocket is one person, in one room at a time.

Every message is one JSON object as text; its "type" says which, the others are its fields:

    page -> server   join {room, name}   say {text}   rename {name}
    server -> page   welcome {room, you, people: [name], rooms: {room: people}, history: [said]}
                     joined {name}   left {name}   renamed {name, to}   said {name, text, time}
                     room {room, people}   error {text}

Names are unique in a room, so a name stands for a person; "time" is in seconds since 1970.
"""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import suppress
from itertools import chain, count

from geventws.core.errors import ConnectionClosed
from geventws.manager import Manager
from geventws.websocket import WebSocket

MAX_NAME, MAX_ROOM, MAX_TEXT = 24, 24, 2000  # characters
MAX_MESSAGE = 16 * 1024  # a text of nothing but escapes takes six characters of JSON for each
MAX_ROOMS = 100
HISTORY = 50  # messages a room remembers
BURST, SECONDS = 20, 10  # messages one person may send in so many seconds


class Refused(Exception):
    """What was asked for cannot be had; the text says why, and is sent to who asked."""


class Person:
    """Who is at the other end of one WebSocket: nameless and in no room before the first join."""

    def __init__(self) -> None:
        self.name = self.room = ""
        self._times: deque[float] = deque([-SECONDS] * BURST, maxlen=BURST)

    def hold_back(self) -> None:
        """Count one message, or raise Refused where too many came too fast."""
        if time.monotonic() - self._times[0] < SECONDS:
            raise Refused(f"too fast, over {BURST} messages in {SECONDS} seconds")
        self._times.append(time.monotonic())


class Chat:
    """A handler for serve(): whom one instance serves can meet in its rooms."""

    def __init__(self) -> None:
        self._manager = Manager()
        self._people: dict[WebSocket, Person] = {}
        self._history: dict[str, deque[dict[str, object]]] = {}  # by room

    def __call__(self, ws: WebSocket) -> None:
        """Serve one person until the connection is closed."""
        person = self._people[ws] = Person()
        self._manager.add(ws)
        try:
            with suppress(ConnectionClosed):
                for message in ws:
                    self._answer(ws, person, message)
        finally:
            self._leave(ws, person)
            self._manager.remove(ws)
            del self._people[ws]

    def _answer(self, ws: WebSocket, person: Person, message: str | bytes) -> None:
        try:
            person.hold_back()
            self._act(ws, person, parse(message))
        except Refused as refused:
            ws.send(encode("error", text=str(refused)))

    def _act(self, ws: WebSocket, person: Person, message: object) -> None:
        match message:
            case {"type": "join", "room": room, "name": name}:
                self._join(ws, person, line("room", room, MAX_ROOM), line("name", name, MAX_NAME))
            case {"type": "say" | "rename"} if not person.room:
                raise Refused("join a room first")
            case {"type": "say", "text": text}:
                self._say(person, checked("text", text, MAX_TEXT))
            case {"type": "rename", "name": name}:
                self._rename(person, line("name", name, MAX_NAME))
            case _:
                raise Refused("expected join {room, name}, say {text} or rename {name}")

    def _join(self, ws: WebSocket, person: Person, room: str, name: str) -> None:
        history = self._open(room)
        self._leave(ws, person)
        person.name, person.room = free_name(name, self._names(room)), room
        self._manager.join_room(ws, room)
        # Nothing yields until the welcome is on its way: whatever is said from now on follows it.
        here = {"room": room, "you": person.name, "people": self._names(room)}
        ws.send(encode("welcome", **here, rooms=self._rooms(), history=list(history)))
        self._tell(room, "joined", ws, name=person.name)
        self._count(room)

    def _leave(self, ws: WebSocket, person: Person) -> None:
        if person.room:
            room, person.room = person.room, ""
            self._manager.leave_room(ws, room)
            self._tell(room, "left", name=person.name)
            self._count(room)

    def _say(self, person: Person, text: str) -> None:
        said: dict[str, object] = {"name": person.name, "text": text, "time": time.time()}
        self._history[person.room].append(said)
        self._tell(person.room, "said", **said)

    def _rename(self, person: Person, name: str) -> None:
        others = [other for other in self._names(person.room) if other != person.name]
        old, person.name = person.name, free_name(name, others)
        self._tell(person.room, "renamed", name=old, to=person.name)

    def _open(self, room: str) -> deque[dict[str, object]]:
        """Return what *room* remembers; for a new room too many, forget one nobody is in."""
        if room not in self._history and len(self._history) >= MAX_ROOMS:
            empty = [name for name in self._history if not self._manager.members(name)]
            if not empty:
                raise Refused(f"too many rooms, over {MAX_ROOMS}")
            del self._history[empty[0]]
        return self._history.setdefault(room, deque(maxlen=HISTORY))

    def _names(self, room: str) -> list[str]:
        return sorted(self._people[ws].name for ws in self._manager.members(room))

    def _rooms(self) -> dict[str, int]:
        counts = {room: len(self._manager.members(room)) for room in self._history}
        return {room: people for room, people in counts.items() if people}

    def _tell(self, room: str, kind: str, *exclude: WebSocket, **fields: object) -> None:
        self._manager.broadcast(encode(kind, **fields), room=room, exclude=exclude)

    def _count(self, room: str) -> None:
        people = len(self._manager.members(room))
        self._manager.broadcast(encode("room", room=room, people=people))


def encode(kind: str, **fields: object) -> str:
    """Return one message of the chat as JSON."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))


def parse(message: str | bytes) -> object:
    """Return what a message says in JSON, or raise Refused."""
    if isinstance(message, bytes) or len(message) > MAX_MESSAGE:
        raise Refused(f"expected JSON as text, at most {MAX_MESSAGE} characters")
    try:
        return json.loads(message)
    except (ValueError, RecursionError):  # the latter for a thousand brackets
        raise Refused("not JSON") from None


def checked(field: str, value: object, longest: int) -> str:
    """Return a field's text without the spaces around it, or raise Refused."""
    if not isinstance(value, str) or not value.strip():
        raise Refused(f"{field} is empty or not a string")
    if len(value) > longest:
        raise Refused(f"{field} is too long, over {longest} characters")
    return value.strip()


def line(field: str, value: object, longest: int) -> str:
    """Return a field of one line of visible characters, or raise Refused."""
    text = " ".join(checked(field, value, longest).split())
    if not text.isprintable():  # else a right-to-left mark could pass for somebody else
        raise Refused(f"{field} has characters that cannot be seen")
    return text


def free_name(wanted: str, taken: list[str]) -> str:
    """Return *wanted*, with a number behind it where somebody has that name already."""
    lowered = {name.casefold() for name in taken}
    names = chain([wanted], (f"{wanted} {n}" for n in count(2)))
    return next(name for name in names if name.casefold() not in lowered)
