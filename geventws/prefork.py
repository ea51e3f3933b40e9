"""Several processes at one address: started, replaced, restarted one by one, and ended together.

listen_for() -> prefork() -> fork -> make(listener) -> a server in each child

The parent serves nobody and runs no hub. It waits for signals, for its children's word that they
listen, and for their ends. A child hears over a pipe which code to close with when it is to end,
and that its parent is gone when that pipe ends.
"""

from __future__ import annotations

import logging
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic
from typing import Any, Final

from gevent.monkey import get_original
from gevent.os import fork_gevent

from geventws.core.codes import GOING_AWAY, SERVICE_RESTART
from geventws.ending import Ending
from geventws.forked import CODE, LISTENS, Link, flush, work
from geventws.options import seconds

logger = logging.getLogger("geventws")

STEADY: Final = 5.0  # seconds; a worker that ends before that may be unable to serve at all
SOON, LATEST = 0.1, 5.0  # seconds until such a one is replaced: the first time, and at most
GRACE: Final = 5.0  # seconds past drain_timeout until a worker is killed
STOPS: Final = (signal.SIGTERM, signal.SIGINT)
SIGNALS: Final = (*STOPS, signal.SIGHUP, signal.SIGCHLD)
# gevent's would begin a hub in the parent, or have one take its children
POLL, WAITPID = get_original("select", "poll"), get_original("os", "waitpid")
SIGNAL: Final = get_original("signal", "signal")


def prefork(
    make: Callable[[Any], Ending],
    listeners: Sequence[Any],
    workers: int,
    *,
    drain_timeout: float = 30.0,
    listening: Callable[[], object] | None = None,
) -> bool:
    """Serve in *workers* processes until SIGTERM or SIGINT; True where one signal was enough.

    SIGTERM and SIGINT drain all workers with 1001; a second one kills them. SIGHUP restarts them
    one by one: each new one listens before an old one is drained, with 1012. Where one fails before
    that, the restart ends and the old ones stay. SIGHUP meanwhile begins anew, and gives up one
    that does not listen yet. A worker that ends by itself is replaced: at once if it served for 5
    seconds, else after 0.1 seconds, then 0.2, at most 5. When their parent is killed the workers
    drain and end.

    The parent keeps the listeners open, so that whoever waits in one outlives each of the workers.

    Call it in the main thread of a program that has started neither threads nor greenlets. atexit
    handlers do not run in workers.

    Args:
        make: called in each worker with its listener; returns its server, not yet started. What it
            imports and loads is new at each restart.
        listeners: from listen_for(): one for each worker, or one that all share. They are closed at
            the end.
        workers: how many.
        drain_timeout: how long a drain may take.
        listening: called once, in the parent, when all workers listen for the first time.

    Raises:
        ChildProcessError: one of the first workers did not come to listen; its text says why.
        TypeError, ValueError: an argument is wrong.
    """
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise TypeError("workers: an int")
    if workers < 1:
        raise ValueError("workers: must be at least 1")
    if len(listeners) not in (1, workers):
        raise ValueError("listeners: one for all, or one for each worker")
    seconds(drain_timeout, "drain_timeout", or_none="")
    return Parent(make, listeners, workers, drain_timeout, listening).run()


class Child:
    """A worker as its parent sees it: its process, and the parent's ends of its pipes."""

    def __init__(self, pid: int, place: int, says: int, hears: int) -> None:
        self.pid = pid
        self.place = place  # which of the workers it is
        self.says: int | None = says
        self._hears = hears
        self._began = monotonic()
        self.listens = False
        self.failure = ""  # why it does not
        self.kill_at: float | None = None  # once it was told to end

    def tell(self, code: int, drain_timeout: float) -> None:
        """Have it drain with *code*, unless it does already."""
        if self.kill_at is None:
            self.kill_at = monotonic() + drain_timeout + GRACE
            with suppress(BrokenPipeError):  # it has ended
                os.write(self._hears, CODE.pack(code))

    def take_in(self) -> None:
        """Take what it says: that it listens, or why it cannot."""
        if self.says is None:
            return
        try:
            said = os.read(self.says, 4096)
        except BlockingIOError:  # it has ended, but a process of its own has the other end too
            return
        if said == LISTENS:
            self.listens = True
        elif said:
            self.failure = said.decode(errors="replace")
        else:
            os.close(self.says)
            self.says = None

    def has_been_steady(self) -> bool:
        """Return whether it has served for a while."""
        return self.listens and monotonic() - self._began >= STEADY

    def kill(self) -> None:
        """End it now; it is there until somebody has waited for it."""
        os.kill(self.pid, signal.SIGKILL)

    def forget(self) -> None:
        """Close what connects this process with it."""
        os.close(self._hears)
        if self.says is not None:
            os.close(self.says)


