"""reconnect(): one connection after another to the same server, not too fast.

opening ── failed ──▶ is there hope? ── wait ──▶ opening ──▶ the loop's body ── how did it end? ──▶
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from random import uniform
from ssl import SSLCertVerificationError
from typing import Any, Final, Literal, Self, Unpack, cast, overload

import gevent

from geventws.broadcasting import SLOW
from geventws.client import ClientArguments, Phases, open_connection
from geventws.clock import monotonic
from geventws.core.codes import (
    GOING_AWAY,
    INVALID_DATA,
    MANDATORY_EXTENSION,
    MESSAGE_TOO_BIG,
    NORMAL_CLOSURE,
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    SERVICE_RESTART,
    TRY_AGAIN_LATER,
    UNSUPPORTED_DATA,
)
from geventws.core.errors import ConnectionClosed, HandshakeError, InvalidHandshake, Rejected
from geventws.core.handshake import user_subprotocols
from geventws.opening import CutShort, escaped
from geventws.options import seconds
from geventws.resuming import RESUME, Resumption
from geventws.returning import ResumingWebSocket, Returning
from geventws.websocket import WebSocket

FIRST_DELAY: Final = 1.0  # seconds
MAX_DELAY: Final = 60.0
STABLE_AFTER: Final = 30.0
# what the same words to the same server would bring again
_HOPELESS: Final = {
    *(PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_DATA, POLICY_VIOLATION, MESSAGE_TOO_BIG),
    MANDATORY_EXTENSION,
}
# whoever registered 1012 at IANA asks for 5 to 30 seconds, so that not all come back at once
_BUSY: Final = {SERVICE_RESTART: (5.0, 30.0), TRY_AGAIN_LATER: (5.0, 30.0)}
_PASSING: Final = {408, 425, 429}  # of 4xx: too slow, too early, too many

_match_seconds = re.compile(r"[0-9]+").fullmatch

logger = logging.getLogger("geventws")


@overload
def reconnect(
    url: str,
    *,
    first_delay: float = FIRST_DELAY,
    max_delay: float = MAX_DELAY,
    stable_after: float = STABLE_AFTER,
    attempts: int | None = None,
    jitter: Callable[[float, float], float] = uniform,
    resume: Literal[False] = False,
    **arguments: Unpack[ClientArguments],
) -> Reconnecting: ...
@overload
def reconnect(
    url: str,
    *,
    first_delay: float = FIRST_DELAY,
    max_delay: float = MAX_DELAY,
    stable_after: float = STABLE_AFTER,
    attempts: int | None = None,
    jitter: Callable[[float, float], float] = uniform,
    resume: Literal[True],
    **arguments: Unpack[ClientArguments],
) -> Resuming: ...
def reconnect(
    url: str,
    *,
    first_delay: float = FIRST_DELAY,
    max_delay: float = MAX_DELAY,
    stable_after: float = STABLE_AFTER,
    attempts: int | None = None,
    jitter: Callable[[float, float], float] = uniform,
    resume: bool = False,
    **arguments: Unpack[ClientArguments],
) -> Reconnecting:
    """Return an iterator over open connections to the server at *url*, one after the other::

        for ws in geventws.reconnect(url):
            with suppress(ConnectionClosed), ws:
                for message in ws:
                    ...

    The iteration ends when a connection was closed normally, with 1000, by the server or by close()
    in the body. After any other end the next connection is given, unless there is no hope. One that
    the body leaves open is closed with 1001 before; one that the loop is left with, by break, say,
    stays open. The body has to catch ConnectionClosed, or it leaves the loop.

    ======================================  =========================================
    what happened                           what follows
    ======================================  =========================================
    closed with 1000                        the iteration ends
    closed with 1002, 1003, 1007 to 1010    ConnectionClosed is raised; but see *resume*
    closed with 1012 or 1013                another, after 5 to 30 s or *max_delay*
    any other end of a connection           another, after a delay
    refused with 408, 425, 429 or 5xx       another try, after a delay or Retry-After
    refused with anything else              Rejected is raised
    no way there, reset, no answer in time  another try, after a delay
    a wrong certificate, PermissionError    raised
    an answer that breaks a rule            raised
    a wrong argument                        raised
    ======================================  =========================================

    A delay is a random time from 0 to *first_delay*, which doubles up to *max_delay* with each
    failure in a row: an opening that came to nothing, or a connection that did not last. There is
    none before the first opening. Only the caller waits, and may be interrupted at any point, by a
    gevent.Timeout of its own, say; the next step of the iteration goes on from there.

    Args:
        url: as for connect().
        first_delay: seconds that the first delay has at most.
        max_delay: seconds that a delay has at most; a Retry-After counts for no more.
        stable_after: how many seconds a connection must last to begin again with *first_delay*.
        attempts: with so many failures in a row the last one is raised; None is no limit.
        jitter: returns a random number between two; the first may equal the second.
        resume: whether to get what was published meanwhile in the rooms that the server had us in.
            The server has to speak resume.geventws.v1, or InvalidHandshake is raised. Connections
            are ResumingWebSockets, and *subprotocols* are offered after those of the resumption.
            After 1008 because this client was too slow for what is broadcast, another follows.
        **arguments: the keywords of connect() but handler. A callable given as auth is asked for
            each opening, so a token may be a fresh one.

    Raises:
        TypeError, ValueError: an argument of this function is wrong.
    """
    _check(first_delay, max_delay, stable_after, attempts, resume)
    kind = Resuming if resume else Reconnecting
    return kind(url, first_delay, max_delay, stable_after, attempts, jitter, arguments)


class Reconnecting:
    """What reconnect() returns. It belongs to one caller at a time.

    Attributes:
        failures: how many there were in a row.
    """

    def __init__(
        self,
        url: str,
        first_delay: float,
        max_delay: float,
        stable_after: float,
        attempts: int | None,
        jitter: Callable[[float, float], float],
        arguments: ClientArguments,
    ) -> None:
        self._url = url
        self._first_delay = first_delay
        self._max_delay = max_delay
        self._stable_after = stable_after
        self._attempts = attempts
        self._jitter = jitter
        self._arguments = arguments
        self._current: Returning | None = None
        self._since = 0.0  # when the present connection was opened
        self._due = 0.0  # when the next opening may begin
        self._over = False
        self.failures = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WebSocket:
        """Return the next open connection, when there is one; see reconnect()."""
        if self._current is not None:
            self._leave(self._current)
        if self._over:
            raise StopIteration
        while True:
            gevent.sleep(max(0.0, self._due - monotonic()))
            try:
                self._current = self._open()
            except (HandshakeError, OSError) as error:
                if _is_final(error):
                    raise
                self._fail(error, _retry_after(error))
            else:
                self._since = monotonic()
                return self._current

    def _open(self) -> Returning:
        return open_connection(self._url, Returning, Phases(), **self._arguments)[0]

    def _leave(self, ws: Returning) -> None:
        """Judge by how *ws* ended, which is closed where it has not, what comes after it."""
        lasted = monotonic() - self._since
        if ws.close_code is None:
            ws.close(GOING_AWAY)
        self._current = None
        ending = ws.ending()
        self._over = ws.is_done or ending.code == NORMAL_CLOSURE
        if self._over:
            return
        if self._is_hopeless(ending):
            raise ending
        if lasted >= self._stable_after:
            self.failures = 0
            self._wait(ending, None)
        else:
            self._fail(ending, None)

    def _is_hopeless(self, ending: ConnectionClosed) -> bool:
        """Return whether the next connection would come to the same end."""
        return ending.code in _HOPELESS

    def _fail(self, error: Exception, retry_after: float | None) -> None:
        self.failures += 1
        if self._attempts is not None and self.failures >= self._attempts:
            raise error
        self._wait(error, retry_after)

    def _wait(self, error: Exception, retry_after: float | None) -> None:
        """Say when the next opening may begin after *error*."""
        steps = min(max(0, self.failures - 1), 60)
        low, high = 0.0, min(self._max_delay, self._first_delay * 2**steps)
        if isinstance(error, ConnectionClosed) and error.code in _BUSY:
            low, high = (min(each, self._max_delay) for each in _BUSY[error.code])
        elif retry_after is not None:
            low = min(retry_after, self._max_delay)
            high = low + self._first_delay
        delay = self._jitter(low, high)
        self._due = monotonic() + delay
        logger.info("reconnecting in %.1f s: %s", delay, escaped(str(error)))


class Resuming(Reconnecting):
    """What reconnect() returns with resume=True."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._resumption = Resumption()

    def __next__(self) -> ResumingWebSocket:
        """Return the next open connection, when there is one; see reconnect()."""
        return cast(ResumingWebSocket, super().__next__())

    def _is_hopeless(self, ending: ConnectionClosed) -> bool:
        """Return it; who was too slow gets what it missed, and no faster than it takes it."""
        return super()._is_hopeless(ending) and ending.reason != SLOW

    def _open(self) -> ResumingWebSocket:
        others = user_subprotocols(self._arguments.get("subprotocols", ()))
        arguments: ClientArguments = {
            **self._arguments,
            "subprotocols": [*self._resumption.offer(), *others],
        }
        ws, _ = open_connection(self._url, ResumingWebSocket, Phases(), **arguments)
        if ws.subprotocol != RESUME:
            ws.drop()
            raise InvalidHandshake(f"the server did not select {RESUME}")
        ws.resume(self._resumption)
        return ws


