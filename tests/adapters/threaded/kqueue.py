"""A stand-in for BSD's select.kqueue over epoll, for what KQueuePoller asks of it (kqueue(2))."""

from __future__ import annotations

import select
from typing import Any, NamedTuple

KQ_FILTER_READ = -1
KQ_EV_ADD = 1
KQ_EV_DELETE = 2
KQ_EV_ONESHOT = 16

_epoll = select.epoll  # a test may take that away

NAMES = ("KQ_FILTER_READ", "KQ_EV_ADD", "KQ_EV_DELETE", "KQ_EV_ONESHOT", "kevent", "kqueue")


class kevent(NamedTuple):
    ident: int
    filter: int
    flags: int


class kqueue:
    """Heeds changes while another thread waits, as the kernel's does."""

    def __init__(self) -> None:
        self._epoll = _epoll()

    def control(
        self, changes: list[kevent] | None, most: int, timeout: float | None = None
    ) -> list[kevent]:
        for change in changes or ():
            self._change(change)
        if not most:
            return []
        ready = [fd for fd, _ in self._epoll.poll(timeout, most)]
        for fd in ready:  # EV_ONESHOT: it is deleted once it was returned
            self._epoll.unregister(fd)
        return [kevent(fd, KQ_FILTER_READ, 0) for fd in ready]

    def close(self) -> None:
        self._epoll.close()

    def _change(self, change: kevent) -> None:
        assert change.filter == KQ_FILTER_READ
        if change.flags == KQ_EV_DELETE:
            self._epoll.unregister(change.ident)  # ENOENT where it is not there
            return
        assert change.flags == KQ_EV_ADD | KQ_EV_ONESHOT
        try:  # to add what is there already changes it
            self._epoll.modify(change.ident, select.EPOLLIN)
        except FileNotFoundError:
            self._epoll.register(change.ident, select.EPOLLIN)


def stand_in(monkeypatch: Any) -> None:
    """Let `select` have a kqueue."""
    for name in NAMES:
        monkeypatch.setattr(select, name, globals()[name], raising=False)
