"""How our servers end: nothing that was accepted is lost, and nothing is left behind.

drain() -> accept what is queued -> close the listener -> let openings, requests and messages finish
-> 1001 -> wait -> drop what is left
"""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.event import Event
from gevent.server import StreamServer
from greenlet import getcurrent

from geventws.clock import monotonic
from geventws.core.codes import GOING_AWAY
from geventws.manager import Manager
from geventws.options import seconds
from geventws.transport import POLL

logger = logging.getLogger("geventws")

KILL_TIMEOUT: Final = 1.0  # seconds
QUEUED: Final = 4096  # connections; what Linux lets wait for accept at most by default
OPENING: Final = 2.0  # seconds that an opening has, once a drain has begun


class Ending(StreamServer):
    """The part of an Acceptor that ends it."""

    manager: Manager
    _arrivals: dict[Any, Any]  # each with its greenlet
    _handed_over: dict[int, tuple[Any, Any]]
    _depart: Callable[[Any], None]
    _ends: Event | None = None  # set when the drain() that is at work has ended

    def drain(
        self,
        timeout: float = 30.0,
        jitter: float | None = None,
        *,
        code: int = GOING_AWAY,
        reason: str = "",
    ) -> None:
        """Stop accepting at once, close all connections, and wait for the end of their handlers.

        What is under way comes to its end first. Connections that the kernel holds for this server
        are accepted, and those that are opening have a fifth of *timeout*, at most 2 seconds, to
        bring their requests. A request is answered, and a WebSocket is opened and closed; one that
        was open before is closed when it is at rest, see Manager.drain(). What is left when
        *timeout* is up is dropped, and its handlers are killed. Returns as soon as nobody is left.
        A stop() with a timeout hurries it.

        Args:
            jitter: how many seconds the closes are spread over; None is a tenth of *timeout*, at
                most 1.
            code: the close code, as 1001 (going away) or 1012 (service restart).
            reason: the close reason.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        over_by = monotonic() + seconds(timeout, or_none="")
        if jitter is not None:
            seconds(jitter, "jitter")
        with self.manager.closing(code, reason):
            ended = self._ends = Event()
            late = self.loop.timer(max(min(OPENING, timeout / 5), 0.0))
            try:
                self._accept_queued()
                self.close()
                gevent.killall(self._greenlets(_is_idle), block=False)
                late.start(self._give_openings_up, update=True)
                self.manager.drain(timeout, jitter, code=code, reason=reason)
                self._end(over_by)
            finally:
                late.close()
                ended.set()
                self._ends = None

    def stop(self, timeout: float | None = None) -> None:
        """Stop accepting and close what is open with 1001; nothing is left after that.

        What has not ended within *timeout* seconds, stop_timeout by default, is dropped and
        killed; nothing is waited for before it is closed. While drain() is at work, a stop()
        without *timeout* waits for that, or for the stop() with one that hurries it.
        """
        if timeout is None and self._ends is not None:
            self._ends.wait()  # serve_forever() calls this as soon as drain() begins
            return
        timeout = self.stop_timeout if timeout is None else timeout
        over_by = monotonic() + seconds(timeout, or_none="")
        self.close()
        self._give_openings_up()
        self.manager.close_all()
        self.manager.drain(timeout, 0.0)
        self._end(over_by)
        if self._ends is not None:
            self._ends.set()  # drain() itself may wait for handlers that take long to be killed

    def _accept_queued(self) -> None:
        """Accept who waits in the kernel's queue, which is reset when the listener is closed."""
        for _ in range(QUEUED if self.started else 0):
            try:
                accepted = None if self.full() else self.do_read()
            except OSError as error:  # which is none of those that are open
                logger.warning("%s: accepts nothing more: %s", self, error)
                return
            if accepted is None:
                return
            self.do_handle(*accepted)

    def _give_openings_up(self) -> None:
        gevent.killall(self._greenlets(_is_waiting), block=False)

    def _end(self, over_by: float) -> None:
        """Wait for handlers, at the latest until *over_by*, then end whatever is left."""
        gevent.joinall(self._greenlets(), timeout=max(over_by - monotonic(), 0.0))
        self.manager.join(max(over_by - monotonic(), 0.0))  # those that opened meanwhile
        left = self._greenlets()
        gevent.killall(left, block=False)
        # pywsgi reads on when it is killed: what waits for a socket ends only with that
        for arrival in list(self._arrivals):
            self._depart(arrival)
        for connection, _ in list(self._handed_over.values()):  # the manager may not have it
            connection.drop()
        gevent.joinall(left, timeout=KILL_TIMEOUT)

    def _greenlets(self, which: Callable[[Any], bool] | None = None) -> list[Any]:
        me = getcurrent()
        return [
            greenlet
            for arrival, greenlet in self._arrivals.items()
            if greenlet not in (None, me) and (which is None or which(arrival))
        ]


def _is_waiting(arrival: Any) -> bool:
    """Return whether no request has come, so that nothing is lost with it."""
    waiting: bool = arrival.waiting
    return waiting


def _is_idle(arrival: Any) -> bool:
    """Return whether HTTP was spoken and the next request has not begun to arrive."""
    if not arrival.idle:
        return False
    poll = POLL()
    poll.register(arrival.socket.fileno(), select.POLLIN)
    return not poll.poll(0)
