"""The poller manager: many connections in the callback style, one thread, and a few workers.

add() -> Driver -> callbacks          broadcast() -> offer() to each connection -> Result
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final

from zope.interface import classImplements

from geventws.adapters.threaded.driver import Driver
from geventws.adapters.threaded.pollers import Poller, best_poller
from geventws.adapters.threaded.websocket import ThreadedWebSocket
from geventws.backlog import BLOCK, CLOSE
from geventws.broadcasting import BUFFER_SIZE, Result, check_count, slow_peers_of
from geventws.core.codes import GOING_AWAY
from geventws.core.frame import close_payload
from geventws.core.message import Encoded
from geventws.interfaces import IManager
from geventws.options import seconds
from geventws.rooms import Rooms

WORKERS: Final = 32  # callbacks that run at once; the others wait


class WebSocketManager:
    """A group of connections in the callback style, and the thread that runs them.

    Call start(), or run() in a thread of your own. An idle connection costs no thread. When bytes
    come for one, a worker thread runs its callbacks, which may block; only while all workers are
    in callbacks do the other connections wait for theirs. The manager answers pings, sends those of
    the keepalive, keeps deadlines, and lets go of a connection that is over once its closed() has
    returned. Any thread may call any method, and callbacks any but join().

    Args:
        poller: who waits for the descriptors; None is the best there is here, see best_poller().
            It is this manager's alone, and released at the end.
        workers: how many callbacks may run at once; a thread is started when it is needed.
        slow_peers: what broadcast() does where more than *buffer_size* bytes or 64 messages would
            wait for a peer: "close", "drop_oldest", "latest" or "block". See geventws.Manager.
        buffer_size: bytes of payload.
    """

    def __init__(
        self,
        poller: Poller | None = None,
        *,
        workers: int = WORKERS,
        slow_peers: str = CLOSE,
        buffer_size: int = BUFFER_SIZE,
    ) -> None:
        check_count("workers", workers)
        self._slow_peers = slow_peers_of(slow_peers, buffer_size)
        self._rooms: Rooms[ThreadedWebSocket] = Rooms()
        self._in_turn = threading.Lock()  # to broadcast: no peer gets two of them swapped
        self._driver = Driver(
            best_poller() if poller is None else poller, workers, self._rooms.leave_all
        )

    # The thread

    def start(self) -> None:
        """Start the thread, a daemon.

        Raises:
            RuntimeError: it was started before, or run() was called; or there is no thread to be
                had, and later it may be started.
        """
        self._driver.start()

    def run(self) -> None:
        """Wait for what comes and have the callbacks run, until stop() is called.

        Raises:
            RuntimeError: the manager was started before, and not stopped.
        """
        self._driver.run()

    def is_alive(self) -> bool:
        """Return whether the thread is at work, or run() elsewhere."""
        return self._driver.is_alive()

    def stop(self) -> None:
        """Have the thread end. Returns at once: join() waits for that.

        Whoever is still here is dropped; their peers hear 1001 if that goes without waiting, their
        closed() is called. Whoever is added later is dropped as well.
        """
        self._driver.stop()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until every connection is closed and, after stop(), the thread has ended.

        Returns False when *timeout* seconds are up before that.
        """
        return self._driver.join(None if timeout is None else seconds(timeout))

    def drain(self, timeout: float | None = None) -> bool:
        """Close every connection with 1001, wait for the last, then stop() and wait for the end.

        Waits at most *timeout* seconds for the peers, then drops whoever is left and waits as long
        again for callbacks and the thread. None is without limit. Not to be called by a callback.
        Returns whether all of that was done in time.
        """
        self.close_all(GOING_AWAY)
        in_time = self.join(timeout)
        self.stop()
        return self.join(timeout) and in_time

    # Members

    def __len__(self) -> int:
        return len(self._driver.driven)

    def __iter__(self) -> Iterator[ThreadedWebSocket]:
        """Iterate over the connections there are now, whatever comes and goes meanwhile."""
        return iter(self._driver.connections())

    def __contains__(self, ws: object) -> bool:
        return ws in self._driver.driven

    def add(self, ws: ThreadedWebSocket) -> None:
        """Run the callbacks of *ws* from now on, opened() first. Returns at once.

        One that is over is not taken in, and one that is here already stays.

        Raises:
            TypeError: *ws* is no ThreadedWebSocket.
            ValueError: it is in another manager, or select() cannot watch its descriptor.
        """
        self._driver.take(_checked(ws))

    def remove(self, ws: ThreadedWebSocket) -> None:
        """Let *ws* go, if it is here; it leaves every room, but is not closed.

        A callback that runs goes on to its end; no more bytes are read for others. From now on the
        caller looks after it, or another manager.
        """
        self._driver.give_back(_checked(ws))

    def join_room(self, ws: ThreadedWebSocket, room: str) -> None:
        """Put *ws* into *room*; add() it where it is not here. One that is over joins nothing."""
        self.add(ws)
        with self._driver.lock:
            if ws in self._driver.driven:
                self._rooms.join(ws, room)

    def leave_room(self, ws: ThreadedWebSocket, room: str) -> None:
        """Take *ws* out of *room*, if it is there. A room that is empty is forgotten."""
        with self._driver.lock:
            self._rooms.leave(_checked(ws), room)

    def members(self, room: str) -> list[ThreadedWebSocket]:
        """Return the connections in *room*, in the order they joined."""
        with self._driver.lock:
            return self._rooms.members(room)

    def rooms(self, ws: ThreadedWebSocket) -> set[str]:
        """Return the rooms that *ws* is in."""
        with self._driver.lock:
            return self._rooms.of(_checked(ws))

    # For all at once

    def broadcast(
        self,
        message: str | bytes | bytearray | memoryview,
        room: str | None = None,
        exclude: ThreadedWebSocket | Iterable[ThreadedWebSocket] = (),
    ) -> Result[ThreadedWebSocket]:
        """Send *message* to every connection, or to those in *room*; return what became of it.

        Whoever is there when it begins is sent it. It waits for no peer: what a slow one does not
        take is kept for it, as far as *slow_peers* allows; but "block" waits, after all others were
        served. Every peer gets broadcasts in the same order, also those of several threads.

        Args:
            exclude: one connection or several that are not sent it.

        Raises:
            TypeError: *message* is neither str nor bytes-like.
            UnicodeEncodeError: a str with lone surrogates.
        """
        broadcast = Encoded(message)
        several = [exclude] if isinstance(exclude, ThreadedWebSocket) else exclude
        spared = {_checked(ws) for ws in several}
        result: Result[ThreadedWebSocket] = Result([], [], [], [])
        with self._in_turn:
            members = list(self) if room is None else self.members(room)
            for ws in members:
                if ws not in spared:
                    result.note(ws, ws.offer(broadcast, self._slow_peers))
        if self._slow_peers.policy == BLOCK:
            self._wait_for(result)
        return result

    def close_all(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Begin to close every connection at once; join() waits for the end.

        None waits for another one: each is closed when its peer has answered, and dropped when its
        close_timeout is up. What was broadcast before goes before the close frame.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        close_payload(code, reason)  # raises before anyone is told
        for ws in self:
            ws.begin_close(code, reason)

    def _wait_for(self, result: Result[ThreadedWebSocket]) -> None:
        """Wait until all slow peers have caught up or are gone."""
        for ws in result.buffered:
            ws.wait_for_room(self._slow_peers)
        result.settle()


def _checked(ws: Any) -> ThreadedWebSocket:
    if not isinstance(ws, ThreadedWebSocket):
        raise TypeError(f"ws: a ThreadedWebSocket, not {type(ws).__name__}")
    return ws


classImplements(WebSocketManager, IManager)
