"""Who waits for which message, where many may wait and one reads.

A caller that waits reads the connection itself, as that costs least, and hands on what is for
others; when another one reads already it sleeps until it has its message or the reading falls to
it. What nobody waits for is kept for who asks next, as far as there is room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from time import monotonic, perf_counter
from typing import Any, Final, Protocol

from gevent.event import Event

from geventws.adapters.locust.alarm import Alarm
from geventws.adapters.locust.matching import Match, Message, anything, matcher
from geventws.websocket import WebSocket

SOON: Final = 0.05  # seconds; less than that is the connection's to measure


class Wait:
    """One that waits for one message.

    Attributes:
        message: what came; None before that.
        came_at: when it came, on the clock of perf_counter(); 0 where it was kept already.
    """

    __slots__ = ("came_at", "event", "key", "matches", "message")

    def __init__(self, matches: Callable[[Message], object], key: Hashable) -> None:
        self.matches = matches
        self.key = key
        self.message: Message | None = None
        self.came_at = 0.0
        self.event: Any = None  # while it sleeps


class Owner(Protocol):
    """What an Inbox needs of who has it."""

    def key_of(self, message: Message) -> Hashable:
        """Return the key of *message*, or None."""

    def pushed(self, message: Message) -> None:
        """Take a message that nobody waits for and that there is no room for."""

    def complain(self, error: Exception) -> None:
        """Take what a predicate raised; the message is not for it then."""


class Inbox:
    """The messages of one connection on their way to who waits for them.

    Args:
        owner: what knows the user.
        room: how many messages that nobody waits for are kept.
    """

    __slots__ = (
        "_alarm",
        "_keyed",
        "_last",
        "_owner",
        "_reading",
        "_room",
        "_sleepers",
        "_unread",
        "_waits",
    )

    def __init__(self, owner: Owner, room: int) -> None:
        self._owner = owner
        self._room = room
        self._unread: deque[Message] | None = None  # an idle connection keeps no buffer
        self._waits: list[Wait] = []  # in the order of asking
        self._last: list[Wait] = []  # those who take what is left over
        self._keyed: dict[Hashable, Wait] = {}
        self._sleepers: dict[Wait, None] = {}
        self._reading = False
        self._alarm = Alarm()

    def expect(self, match: Match, key: Hashable = None, last: bool = False) -> Wait:
        """Begin to wait for a message that *match* is for, or whose key is *key*.

        Who comes *last* gets what no other one waits for.

        Raises:
            TypeError: *match* is nothing to match with, or both are given.
            ValueError: somebody waits for *key* already.
        """
        wait = Wait(matcher(match), key)
        if key is None:
            (self._last if last else self._waits).append(wait)
            return wait
        if match is not None:
            raise TypeError("match: not together with key")
        if key in self._keyed:
            raise ValueError("key: a request with this one is in flight")
        self._keyed[key] = wait
        return wait

    def take_kept(self, wait: Wait) -> None:
        """Give *wait* the first of the messages that are kept that it is for."""
        for message in tuple(self._unread or ()):
            # what a predicate calls may let others run, who may take the message
            if self._is_for(wait, message) and self._unread and message in self._unread:
                wait.message = message
                self._drop_wait(wait)
                self._unread.remove(message)
                return

    def wait(self, wait: Wait, connection: WebSocket, timeout: float | None) -> Message:
        """Wait until the message is here and return it; with a *timeout* of None for ever.

        Raises:
            TimeoutError: it did not come within *timeout* seconds.
            ConnectionClosed: it cannot come any more.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while wait.message is None:
            if not self._reading:
                self._read(connection, deadline)
            else:
                self._sleep(wait, deadline)
        return wait.message

    def forget(self, wait: Wait) -> None:
        """Wait no more, whatever became of it; another one reads from now on."""
        if wait.message is None:
            self._drop_wait(wait)
        if self._sleepers:
            self._wake_one()

    def hand_on(self, message: Message) -> None:
        """Give *message* to the first one that it is for."""
        wait = self._claim(message)
        if wait is None:
            self._wake_one()  # what takes it may take long
            self._keep(message)
            return
        wait.came_at = perf_counter()
        wait.message = message
        if wait.event is not None:
            wait.event.set()

    def end(self) -> None:
        """Take note that no more messages will come."""
        self._alarm.close()

    def flush(self) -> None:
        """Give up the messages that are kept: nobody will ask for them any more."""
        while self._unread:
            self._owner.pushed(self._unread.popleft())

    def has_kept(self) -> bool:
        """Return whether there are messages that are kept."""
        return bool(self._unread)

    def is_idle(self) -> bool:
        """Return whether nobody waits."""
        return not (self._waits or self._keyed or self._last)

    def _keep(self, message: Message) -> None:
        if not self._room:
            self._owner.pushed(message)
            return
        if self._unread is None:
            self._unread = deque()
        self._unread.append(message)
        if len(self._unread) > self._room:
            self._owner.pushed(self._unread.popleft())

    def _drop_wait(self, wait: Wait) -> None:
        if wait.key is not None:
            del self._keyed[wait.key]
        else:
            (self._waits if wait in self._waits else self._last).remove(wait)

    def _claim(self, message: Message) -> Wait | None:
        if self._keyed:
            key = self._owner.key_of(message)
            found = None if key is None else self._keyed.pop(key, None)
            if found is not None:
                return found
        for wait in tuple(self._waits):
            if wait.matches is anything or self._is_for(wait, message):
                if wait not in self._waits:  # it gave up meanwhile
                    continue
                self._waits.remove(wait)
                return wait
        return self._last.pop(0) if self._last else None

    def _is_for(self, wait: Wait, message: Message) -> object:
        if wait.key is not None:
            return self._owner.key_of(message) == wait.key
        try:
            return wait.matches(message)
        except Exception as error:
            self._owner.complain(error)
            return False

    def _read(self, connection: WebSocket, deadline: float | None) -> None:
        self._reading = True
        try:
            if deadline is None:
                message = connection.receive()
            elif (left := deadline - monotonic()) < SOON:
                message = connection.receive(max(left, 0.0))
            else:
                self._alarm.set(deadline)
                message = connection.receive()
        finally:
            self._alarm.clear()
            self._reading = False
        self.hand_on(message)

    def _sleep(self, wait: Wait, deadline: float | None) -> None:
        left = None if deadline is None else deadline - monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("nothing arrived in time")
        wait.event = Event()
        self._sleepers[wait] = None
        try:
            wait.event.wait(left)
        finally:
            self._sleepers.pop(wait, None)
            wait.event = None

    def _wake_one(self) -> None:
        """Have one of those who sleep read, where nobody does."""
        if not self._reading:
            for wait in self._sleepers:
                wait.event.set()
                return
