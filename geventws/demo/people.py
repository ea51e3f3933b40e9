"""Who is in the rooms of the chat, whatever process they are connected to: presence decides.

A room of the chat is two rooms of the broker: its name, where people are present and hear what is
said, and one that tells who comes and goes. There is one more for all, where everybody is present
with the room that they are in.

Of each connection presence has a card: who it is, their name, and the process they are connected
to. Who they are stays the same when they come back, so nobody is two persons while a process that
was killed is still said to have them. A name that somebody in the room has gets a number; two who
ask for it at the same moment may both get it, and differ in who they are.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from itertools import chain, count
from typing import Any, Final

from geventws.manager import Manager
from geventws.websocket import WebSocket

CARD: Final = {"who", "name", "process"}
DIRECTORY: Final = "\trooms"  # no line has a tab in it, so nobody can open a room of that name


def process() -> str:
    """Return a name of this process that tells its host too."""
    return f"{os.getpid()}@{socket.gethostname()}"


def events(room: str) -> str:
    """Return the broker's room for who comes to *room* and goes."""
    return f"{room}\tpeople"


class People:
    """The people in the rooms of one chat, here and in every process that shares the broker.

    All but leave() raises ConnectionError where that cannot be reached.
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def enter(self, ws: WebSocket, room: str, who: str, wish: str) -> dict[str, str]:
        """Let *ws* hear *room*, and return its card there; see rename()."""
        self._manager.join_room(ws, DIRECTORY, room)
        self._manager.join_room(ws, events(room))
        return self.rename(ws, room, who, wish)

    def rename(self, ws: WebSocket, room: str, who: str, wish: str) -> dict[str, str]:
        """Return a new card of *ws*: its name is *wish*, with a number if others have that."""
        taken = [card["name"] for card in self.of(room).values() if card["who"] != who]
        card = {"who": who, "name": free_name(wish, taken), "process": process()}
        self._manager.join_room(ws, room, card)
        return card

    def leave(self, ws: WebSocket, room: str) -> None:
        """Let *ws* hear *room* no more, which it has entered, or began to. Waits for nothing."""
        for each in (room, events(room), DIRECTORY):
            self._manager.leave_room(ws, each)

    def of(self, room: str) -> dict[str, dict[str, str]]:
        """Return who is in *room*: the card of each connection, by member id."""
        present = self._manager.presence(room)  # which others may use for something else
        return {member: card for member, card in sorted(present.items()) if _is_card(card)}

    def rooms(self) -> dict[str, int]:
        """Return how many are in each room that has any."""
        return dict(sorted(Counter(self._manager.presence(DIRECTORY).values()).items()))


def _is_card(info: Any) -> bool:
    return isinstance(info, dict) and info.keys() >= CARD


def free_name(wanted: str, taken: list[str]) -> str:
    """Return *wanted*, with a number behind it where somebody has that name already."""
    lowered = {name.casefold() for name in taken}
    names = chain([wanted], (f"{wanted} {n}" for n in count(2)))
    return next(name for name in names if name.casefold() not in lowered)
