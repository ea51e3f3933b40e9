"""A manager's part over a broker: rooms that reach across processes.

broadcast() -> publish() -> the broker -> deliver() in every process -> offer() to each member

This process is subscribed to a room while it has members there, or somebody who is joining. What
ends a connection waits for nothing here: only who joins, broadcasts or asks does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from geventws.backlog import BLOCK
from geventws.broadcasting import Result
from geventws.broker import EVERYBODY, History, Position, Publication, check_room
from geventws.core.errors import ConcurrencyError, ConnectionClosed
from geventws.core.message import Encoded, payload_of
from geventws.ids import Ids
from geventws.interfaces import IBroker
from geventws.resuming import direct, joined, left, positions, published, resumes, skipped
from geventws.rooms import Rooms
from geventws.shared import Late, Shared, is_after
from geventws.turns import Turns, Undisturbed
from geventws.websocket import WebSocket


def plain(info: Any) -> Any:
    """Return *info* as JSON brings it to other processes; TypeError or ValueError where it cannot.

    The errors are those of json.dumps().
    """
    return None if info is None else json.loads(json.dumps(info, allow_nan=False))


class Sharing:
    """What one Manager does over a broker. The arguments after *broker* are the manager's own.

    Raises:
        TypeError: *broker* is none.
        ValueError: the policy on slow peers is "block".
    """

    def __init__(
        self,
        broker: Any,
        connections: dict[WebSocket, None],
        rooms: Rooms[WebSocket],
        ids: Ids,
        turns: Turns,
    ) -> None:
        if not IBroker.providedBy(broker):
            raise TypeError(f"broker: an IBroker, not {type(broker).__name__}")
        if turns.slow_peers.policy == BLOCK:
            raise ValueError("slow_peers: not block, with a broker")
        self._broker: Any = broker
        self._connections = connections
        self._rooms = rooms
        self._ids = ids
        self._turns = turns
        self._shared: dict[str, Shared] = {}
        # where clients said they stand, in rooms not joined since: as long as the connection lives,
        # for a position counts once on it
        self._said: WeakKeyDictionary[WebSocket, dict[str, Position]] = WeakKeyDictionary()

    # Members

    @contextmanager
    def holding(self, name: str) -> Iterator[Shared]:
        """Have the room *name* delivered meanwhile; waits until it is.

        Raises:
            ConnectionError: the broker cannot be reached.
        """
        room = self._hold(name)
        try:
            room.subscribe()
            yield room
        finally:
            self._let_go(room)

    def admit(self, ws: WebSocket) -> None:
        """Take note that *ws* is in the manager; to be called while EVERYBODY is held."""
        room = self._hold(EVERYBODY)
        if resumes(ws):
            room.resuming[ws] = None

    def join(self, ws: WebSocket, name: str, info: Any) -> None:
        """Put *ws* into the room *name*; see Manager.join_room()."""
        check_room(name, 1)
        with self.holding(name) as room:
            if ws not in self._connections:
                return
            if self._rooms.has(ws, name) or not resumes(ws) or self._catch_up(ws, room):
                self._take_in(ws, room, info)

    def _take_in(self, ws: WebSocket, room: Shared, info: Any) -> None:
        if not self._rooms.has(ws, room.name):
            self._hold(room.name)
            if resumes(ws):
                room.resuming[ws] = None
        self._rooms.join(ws, room.name, info)
        self._broker.enter(room.name, self._ids.of(ws), info)

    def leave(self, ws: WebSocket, name: str) -> None:
        """Take *ws* out of the room *name*, if it is there."""
        if not self._rooms.has(ws, name):
            return
        room = self._shared[name]
        self._rooms.leave(ws, name)
        self._broker.leave(name, self._ids.of(ws))
        if ws in room.resuming:
            self._turns.tell(ws, left(name))
        room.forget(ws)
        self._let_go(room)

    def dismiss(self, ws: WebSocket) -> None:
        """Take *ws*, which was admitted, out of every room and forget it."""
        for name in self._rooms.of(ws):
            self.leave(ws, name)
        everybody = self._shared[EVERYBODY]
        everybody.forget(ws)
        self._let_go(everybody)

    def presence(self, name: str) -> dict[str, Any]:
        """Return who is in the room *name*; see Manager.presence()."""
        check_room(name, 1)
        present: dict[str, Any] = self._broker.presence(name)
        return present

    def _hold(self, name: str) -> Shared:
        room = self._shared.get(name)
        if room is None:
            room = self._shared[name] = Shared(name, self._broker, self._deliver)
        room.holds += 1
        return room

    def _let_go(self, room: Shared) -> None:
        room.holds -= 1
        if not room.holds:
            del self._shared[room.name]
            self._broker.unsubscribe(room.name, room.deliver)

    # Resumption

    def _catch_up(self, ws: WebSocket, room: Shared) -> bool:
        """Tell *ws* where it stands, and what it missed; return whether it is still here.

        It is not a member yet, but nothing can be missed between this and its becoming one.
        """
        if ws in room.late:
            raise ConcurrencyError("another caller is having this connection join this room")
        late = room.late[ws] = Late(self._turns.slow_peers.size)
        try:
            room.locate()
            said = self._positions(ws)
            recovered = self._replay(ws, room, said, late) if room.name in said else None
        except ConnectionClosed:
            return False
        finally:
            del room.late[ws]
        if ws not in self._connections:
            return False
        if recovered:
            room.ahead[ws] = said[room.name]
        elif recovered is None or late.came:  # after it was told where it stands
            self._turns.tell(ws, joined(room.name, room.position, recovered))
        said.pop(room.name, None)
        return True

    def _positions(self, ws: WebSocket) -> dict[str, Position]:
        """Return where the client of *ws* stands in the rooms that it has not joined again."""
        said = self._said.get(ws)
        if said is None:
            assert ws.request is not None  # it resumes
            said = self._said[ws] = positions(ws.request)
        return said

    def _replay(self, ws: WebSocket, room: Shared, said: dict[str, Position], late: Late) -> bool:
        """Send *ws* what was published since it stood where it *said*; return whether all of it.

        *said* goes along with what was sent.
        """
        history = self._history(room, said[room.name])
        if not history.recovered:
            if not late.came:
                room.position = history.position
            # not as what may be dropped: who stands in the future would take all for duplicates
            ws.send(joined(room.name, room.position, False))
            return False
        ws.send(joined(room.name, said[room.name], True))
        while history.recovered:
            self._send_missed(ws, room.name, said, chain(history.publications, late))
            if not late.overflown:
                return True
            late.begin_again()  # before the history is asked for what was too much to keep
            history = self._history(room, said[room.name])
        return False

    def _send_missed(
        self, ws: WebSocket, room: str, said: dict[str, Position], missed: Iterable[Publication]
    ) -> None:
        name = self._ids.of(ws)
        for publication in missed:
            position = publication.position
            if position is not None and is_after(position, said[room]):
                is_meant = name not in publication.exclude
                ws.send(published(publication) if is_meant else skipped(room, position))
                said[room] = position

    def _history(self, room: Shared, since: Position) -> History:
        """Return what *room* remembers after *since*, a position that a stranger wrote.

        The broker is not asked about what may never have been: to one whose memory came back from
        an older copy that would say so.
        """
        now = room.position
        is_past = now is not None and now.epoch == since.epoch and now.offset >= since.offset
        history: History = self._broker.history(room.name, *([since] if is_past else []))
        return history if is_past else history.after(since)

    # Broadcasting

    def broadcast(
        self, message: Any, name: str | None, exclude: Iterable[WebSocket]
    ) -> Result[WebSocket]:
        """Publish *message* in the room *name*, or to everybody; see Manager.broadcast()."""
        if name is not None:
            check_room(name, 1)
        payload = payload_of(message)
        position = self._broker.publish(
            EVERYBODY if name is None else name,
            message if isinstance(message, str) else payload,
            frozenset(self._ids.of(ws) for ws in exclude),
        )
        return Result([], [], [], [], position)

    def _deliver(self, room: Shared, publication: Publication) -> None:
        """Offer *publication* to the members there are now; what is thrown meanwhile waits."""
        parts = self._parts(room, publication, room.pass_on(publication))
        result: Result[WebSocket] = Result([], [], [], [])
        undisturbed = Undisturbed()
        with self._turns.in_turn(undisturbed.wait):
            for broadcast, members in parts:
                self._turns.offer(broadcast, members, result, undisturbed.wait)
        self._turns.count(result)
        if undisturbed.error is not None:
            raise undisturbed.error

    def _parts(
        self, room: Shared, publication: Publication, told: set[WebSocket]
    ) -> list[tuple[Encoded, Iterable[WebSocket]]]:
        """Return who is to be offered what; of those who resume, who has not left by then."""
        spared = self._ids.named(publication.exclude) | told
        members = self._members(room)
        if spared:
            members = [ws for ws in members if ws not in spared]
        message = publication.message
        headed = self._headed(room, publication)
        if headed is message:
            return [(Encoded(message), members)]
        still = room.resuming.__contains__  # who left was told so, and counts no more
        parts: list[tuple[Encoded, Iterable[WebSocket]]] = [
            (Encoded(message), [ws for ws in members if ws not in room.resuming]),
            (Encoded(headed), filter(still, members)),
        ]
        passed = [ws for ws in spared - told if ws in room.resuming]
        if passed and publication.position is not None and room.name != EVERYBODY:
            notice = Encoded(skipped(room.name, publication.position))
            parts.append((notice, filter(still, passed)))
        return parts

    def _headed(self, room: Shared, publication: Publication) -> str | bytes:
        """Return what members get whose clients count; *publication*'s own message for nobody."""
        ws = next(iter(room.resuming), None)
        if ws is None:
            return publication.message
        if room.name != EVERYBODY:
            return published(publication)
        message: Any = publication.message
        return direct(ws, message)  # type: ignore[no-any-return]

    def _members(self, room: Shared) -> list[WebSocket]:
        if room.name == EVERYBODY:
            return list(self._connections)
        return self._rooms.members(room.name)