class Parent:
    """The process that starts the others; use prefork()."""

    def __init__(
        self,
        make: Callable[[Any], Ending],
        listeners: Sequence[Any],
        workers: int,
        drain_timeout: float,
        listening: Callable[[], object] | None,
    ) -> None:
        self._make = make
        self._listeners = listeners
        self._workers = workers
        self._drain_timeout = drain_timeout
        self._listening = listening
        self._began = False  # once all workers have come to listen
        self._children: dict[int, Child] = {}
        self._due: dict[int, float] = {}  # places, and when they are to be filled again
        self._failures = 0  # workers that ended early, one after another
        # a restart
        self._old: list[int] = []  # places
        self._successor: Child | None = None  # who has to listen before the next old one ends
        # the end
        self._told = 0  # how often we were
        self._ending = False
        self._error = ""
        # signals that have come, and the pipe that wakes us for them
        self._signals: list[int] = []
        self._wake = self._waker = -1

    def run(self) -> bool:
        """Do what prefork() says."""
        with self._heeding():
            try:
                for place in range(self._workers):
                    self._start(place)
                while self._children or self._due:
                    self._step()
            finally:
                self._kill_all()
                self._reap(0)
                self._close_listeners()
        if self._error:
            raise ChildProcessError(self._error)
        return self._told < 2

    @contextmanager
    def _heeding(self) -> Iterator[None]:
        """Have signals noted, and this process woken for them."""
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        woken = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        before = {each: SIGNAL(each, lambda number, _: self._note(number)) for each in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                SIGNAL(number, signal.SIG_DFL if handler is None else handler)
            signal.set_wakeup_fd(woken)
            os.close(self._wake)
            os.close(self._waker)

    def _note(self, number: int) -> None:
        self._signals.append(number)

    # What happens

    def _step(self) -> None:
        """Wait until something happens, and do what it asks for."""
        self._wait()
        while self._signals:
            self._heed(self._signals.pop(0))
        self._reap(os.WNOHANG)
        now = monotonic()
        for child in self._children.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.kill_at = now + GRACE
                child.kill()
        for place in [place for place, when in self._due.items() if when <= now]:
            del self._due[place]
            self._replace(place)

    def _wait(self) -> None:
        poll = POLL()
        poll.register(self._wake, select.POLLIN)
        saying = {each.says: each for each in self._children.values() if each.says is not None}
        for each in saying:
            poll.register(each, select.POLLIN)
        for ready, _ in poll.poll(self._pause()):
            if ready == self._wake:
                os.read(self._wake, 4096)
            else:
                self._hear(saying[ready])

    def _pause(self) -> float | None:
        """Return the milliseconds until there is something to do; None where nobody knows."""
        killed = [each.kill_at for each in self._children.values() if each.kill_at is not None]
        times = [*self._due.values(), *killed]
        return max((min(times) - monotonic()) * 1000, 0) + 1 if times else None

    def _hear(self, child: Child) -> None:
        listened = child.listens
        child.take_in()
        if not child.listens or listened or self._ending:
            return
        logger.info("worker %d listens", child.pid)
        if child is self._successor:
            self._succeed(child)
        if not self._began and all(each.listens for each in self._children.values()):
            self._began = True
            if self._listening is not None:
                self._listening()

    def _heed(self, number: int) -> None:
        if number in STOPS:
            self._told += 1
            if self._told == 1:
                self._stop()
            else:
                self._kill_all()
        elif number == signal.SIGHUP and not self._ending:
            self._restart()

    def _reap(self, options: int) -> None:
        for pid in list(self._children):
            reaped, status = WAITPID(pid, options)
            if reaped:
                self._bury(self._children.pop(pid), os.waitstatus_to_exitcode(status))

    def _bury(self, child: Child, status: int) -> None:
        child.take_in()
        child.forget()
        if child.kill_at is not None:
            logger.info("worker %d has ended: %s", child.pid, _how(status))
        elif child is self._successor:
            self._break_off(child.failure or _how(status))
        elif not self._began:
            self._error = child.failure or _how(status)
            self._stop()
        else:
            self._plan(child, child.failure or _how(status))

    # Replacements

    def _plan(self, child: Child, why: str) -> None:
        """See to it that another one takes the place of *child*."""
        if child.has_been_steady():
            self._failures, delay = 0, 0.0
        else:
            delay = min(SOON * 2.0**self._failures, LATEST)
            self._failures += delay < LATEST
        logger.error("worker %d ended: %s; the next starts in %.1f s", child.pid, why, delay)
        self._due[child.place] = monotonic() + delay

    def _replace(self, place: int) -> None:
        try:
            self._start(place)
        except OSError as error:  # out of processes or memory
            logger.error("no worker can be started: %s", error)
            self._due[place] = monotonic() + LATEST

    def _start(self, place: int) -> Child:
        flush()  # or the child would do so too
        says, hears = os.pipe(), os.pipe()
        os.set_blocking(says[0], False)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = fork_gevent()
            if not pid:
                self._be_worker(place, Link(hears[0], says[1]), (says[0], hears[1]), mask)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(hears[0])
            os.close(says[1])
        child = self._children[pid] = Child(pid, place, says[0], hears[1])
        return child

    def _be_worker(self, place: int, link: Link, not_ours: tuple[int, int], mask: set[int]) -> None:
        """Be the worker; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:  # Ctrl-C and a hangup reach the parent too, who knows what to do
                passed = number in (signal.SIGINT, signal.SIGHUP)
                SIGNAL(number, _pass if passed else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for end in (*not_ours, self._wake, self._waker):
                os.close(end)
            for child in self._children.values():  # or who has lost its parent would not notice
                child.forget()
            listener = self._listeners[place % len(self._listeners)]
            self._close_listeners(listener)
            status = work(partial(self._make, listener), link, self._drain_timeout)
        except BaseException:
            logger.exception("worker %d failed", os.getpid())
        finally:
            flush()
            os._exit(status)  # what is further up is the parent's

    # Restarting

    def _restart(self) -> None:
        self._old = list(range(self._workers))
        if self._successor is not None:  # what it has loaded is old too, and it may hang
            self._successor.tell(SERVICE_RESTART, self._drain_timeout)
        self._begin_succession()

    def _begin_succession(self) -> None:
        try:
            self._successor = self._start(self._old.pop(0))
        except OSError as error:
            self._break_off(str(error))

    def _succeed(self, successor: Child) -> None:
        """End who had the place of *successor*, which listens."""
        self._successor = None
        self._due.pop(successor.place, None)
        for child in self._children.values():
            if child.place == successor.place and child is not successor:
                child.tell(SERVICE_RESTART, self._drain_timeout)
        if self._old:
            self._begin_succession()

    def _break_off(self, why: str) -> None:
        logger.error("the restart is broken off, a new worker does not listen: %s", why)
        self._successor, self._old = None, []

    # Ending

    def _stop(self) -> None:
        """Drain all workers; nobody takes their place."""
        self._ending = True
        self._due.clear()
        self._successor, self._old = None, []
        self._close_listeners()  # or who connects would wait for nobody
        for child in self._children.values():
            child.tell(GOING_AWAY, self._drain_timeout)

    def _close_listeners(self, but: Any = None) -> None:
        for listener in self._listeners:
            if listener is not but:
                listener.close()

    def _kill_all(self) -> None:
        for child in self._children.values():
            child.kill()


def _pass(number: int, frame: object) -> None:
    """Take no notice of a signal."""


def _how(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
