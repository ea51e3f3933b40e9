"""Many connections: opened some at a time, closed all at once."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from gevent.pool import Pool

from geventws.benchmarking.histogram import Histogram
from geventws.benchmarking.lane import Lane
from geventws.benchmarking.plan import Plan
from geventws.benchmarking.tally import Tally
from geventws.client import connect
from geventws.core.errors import WebSocketError
from geventws.core.protocol import MAX_SIZE
from geventws.failures import failure_text
from geventws.limits import SPARE_FILES

CLOSE_TIMEOUT: Final = 2.0  # seconds; nothing is measured any more


class Fleet:
    """The connections to one URL.

    Args:
        url: where to.
        plan: how many, among other things.
        how: keywords for connect().
        sources: the local addresses to connect from in turn; none leaves it to the system.
        at_once: how many may be opening at the same time.

    Attributes:
        lanes: the open ones.
        times: how long each opening took.
        seconds: how long all of them took.
    """

    def __init__(
        self,
        url: str,
        plan: Plan,
        how: dict[str, Any],
        sources: Sequence[str] = (),
        at_once: int = 64,
    ) -> None:
        self.url = url
        self.lanes: list[Lane] = []
        self.times = Histogram()
        self.seconds = 0.0
        self._plan = plan
        self._how = {"max_size": max(MAX_SIZE, plan.size), **how}
        self._sources = sources
        self._pool = Pool(at_once)
        self._stopped = False
        self._wrong: Exception | None = None  # with an argument, so with all connections

    def open(self, tally: Tally) -> None:
        """Open all connections, or as many as can be, telling *tally* what failed.

        Where as many as may be opening failed and none succeeded, the others are not tried.

        Raises:
            TypeError, ValueError: an argument is wrong.
            ImportError: what a proxy takes is not installed.
        """
        start = monotonic()
        try:
            for number in range(self._plan.connections):
                self._pool.wait_available()
                hopeless = not self.lanes and tally.failures.total() >= (self._pool.size or 1)
                if self._stopped or self._wrong or hopeless:
                    break
                self._pool.spawn(self._open, number, tally)
            self._pool.join()
        finally:
            self._pool.kill()
            self.seconds = monotonic() - start
        if self._wrong is not None:
            raise self._wrong

    def stop(self) -> None:
        """Open no more connections."""
        self._stopped = True
        self._pool.kill(block=False)

    def close(self) -> None:
        """Close all connections; waits no longer for all than it would for one."""
        for lane in self.lanes:
            lane.ws.begin_close()
        for lane in self.lanes:
            lane.ws.close()

    def drop(self) -> None:
        """End all connections at once; the peers hear 1001."""
        for lane in self.lanes:
            lane.ws.drop()

    def _open(self, number: int, tally: Tally) -> None:
        start = monotonic()
        how = dict(self._how)
        if self._sources:
            how["source_address"] = (self._sources[number % len(self._sources)], 0)
        try:
            ws = connect(self.url, ping_interval=None, close_timeout=CLOSE_TIMEOUT, **how)
        except OSError as error:
            tally.failures[failure_text(error)] += 1
        except (ImportError, TypeError, ValueError) as error:
            self._wrong = error
        except WebSocketError as error:
            tally.failures[failure_text(error)] += 1
        else:
            self.times.add(monotonic() - start)
            self.lanes.append(Lane(ws, self._plan, number))


def allow_connections(count: int) -> None:
    """Let this process have *count* connections open, as far as the system grants files.

    Raises:
        ValueError: it does not grant enough.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ValueError(
                f"{count} connections need {needed} open files; ulimit -n allows {hard}"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
