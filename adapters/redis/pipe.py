"""Commands of many greenlets over one connection, as many at once as there are.

ask() -> the queue -> the writer greenlet: 64 at most, written at once -> replies -> ask() returns
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import uniform
from time import monotonic
from typing import Any, Final

import gevent
from gevent.event import AsyncResult, Event
from gevent.lock import BoundedSemaphore
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError

from geventws.adapters.redis.links import Link
from geventws.adapters.redis.scripts import Script

BATCH: Final = 64  # beyond it a round takes longer, and a command hardly less
QUEUED: Final = 10_000  # commands; who comes later waits until there is a place
IDLE: Final = 15.0  # seconds after which a connection is tried that nobody uses
FIRST_DELAY: Final = 0.05  # seconds at most between two attempts to connect, doubled each time
MAX_DELAY: Final = 2.0


class Delays:
    """Random times to wait between attempts, longer each time."""

    def __init__(self) -> None:
        self._limit = FIRST_DELAY

    def reset(self) -> None:
        """Begin again with short ones."""
        self._limit = FIRST_DELAY

    def wait(self) -> None:
        """Wait before the next attempt."""
        gevent.sleep(uniform(self._limit / 2, self._limit))
        self._limit = min(MAX_DELAY, self._limit * 2)


class Request:
    """A command, and what becomes of it.

    Args:
        harmless: whether it may be carried out twice, as a script may always be.

    Raises:
        UnicodeEncodeError: a str is no UTF-8.

    Attributes:
        uncertain: whether Redis may have carried it out without our having heard of it.
    """

    def __init__(
        self, *words: Any, script: Script | None = None, keys: int = 0, harmless: bool = False
    ) -> None:
        # here, where it is the caller's fault, and not in the writer
        self._words = [word.encode() if isinstance(word, str) else word for word in words]
        self._script = script
        self._keys = keys
        self._harmless = harmless or script is not None
        self._whole = False  # Redis does not know the script
        self.reply: AsyncResult[Any] = AsyncResult()
        self.uncertain = False
        self.sent = False
        self.dropped = False  # nobody waits for it any more

    def command(self) -> tuple[Any, ...]:
        """Return it as redis-py packs it. A script's last argument says whether it is a retry."""
        if self._script is None:
            return tuple(self._words)
        name, script = ("EVAL", self._script.text) if self._whole else self._short()
        return (name, script, self._keys, *self._words, "1" if self.uncertain else "0")

    def _short(self) -> tuple[str, str]:
        assert self._script is not None
        return "EVALSHA", self._script.digest

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it."""
        return self._harmless or not self.uncertain

    def refuse(self, error: ResponseError) -> bool:
        """Take note of an error that Redis answered; return whether to send it again at once."""
        self.sent = False
        again = isinstance(error, NoScriptError) and not self._whole
        self._whole = True
        if not again:
            self.reply.set_exception(error)
        return again

    def lose(self, error: Exception) -> None:
        """Take note that the connection was lost with *error*, before there was an answer."""
        self.uncertain = self.uncertain or self.sent
        self.sent = False
        self.reply.set_exception(Lost(error))


class Lost(Exception):
    """The connection was lost, for what args[0] says; the request may be asked again."""


class Pipe:
    """One connection, used by any number of greenlets of one hub; it opens by itself.

    After a loss all requests come back in the order they were asked, so that they are asked again
    in that order.

    Attributes:
        error: why it cannot connect, if that is so.
    """

    def __init__(self, link: Link, on_lost: Callable[[], None] | None = None) -> None:
        self._link = link
        self._on_lost = on_lost
        self._queue: deque[Request] = deque()
        self._batch: list[Request] = []  # at work
        self._refusal: ReadOnlyError | None = None
        self._places = BoundedSemaphore(QUEUED)
        self._wake = Event()
        self._delays = Delays()
        self._writer: gevent.Greenlet[..., None] | None = None
        self._closed = False
        self.error: Exception | None = None

    @property
    def address(self) -> tuple[str | None, int]:
        """Where it leads to."""
        return self._link.address

    def ask(self, request: Request, deadline: float) -> Any:
        """Send *request* and return the reply.

        Raises:
            Lost: the connection broke.
            TimeoutError: monotonic() has come to *deadline*.
            ResponseError: Redis says so.
        """
        if not self._places.acquire(timeout=max(0.0, deadline - monotonic())):
            raise TimeoutError("too many are waiting for redis")
        try:
            self._add(request)
            request.reply.wait(max(0.0, deadline - monotonic()))
            if not request.reply.ready():
                raise TimeoutError("no answer in time") from self.error
            return request.reply.get()
        finally:
            request.dropped = not request.reply.ready()
            self._places.release()

    def _add(self, request: Request) -> None:
        if self._closed:
            raise Lost(ConnectionAbortedError("closed"))
        request.reply = AsyncResult()
        self._queue.append(request)
        self._wake.set()
        if self._writer is None:
            self._writer = gevent.spawn(self._run)

    def close(self) -> None:
        """Close the connection; who waits gets Lost."""
        self._closed = True
        if self._writer is not None:
            self._writer.kill(block=False)
        self._link.disconnect()
        self._fail(ConnectionAbortedError("closed"))

    def _run(self) -> None:
        while True:
            self._batch = self._take() or self._idle()
            if not self._batch:
                continue
            try:
                self._link.connect()
                self._exchange(self._batch)
            except (RedisError, OSError) as error:
                self._lose(error)
                self._delays.wait()
            else:
                self.error = None
                self._delays.reset()

    def _idle(self) -> list[Request]:
        """Wait for requests; where none come, try whether the connection is still good."""
        self._wake.clear()
        return [] if self._wake.wait(IDLE) else [Request("PING")]

    def _take(self) -> list[Request]:
        batch: list[Request] = []
        while self._queue and len(batch) < BATCH:
            request = self._queue.popleft()
            if not request.dropped:
                batch.append(request)
        return batch

    def _exchange(self, batch: list[Request]) -> None:
        """Send *batch* and take the replies; those are sent again whose script was not known."""
        self._refusal = None
        while batch:
            packed = self._link.pack([request.command() for request in batch])
            for request in batch:
                request.sent = True
            self._link.send(packed, check_health=False)
            batch = [request for request in batch if self._is_unknown(request)]
        if self._refusal is not None:
            raise self._refusal

    def _is_unknown(self, request: Request) -> bool:
        try:
            request.reply.set(self._link.read())
        except ReadOnlyError as error:  # the master is another one now
            self._refusal = error
            request.sent = False
            request.lose(error)
        except ResponseError as error:
            return request.refuse(error)
        return False

    def _lose(self, error: Exception) -> None:
        self.error = error
        self._link.disconnect()
        self._fail(error)
        if self._on_lost is not None:
            self._on_lost()

    def _fail(self, error: Exception) -> None:
        requests = [*self._batch, *self._queue]
        self._batch = []
        self._queue.clear()
        for request in requests:
            if not request.reply.ready():
                request.lose(error)
