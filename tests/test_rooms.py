from __future__ import annotations

from typing import Any

from geventws.rooms import Rooms

ANN, BOB = object(), object()  # a room asks nothing of who is in it


def rooms_with(*entries: tuple[Any, str]) -> Rooms[Any]:
    rooms: Rooms[Any] = Rooms()
    for ws, room in entries:
        rooms.join(ws, room)
    return rooms


def test_rooms_know_their_members_in_the_order_they_joined() -> None:
    rooms = rooms_with((BOB, "tea"), (ANN, "tea"), (BOB, "tea"), (ANN, "milk"))
    assert rooms.members("tea") == [BOB, ANN]
    assert rooms.members("milk") == [ANN]
    assert rooms.members("none") == []
    known: Any = ANN
    assert rooms.of(known) == {"tea", "milk"}


def test_rooms_forget_who_leaves() -> None:
    rooms: Any = rooms_with((ANN, "tea"), (BOB, "tea"), (ANN, "milk"))
    rooms.leave(ANN, "tea")
    rooms.leave(ANN, "tea")
    rooms.leave(ANN, "none")
    assert rooms.members("tea") == [BOB]
    assert rooms.of(ANN) == {"milk"}


def test_rooms_forget_who_leaves_all() -> None:
    rooms: Any = rooms_with((ANN, "tea"), (BOB, "tea"), (ANN, "milk"))
    rooms.leave_all(ANN)
    rooms.leave_all(ANN)
    assert rooms.of(ANN) == set()
    assert (rooms.members("tea"), rooms.members("milk")) == ([BOB], [])
    rooms.leave_all(BOB)
    assert vars(rooms) == vars(Rooms())  # nothing is kept of rooms that are empty


def test_rooms_know_what_is_known_of_their_members() -> None:
    rooms = rooms_with((ANN, "tea"))
    rooms.join(BOB, "tea", {"name": "Bob"})
    assert rooms.infos("tea") == {ANN: None, BOB: {"name": "Bob"}}
    rooms.join(ANN, "tea", "here")
    assert list(rooms.infos("tea").values()) == ["here", {"name": "Bob"}]
    assert rooms.infos("none") == {}
    assert (rooms.has(ANN, "tea"), rooms.has(ANN, "milk")) == (True, False)
