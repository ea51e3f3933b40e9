"""The greenlet-group manager: who is connected, in which rooms, and messages for many at once.

broadcast(message) -> encode once -> offer() to each connection -> Result

It keeps no greenlet. A connection tells it when it is over, and the caretaker ends those that are
closing, so nothing here waits for one peer but the policy "block", and join() for the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from gevent.event import Event
from zope.interface import classImplements

from geventws.backlog import BLOCK, CLOSE
from geventws.broadcasting import BUFFER_SIZE, Result, slow_peers_of
from geventws.broker import EVERYBODY
from geventws.clock import monotonic
from geventws.core.codes import GOING_AWAY, State
from geventws.core.frame import close_payload
from geventws.core.message import Encoded
from geventws.counts import Counts
from geventws.events import DrainBegan, notify
from geventws.ids import Ids
from geventws.interfaces import IManager
from geventws.options import seconds
from geventws.rooms import Rooms
from geventws.sharing import Sharing, plain
from geventws.turns import Turns
from geventws.websocket import WebSocket

STEP: Final = 0.01  # seconds; shorter pauses of a drain cost more than they spread
LOOK: Final = 0.02  # seconds between two looks at a connection that a drain waits for


class Manager:
    """A group of connections, all of one hub. Use it in that hub's thread alone.

    A connection that is over leaves by itself. Connections may be in several managers.

    Args:
        slow_peers: what broadcast() does where more than buffer_size bytes or 64 messages would
            wait for a peer that does not keep up, or that is being sent a fragmented message.
            "close" closes the connection with 1008, "drop_oldest" drops the oldest of them,
            "latest" drops all but the newest whenever there are several, and "block" drops none:
            broadcast() waits until the peer has caught up, after it has served all others.
        buffer_size: bytes of payload; a larger message never waits, except by "block".
        broker: an IBroker, as MemoryBroker or RedisBroker, over which rooms and broadcasts span all
            managers that share it; whoever made it closes it. None is for this manager alone.

    A peer that takes nothing of what waits for send_timeout is dropped, whatever the policy.
    With a broker "block" is refused: one slow peer would hold up everybody.

    Attributes:
        counts: what its connections have done so far, those included that have left; see Counts.
    """

    def __init__(
        self, *, slow_peers: str = CLOSE, buffer_size: int = BUFFER_SIZE, broker: Any = None
    ) -> None:
        self._slow_peers = slow_peers_of(slow_peers, buffer_size)
        self._connections: dict[WebSocket, None] = {}  # in the order they came
        self._rooms: Rooms[WebSocket] = Rooms()
        self._remove = self.remove  # the same for all connections
        self._followers: tuple[Callable[[WebSocket], None], ...] = ()
        self.counts = Counts()
        self._closings: list[tuple[int, str]] = []  # what closing() was given, while it is on
        self._empty = Event()
        self._empty.set()
        self._ids = Ids()
        self._turns = turns = Turns(self._slow_peers, self.counts)
        self._sharing: Sharing | None = None
        if broker is not None:
            self._sharing = Sharing(broker, self._connections, self._rooms, self._ids, turns)

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[WebSocket]:
        """Iterate over the connections there are now, whatever comes and goes meanwhile."""
        return iter(list(self._connections))

    def __contains__(self, ws: object) -> bool:
        return _opened(ws) in self._connections

    # Members

    def add(self, ws: WebSocket) -> None:
        """Take *ws* in until it is over or removed; one that is over already is not taken in.

        While drain() is at work, *ws* is closed as it says. A lazy one (see wsgi) is opened. Over a
        broker the first one waits until what is broadcast to all is delivered here.

        Raises:
            TypeError: *ws* is no WebSocket.
            ConnectionError: the broker cannot be reached; then *ws* is not taken in.
        """
        ws = _opened(ws)
        if ws in self._connections:
            return
        if self._sharing is None:
            self._take_in(ws)
            return
        with self._sharing.holding(EVERYBODY):
            if ws not in self._connections:  # nor has it come while this waited
                self._take_in(ws)

    def _take_in(self, ws: WebSocket) -> None:
        self._connections[ws] = None
        if self._sharing is not None:
            self._sharing.admit(ws)
        self._empty.clear()
        self.counts.opened += 1
        ws.follow(self._remove)
        for follower in self._followers:
            follower(ws)
        if self._closings:
            ws.begin_close(*self._closings[-1])

    def remove(self, ws: WebSocket) -> None:
        """Let *ws* go, if it is here; it leaves every room. Never waits."""
        ws = _opened(ws)
        if ws not in self._connections:
            return
        ws.unfollow(self._remove)
        if self._sharing is not None:
            self._sharing.dismiss(ws)
        self._rooms.leave_all(ws)
        self.counts.leave(ws, self._connections)
        if not self._connections:
            self._empty.set()

    def follow(self, follower: Callable[[WebSocket], None]) -> None:
        """Have *follower* called with each connection that is taken in from now on."""
        self._followers += (follower,)

    def join_room(self, ws: WebSocket, room: str, info: Any = None) -> None:
        """Put *ws* into *room*; add() it where it is not here. One that is over joins nothing.

        Over a broker this waits until what is published there is delivered to this process. Where
        the client of *ws* resumes (see resuming), it is sent what it missed before anything new.
        To join again is to give another *info*.

        Args:
            info: what presence() tells of *ws* in this room, any JSON value.

        Raises:
            ConnectionError: the broker cannot be reached; then *ws* is not in the room.
            TypeError, ValueError: *info* is no JSON value; over a broker, *room* is no str of 1 to
                200 characters.
            ConcurrencyError: another caller has *ws* resume in this room just now.
        """
        ws, info = _opened(ws), plain(info)
        self.add(ws)
        if ws in self._connections:
            join = self._rooms.join if self._sharing is None else self._sharing.join
            join(ws, room, info)

    def leave_room(self, ws: WebSocket, room: str) -> None:
        """Take *ws* out of *room*, if it is there. A room that is empty is forgotten."""
        leave = self._rooms.leave if self._sharing is None else self._sharing.leave
        leave(_opened(ws), room)

    def presence(self, room: str) -> dict[str, Any]:
        """Return who is in *room*: by member id what join_room() was told of each, or None.

        Over a broker those of every process are there; of one that was killed they are for a while.

        Raises:
            ConnectionError: the broker cannot be reached.
        """
        if self._sharing is None:
            return {self._ids.of(ws): info for ws, info in self._rooms.infos(room).items()}
        return self._sharing.presence(room)

    def id_of(self, ws: WebSocket) -> str:
        """Return the member id of *ws*, unlike that of any other connection in any process."""
        return self._ids.of(_opened(ws))

    def members(self, room: str) -> list[WebSocket]:
        """Return the connections of this manager in *room*, in the order they joined."""
        return self._rooms.members(room)

    def rooms(self, ws: WebSocket) -> set[str]:
        """Return the rooms that *ws* is in."""
        return self._rooms.of(_opened(ws))

    # Broadcasting

    def broadcast(
        self,
        message: str | bytes | bytearray | memoryview,
        room: str | None = None,
        exclude: WebSocket | Iterable[WebSocket] = (),
    ) -> Result[WebSocket]:
        """Send *message* to every connection, or to those in *room*; return what became of it.

        Whoever is there when it begins is sent it; how slow each peer is delays no other. It is
        encoded once, as text of str and binary of anything else, and where peers compress, deflated
        once for all that have the same window; client sides, which must mask, encode their own.
        Every peer gets broadcasts in the same order, also those that several greenlets make at
        once. A send() on a connection goes out after the broadcasts that were made before it. Other
        greenlets run whenever this has worked for 5 ms. An exception thrown into the caller
        meanwhile, such as gevent.Timeout, leaves the others without it.

        Over a broker it is published, and each process sends it to its members in the order of the
        positions. The result says where it stands, and nothing of who was sent it.

        Args:
            exclude: one connection of this manager, or several, that are not sent it.

        Raises:
            TypeError: *message* is neither str nor bytes-like.
            UnicodeEncodeError: a str with lone surrogates.
            ConnectionError: the broker cannot be reached; it may have been published or not.
        """
        spared = {_opened(ws) for ws in ([exclude] if _is_one(exclude) else exclude)}
        if self._sharing is not None:
            return self._sharing.broadcast(message, room, spared)
        broadcast = Encoded(message)
        result: Result[WebSocket] = Result([], [], [], [])
        with self._turns.in_turn():
            members = list(self._connections) if room is None else self.members(room)
            if spared:
                members = [ws for ws in members if ws not in spared]
            self._turns.offer(broadcast, members, result)
        self._turns.count(result)
        if result.buffered and self._slow_peers.policy == BLOCK:
            self._wait_for(result)
        return result

    def _wait_for(self, result: Result[WebSocket]) -> None:
        """Wait until all slow peers have caught up or are gone."""
        events = [ws.room(self._slow_peers) for ws in result.buffered]
        for event in events:
            if event is not None:
                event.wait()
        result.settle()

    # Closing

    def close_all(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Begin to close every connection at once; join() waits for the end.

        None waits for another one: each is closed when its peer has answered, and dropped when its
        close_timeout is up. What was broadcast before goes before the close frame.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        close_payload(code, reason)  # raises before anyone is told
        with self._turns.fairly():
            for ws in self:
                ws.begin_close(code, reason)
                self._turns.share()

    def drain(
        self,
        timeout: float = 30.0,
        jitter: float | None = None,
        *,
        code: int = GOING_AWAY,
        reason: str = "",
    ) -> bool:
        """Close every connection and wait for the end; return whether that came in time.

        What is under way comes to its end first: broadcasts that have begun reach everybody, and a
        connection is closed once it is at rest: all that has come was received, the handler waits
        for more or has never received anything, the callback has returned, and no message is half
        sent. What is not at rest after a quarter of *timeout* is closed as soon as the handler has
        dealt with what it was given, though more has come; after half of it, as it is.

        The closes are spread evenly over *jitter* seconds, so that not all clients reconnect at
        once; None is a tenth of *timeout*, at most 1. Connections added meanwhile are closed too.
        Whoever is left when *timeout* is up is dropped. Returns as soon as nobody is left.

        Args:
            code: the close code, as 1001 (going away) or 1012 (service restart).
            reason: the close reason.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        start = monotonic()
        over_by = start + seconds(timeout, or_none="")
        spread = min(1.0, timeout / 10) if jitter is None else seconds(jitter, "jitter")
        with self.closing(code, reason):
            notify(DrainBegan(self, timeout))
            with self._turns.in_turn():  # broadcasts that have begun go before all close frames
                pass
            busy = self._close_one_by_one(min(spread, timeout), (code, reason))
            self._close_at_rest(busy, start, timeout / 2, (code, reason))
            in_time = self.join(max(over_by - monotonic(), 0.0))
            self._drop_all(code)
        return in_time

    @contextmanager
    def closing(self, code: int = GOING_AWAY, reason: str = "") -> Iterator[None]:
        """Close whoever is added meanwhile, at once and as begin_close() does.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        close_payload(code, reason)
        self._closings.append((code, reason))
        try:
            yield
        finally:
            self._closings.remove((code, reason))

    def join(self, timeout: float | None = None) -> bool:
        """Wait until every connection is closed; return False when *timeout* is up before that."""
        return bool(self._empty.wait(None if timeout is None else seconds(timeout)))

    def _close_one_by_one(self, spread: float, how: tuple[int, str]) -> list[WebSocket]:
        """Begin to close who is at rest; return the others."""
        connections = list(self)
        busy: list[WebSocket] = []
        start = monotonic()
        with self._turns.fairly():
            for number, ws in enumerate(connections):
                pause = start + spread * number / len(connections) - monotonic()
                if pause > STEP and self.join(pause):
                    return []
                if _is_at_rest(ws, True):
                    ws.begin_close(*how)
                else:
                    busy.append(ws)
                self._turns.share()
        return busy

    def _close_at_rest(
        self, busy: list[WebSocket], start: float, patience: float, how: tuple[int, str]
    ) -> None:
        """Begin to close each of *busy* once it is at rest, or *patience* seconds from *start*."""
        while busy:
            left = start + patience - monotonic()
            if self.join(max(min(LOOK, left), 0.0)):
                return
            busy = self._close_some(busy, left, left > patience / 2, how)

    def _close_some(
        self, busy: list[WebSocket], left: float, to_the_last: bool, how: tuple[int, str]
    ) -> list[WebSocket]:
        """Begin to close those of *busy* that are at rest, or all when no time is *left*."""
        still = []
        with self._turns.fairly():
            for ws in busy:
                if left <= 0 or _is_at_rest(ws, to_the_last):
                    ws.begin_close(*how)
                else:
                    ws.close_at_rest(*how, to_the_last)
                    still.append(ws)
                self._turns.share()
        return still

    def _drop_all(self, code: int) -> None:
        with self._turns.fairly():
            for ws in self:
                ws.drop(code, "not closed in time")
                self._turns.share()


def _is_at_rest(ws: WebSocket, to_the_last: bool) -> bool:
    """Return whether nothing is under way on *ws* that a close frame would cut off.

    *to_the_last* says to look for what waits in the kernel too.
    """
    protocol = ws._protocol
    if protocol.state is not State.OPEN:
        return True
    if ws._turn_taken or protocol.queued():
        return False
    reading = ws._reading and (ws._receiving is not None or ws._opened_told)
    waits = reading or ws._parked is not None
    arriving = protocol._messages.arriving()  # perhaps by pieces, of which none is held
    if not waits and (arriving or protocol.messages_received):  # one is being dealt with
        return False
    more = arriving or protocol.buffered() or ws._transport.readable()
    return not more or (waits and not to_the_last)


def _is_one(ws: Any) -> bool:
    return isinstance(ws, WebSocket) or hasattr(ws, "accept")


def _opened(ws: Any) -> WebSocket:
    """Return the connection behind *ws*, which may be one that opens at its first use."""
    if not _is_one(ws):
        raise TypeError(f"ws: a WebSocket, not {type(ws).__name__}")
    connection: WebSocket = ws if isinstance(ws, WebSocket) else ws.accept()
    return connection


classImplements(Manager, IManager)