def _check(
    first_delay: float, max_delay: float, stable_after: float, attempts: object, resume: object
) -> None:
    times = {"first_delay": first_delay, "max_delay": max_delay, "stable_after": stable_after}
    for name, given in times.items():
        if not 0 <= seconds(given, name, "") < inf:
            raise ValueError(f"{name}: must be 0 or greater and finite")
    if isinstance(attempts, bool) or not isinstance(attempts, int | None):
        raise TypeError("attempts: an int or None")
    if attempts is not None and attempts < 1:
        raise ValueError("attempts: must be greater than 0")
    if not isinstance(resume, bool):
        raise TypeError("resume: a bool")


def _is_final(error: Exception) -> bool:
    """Return whether another opening would come to the same end."""
    if isinstance(error, Rejected):
        return error.status < 500 and error.status not in _PASSING
    if isinstance(error, HandshakeError):
        return not isinstance(error, CutShort)
    return isinstance(error, (SSLCertVerificationError, PermissionError))


def _retry_after(error: Exception) -> float | None:
    """Return for how many seconds a server asks to be left alone (RFC 9110 10.2.3)."""
    said = error.headers.get("Retry-After", "") if isinstance(error, Rejected) else ""
    if _match_seconds(said):
        return float(said)
    try:
        when = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    now = datetime.now(UTC) if when.tzinfo else datetime.now(UTC).replace(tzinfo=None)
    return max(0.0, (when - now).total_seconds())
