"""Who is next to hand out something to many, and that others run meanwhile.

in_turn() -> one after another        fairly(), share() -> 5 ms of work, then others

It belongs to one manager: no peer of it gets two broadcasts swapped, and many short pieces of work
count as one long one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from gevent.event import Event
from gevent.exceptions import BlockingSwitchOutError, LoopExit

from geventws import clock
from geventws.backlog import CLOSED, SENT, SlowPeers
from geventws.broadcasting import Result
from geventws.core.message import Encoded
from geventws.counts import Counts
from geventws.transport import breathe

SHARE: Final = 0.005  # seconds of work before others run
STRIDE: Final = 8  # connections between two looks at the clock
_STRIDE, _SENT = STRIDE, SENT  # numbers that C has

Wait = Callable[[Callable[[], object]], object]


class Turns:
    """The turns of one manager, which has these *slow_peers* and *counts*."""

    __slots__ = ("_counts", "_since", "_turn", "_worked", "slow_peers")

    def __init__(self, slow_peers: SlowPeers, counts: Counts) -> None:
        self.slow_peers = slow_peers
        self._counts = counts
        self._turn = Event()  # set when what is last in line has ended
        self._turn.set()
        self._since = 0.0  # when others last ran
        self._worked = 0.0  # seconds of work before this, since others last ran

    @contextmanager
    def in_turn(self, wait: Wait | None = None) -> Iterator[None]:
        """Wait for those that asked before; *wait* is as for share()."""
        before, mine = self._turn, Event()
        self._turn = mine
        try:
            if wait is None:
                before.wait()
            else:
                wait(before.wait)
        except BaseException:
            before.rawlink(lambda _: mine.set())
            raise
        try:
            yield
        finally:
            mine.set()

    @contextmanager
    def fairly(self) -> Iterator[None]:
        """Count the time of many short pieces of work as that of one long one."""
        self._since = clock.monotonic() - self._worked
        try:
            yield
        finally:
            self._worked = clock.monotonic() - self._since

    def share(self, wait: Wait | None = None) -> None:
        """Let others run now and then; wait(breathe) does it, where *wait* is given."""
        if clock.monotonic() - self._since > SHARE:
            if wait is None:
                breathe()
            else:
                wait(breathe)
            self._since = clock.monotonic()

    def offer(
        self,
        broadcast: Encoded,
        members: Iterable[Any],
        result: Result[Any],
        wait: Wait | None = None,
    ) -> None:
        """Offer *broadcast* to *members*, and take note in *result*; to be called in turn.

        *wait* is as for share().
        """
        slow, sent = self.slow_peers, result.sent
        with self.fairly():
            for number, ws in enumerate(members):
                outcome = ws.offer(broadcast, slow)
                if outcome == _SENT:
                    sent.append(ws)
                else:
                    result.note(ws, outcome)
                if number % _STRIDE == 0:
                    self.share(wait)

    def count(self, result: Result[Any]) -> None:
        """Count whom a broadcast did not reach at once."""
        if result.buffered or result.dropped or result.closed:
            self._counts.note(result)

    def tell(self, ws: Any, message: str) -> None:
        """Offer *message* to *ws* alone, now, unless it is closing; never waits."""
        outcome = ws.offer(Encoded(message), self.slow_peers)
        if outcome != CLOSED:
            result: Result[Any] = Result([], [], [], [])
            result.note(ws, outcome)
            self.count(result)


class Undisturbed:
    """Keeps what is thrown into a greenlet that lets others run, until its work is done.

    Attributes:
        error: the first that was thrown; the caller raises it in the end.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def wait(self, wait: Callable[[], object]) -> None:
        """Call *wait* until it returns by itself; raises where it never will."""
        while True:
            try:
                wait()
                return
            except (BlockingSwitchOutError, LoopExit):
                raise
            except BaseException as error:
                self.error = self.error or error
