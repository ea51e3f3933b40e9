"""Who is in which room."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

W = TypeVar("W")


class Rooms(Generic[W]):
    """The rooms of one manager, whose connections are of class W; one caller at a time."""

    def __init__(self) -> None:
        self._members: dict[str, dict[W, Any]] = {}  # with their infos, in the order they joined
        self._rooms: dict[W, set[str]] = {}

    def join(self, ws: W, room: str, info: Any = None) -> None:
        """Put *ws* into *room*; *info* is what is known of it there."""
        self._members.setdefault(room, {})[ws] = info
        self._rooms.setdefault(ws, set()).add(room)

    def leave(self, ws: W, room: str) -> None:
        """Take *ws* out of *room*, if it is there. A room that is empty is forgotten."""
        members = self._members.get(room, {})
        if ws not in members:
            return
        del members[ws]
        if not members:
            del self._members[room]
        self._rooms[ws].remove(room)
        if not self._rooms[ws]:
            del self._rooms[ws]

    def leave_all(self, ws: W) -> None:
        """Take *ws* out of every room."""
        for room in self.of(ws):
            self.leave(ws, room)

    def members(self, room: str) -> list[W]:
        """Return the connections in *room*, in the order they joined."""
        return list(self._members.get(room, ()))

    def has(self, ws: W, room: str) -> bool:
        """Return whether *ws* is in *room*."""
        return ws in self._members.get(room, ())

    def infos(self, room: str) -> dict[W, Any]:
        """Return what is known of the connections in *room*."""
        return dict(self._members.get(room, ()))

    def of(self, ws: W) -> set[str]:
        """Return the rooms that *ws* is in."""
        return set(self._rooms.get(ws, ()))
