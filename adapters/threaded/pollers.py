"""Who tells which sockets have something to read: epoll, kqueue, poll or select.

register(fd) -> poll() -> [fd], once: whoever wants to hear of it again registers it again

A connection that is being worked on must not be told of again and again.
"""

from __future__ import annotations

import errno
import select
from contextlib import suppress
from typing import Any, Final, Protocol

# FD_SETSIZE, as Unix systems and CPython have it; descriptors from here on select() cannot name
SELECTABLE: Final = 1024
MOST: Final = 1024  # events that kqueue tells of at once
LONGEST: Final = 24 * 3600.0  # seconds of one wait; poll() cannot count beyond 24 days


class Poller(Protocol):
    """What a WebSocketManager waits with.

    The manager calls one method at a time, but that register() may be called while poll() waits in
    another thread. A descriptor is unregistered before it is closed, and not while poll() waits.

    Attributes:
        immediate: whether a poll() that waits already heeds what is registered meanwhile.
    """

    immediate: bool

    def register(self, fd: int) -> None:
        """Have poll() return *fd*, once, when there is something to read, or the end."""

    def unregister(self, fd: int) -> None:
        """Forget *fd*, whether it was returned meanwhile or not."""

    def poll(self, timeout: float | None = None) -> list[int]:
        """Wait, at most *timeout* seconds, and return the descriptors that are ready."""

    def release(self) -> None:
        """Give up what the poller holds of the operating system; it is used no more."""


class SelectPoller:
    """Waits by select.select(), which is everywhere, and looks through all descriptors each time.

    It knows descriptors below 1024 only.
    """

    immediate = False

    def __init__(self) -> None:
        self._watched: set[int] = set()

    def register(self, fd: int) -> None:
        """Have poll() return *fd* once. See Poller.

        Raises:
            ValueError: *fd* is past what select() knows.
        """
        if fd >= SELECTABLE:
            raise ValueError(f"fd: select() knows descriptors below {SELECTABLE} only")
        self._watched.add(fd)

    def unregister(self, fd: int) -> None:
        """Forget *fd*."""
        self._watched.discard(fd)

    def poll(self, timeout: float | None = None) -> list[int]:
        """Wait and return what is ready. See Poller."""
        ready = self._wait(list(self._watched), timeout)
        self._watched.difference_update(ready)
        return ready

    def release(self) -> None:
        """Forget everything."""
        self._watched.clear()

    def _wait(self, watched: list[int], timeout: float | None) -> list[int]:
        return select.select(watched, [], [], timeout)[0]


class PollPoller(SelectPoller):
    """Waits by select.poll(), which knows every descriptor; else it is like SelectPoller.

    In a process that gevent has patched there is neither epoll nor kqueue; this is what works.
    """

    def __init__(self) -> None:
        if not hasattr(select, "poll"):
            raise _missing("poll")
        super().__init__()

    def register(self, fd: int) -> None:
        """Have poll() return *fd* once. See Poller."""
        self._watched.add(fd)

    def _wait(self, watched: list[int], timeout: float | None) -> list[int]:
        poll = select.poll()  # a new one each time: a registration may come while it waits
        for fd in watched:
            poll.register(fd, select.POLLIN)
        seconds = _bounded(timeout)
        return [fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)]


class EPollPoller:
    """Waits by select.epoll(), whose cost is that of the ready descriptors alone; on Linux."""

    immediate = True

    def __init__(self) -> None:
        if not hasattr(select, "epoll"):
            raise _missing("epoll")
        self._epoll = select.epoll()

    def register(self, fd: int) -> None:
        """Have poll() return *fd* once. See Poller."""
        events = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT
        try:  # who was returned once is still known, and only has to be wanted again
            self._epoll.modify(fd, events)
        except FileNotFoundError:
            self._epoll.register(fd, events)

    def unregister(self, fd: int) -> None:
        """Forget *fd*."""
        with suppress(FileNotFoundError):
            self._epoll.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[int]:
        """Wait and return what is ready. See Poller."""
        return [fd for fd, _ in self._epoll.poll(_bounded(timeout))]

    def release(self) -> None:
        """Close the epoll descriptor."""
        self._epoll.close()


class KQueuePoller:
    """Waits by select.kqueue(), whose cost is that of the ready descriptors alone; BSD, macOS."""

    immediate = True

    def __init__(self) -> None:
        if not hasattr(select, "kqueue"):
            raise _missing("kqueue")
        self._select: Any = select  # elsewhere these names are not even declared
        self._kqueue = self._select.kqueue()

    def register(self, fd: int) -> None:
        """Have poll() return *fd* once. See Poller."""
        self._change(fd, self._select.KQ_EV_ADD | self._select.KQ_EV_ONESHOT)

    def unregister(self, fd: int) -> None:
        """Forget *fd*."""
        with suppress(FileNotFoundError):  # who was returned is forgotten already
            self._change(fd, self._select.KQ_EV_DELETE)

    def poll(self, timeout: float | None = None) -> list[int]:
        """Wait and return what is ready. See Poller."""
        return [event.ident for event in self._kqueue.control(None, MOST, _bounded(timeout))]

    def release(self) -> None:
        """Close the kqueue."""
        self._kqueue.close()

    def _change(self, fd: int, flags: int) -> None:
        event = self._select.kevent(fd, self._select.KQ_FILTER_READ, flags)
        self._kqueue.control([event], 0, 0)


def best_poller() -> Poller:
    """Return a poller of the best kind there is here: epoll, kqueue, poll or else select."""
    if hasattr(select, "epoll"):
        return EPollPoller()
    if hasattr(select, "kqueue"):
        return KQueuePoller()
    if hasattr(select, "poll"):
        return PollPoller()
    return SelectPoller()


def _missing(name: str) -> OSError:
    return OSError(errno.ENOSYS, f"this system, or this patched process, has no {name}()")


def _bounded(timeout: float | None) -> float | None:
    return None if timeout is None else min(timeout, LONGEST)
