"""A thread that can be waited for again after a wait that Ctrl-C has ended."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread, current_thread


class Runner(Thread):
    """A thread named WebSocketClient that calls *work*, once.

    Before Python 3.12 an interrupted join() takes the thread for dead (CPython issue 90882), so an
    event of its own says here whether the work is done.
    """

    def __init__(self, work: Callable[[], None], daemon: bool) -> None:
        super().__init__(name="WebSocketClient", daemon=daemon)
        self._work = work
        self._done = Event()

    def run(self) -> None:
        """Do the work."""
        try:
            self._work()
        finally:
            self._done.set()

    def is_alive(self) -> bool:
        """Return whether the work has begun and is not done."""
        return self.ident is not None and not self._done.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the work is done, at most *timeout* seconds.

        Raises:
            RuntimeError: the thread was not started, or is the caller's own.
        """
        if not self.is_alive() or self is current_thread() or self._done.wait(timeout):
            super().join(timeout)  # at most the few instructions that are left of it
