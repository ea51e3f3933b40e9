"""Threads that are kept for the next job: as many as there are jobs at once, up to a limit."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

Job: TypeAlias = Callable[[], None]

logger = logging.getLogger("geventws")


class Workers:
    """At most *most* daemon threads that run jobs, the first given first.

    Any thread may call any method; none but join() waits.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()  # of all that is here
        self._given = threading.Condition(self._lock)
        self._gone = threading.Condition(self._lock)  # the last thread has
        self._threads = 0
        self._idle = 0  # threads that wait for a job, or have been told of one
        self._short = False  # the system had no thread to give
        self._ended = False

    def run(self, job: Job) -> None:
        """Have a thread call *job*; at once, unless all of them are busy.

        Where the system has no thread to give, *job* waits for one of those there are, or for a
        hire() that finds one. What it raises ends its thread as it would any other one, and no
        more than that.
        """
        with self._given:
            self._jobs.append(job)
            self._given.notify()
            self._hire()

    def hire(self) -> None:
        """Start a thread for a job that waits because none could be had when it was given."""
        if self._short:
            with self._lock:
                self._hire()

    def end(self) -> None:
        """End the threads as soon as nothing is left to run; a job given later still is run."""
        with self._given:
            self._ended = True
            self._given.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until there is no thread; return False when *timeout* seconds passed first."""
        with self._gone:
            return self._gone.wait_for(lambda: not self._threads, timeout)

    def _hire(self) -> None:
        """Start a thread where there are more jobs than those that wait for one."""
        if len(self._jobs) > self._idle and self._threads < self._most:
            thread = threading.Thread(target=self._work, name="geventws worker", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._miss(error)
            else:
                self._threads += 1
                self._short = False

    def _miss(self, error: RuntimeError) -> None:
        """Say once that callbacks wait for a thread."""
        if not self._short:
            self._short = True
            logger.error("callbacks wait, for no worker could be started: %s", error)

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                job()
        finally:
            with self._lock:
                self._threads -= 1
                self._hire()  # for what was given while this one ended
                if not self._threads:
                    self._gone.notify_all()

    def _next(self) -> Job | None:
        with self._given:
            while not self._jobs:
                if self._ended:
                    return None
                self._idle += 1
                self._given.wait()
                self._idle -= 1
            return self._jobs.popleft()
