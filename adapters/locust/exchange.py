"""What is under MeasuredWebSocket: it waits for answers and tells Locust how each thing went."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Hashable
from time import perf_counter, time
from typing import Any, Final

from geventws.adapters.locust.failures import WebSocketFailure, failure_of
from geventws.adapters.locust.gauges import gauges_of
from geventws.adapters.locust.matching import Match, Message
from geventws.adapters.locust.response import Response, size_of
from geventws.adapters.locust.tapped import Tapped
from geventws.adapters.locust.timing import Timing
from geventws.core.errors import ConnectionClosed

NOT_OPEN: Final = "the connection is not open"

logger = logging.getLogger("geventws")


class Exchange:
    """The connection, and the reports on what is done with it."""

    __slots__ = ("_event", "_gauges", "_name", "_open", "_user", "connection", "timing", "url")

    def __init__(self, user: Any) -> None:
        self._user = user
        self._event = user.environment.events.request
        self._gauges = gauges_of(user.environment)
        self._open: Tapped | None = None  # the connection, until its end is reported
        self._name: str | None = None
        self.connection: Tapped | None = None
        self.timing = Timing()
        self.url = ""

    # Waiting

    def _exchange(
        self,
        kind: str,
        name: str | None,
        start: float | None,
        data: Message | None,
        match: Match,
        key: Hashable,
        timeout: float | None,
        catch: bool,
    ) -> Response:
        """Send *data*, where there is some, and wait for a message."""
        seconds = self._user.reply_timeout if timeout is None else timeout
        connection = self._source() if data is None else self._open
        error: WebSocketFailure | None = None
        answer: Message | None = None
        came_at = 0.0
        if connection is None:
            error = WebSocketFailure(NOT_OPEN)
        else:
            inbox = connection.inbox
            wait = inbox.expect(match, key, last=kind == "WSR")
            try:
                if data is not None:
                    connection.ask(data)
                else:
                    inbox.take_kept(wait)
                answer = inbox.wait(wait, connection, seconds)
                came_at = wait.came_at
            except ConnectionClosed as closed:
                error = failure_of(closed)
            except TimeoutError:
                error = WebSocketFailure(f"no reply in {seconds:g} s")
            finally:
                inbox.forget(wait)
        response_time = None
        if start is not None and (came_at or answer is None):
            response_time = ((came_at or perf_counter()) - start) * 1000
        name = name or ("message" if answer is None else self._user.classify(answer))
        size = 0 if answer is None else size_of(answer)
        unheard = error is not None and connection is not None and connection.left
        response = self._report(kind, name, response_time, size, error, answer, catch, unheard)
        if connection is not None and connection.inbox.is_idle():
            connection.deliver()  # what came behind the answer
        return response

    def _source(self) -> Tapped | None:
        """Return what can be received from: the open connection, or one that left messages."""
        last = self.connection
        return last if last is not None and (last is self._open or last.inbox.has_kept()) else None

    def _attempt(self, connection: Tapped, work: Callable[[], object]) -> WebSocketFailure | None:
        """Do *work*; return what failed where the connection ended."""
        try:
            work()
        except ConnectionClosed as closed:
            connection.deliver()
            return failure_of(closed)
        return None

    # Reporting

    def _report(
        self,
        kind: str,
        name: str,
        response_time: float | None,
        size: int = 0,
        error: Exception | None = None,
        message: Message | None = None,
        catch: bool = False,
        unheard: bool = False,
        context: dict[str, Any] | None = None,
    ) -> Response:
        """Return the Response, reported unless its block will do that, or nobody is to hear."""
        user = self._user
        told = user.context() if context is None else {**user.context(), **context}
        start = time() - (response_time or 0.0) / 1000
        response = Response(message, error, response_time)
        if catch:
            event = None if unheard else self._event
            response.hold(event, kind, name, size, told, start, self.url)
        elif not unheard:
            self._event.fire(
                request_type=kind,
                name=name,
                response_time=response_time,
                response_length=size,
                response=response,
                context=told,
                exception=error,
                start_time=start,
                url=self.url,
            )
        return response

    def _report_opening(self, name: str, response_time: float, error: Exception | None) -> None:
        phases = self.timing._asdict()
        context = {f"{phase}_ms": passed for phase, passed in phases.items()}
        self._report("WS", name, response_time, error=error, context=context)
        if self._user.report_phases:
            for phase, passed in phases.items():
                if passed is not None:
                    self._report("WS", f"{name} {phase}", passed)

    def _report_end(self, response_time: float | None, error: Exception | None = None) -> None:
        self._report("WSC", self._name or "close", response_time, error=error)

    # What the connection and its Inbox tell

    def _leave(self) -> None:
        """Take note that the user ends the connection, so that it is no failure that it ends."""
        if self._open is not None:
            self._open.left = True
            self._open.inbox.end()
            self._open = None
            self._flush()

    def ended(self, connection: Tapped, closed: ConnectionClosed) -> None:
        """Report the end of *connection*, unless the user has ended it."""
        self._gauges.ended(connection)
        if self._open is connection:
            self._open = None
            connection.inbox.end()
            if not connection.inbox.has_kept():
                self._flush()
            self._report_end(None, self._judge(closed))

    def ponged(self, latency: float) -> None:
        """Count a ping that was answered after *latency* seconds."""
        self._gauges.ponged(latency)

    def _flush(self) -> None:
        """Report what was kept of an ended connection, which then is nobody's any more."""
        if self.connection is not None:
            self.connection.inbox.flush()
        if self in self._user.used_websockets:
            self._user.used_websockets.remove(self)

    def _judge(self, closed: ConnectionClosed, *codes: int) -> WebSocketFailure | None:
        """Return the failure that *closed* is; an end with one of *codes* is none either."""
        expected = closed.code in codes or closed.code in self._user.expected_close_codes
        return None if expected and closed.clean else failure_of(closed)

    def pushed(self, message: Message) -> None:
        """Report a message that nobody waited for, and give it to the user."""
        try:
            name = self._user.classify(message)
            self._report("WSR", name, None, size_of(message), None, message)
            self._user.on_message(self, message)
        except Exception as error:
            self.complain(error)

    def key_of(self, message: Message) -> Hashable:
        """Return what the user's correlate() says of *message*."""
        try:
            key: Hashable = self._user.correlate(message)
            return key
        except Exception as error:
            self.complain(error)
            return None

    def complain(self, error: Exception) -> None:
        """Report what code of the user raised as Locust reports what its tasks raise."""
        logger.error("%r failed", type(self._user).__qualname__, exc_info=error)
        self._user.environment.events.user_error.fire(
            user_instance=self._user, exception=error, tb=error.__traceback__
        )


def data_of(message: Any) -> Message:
    """Return what is sent for *message*.

    Raises:
        TypeError: it is neither str nor bytes, nor what JSON has.
    """
    if isinstance(message, (str, bytes)):
        return message
    if isinstance(message, (dict, list)):
        return json.dumps(message)
    raise TypeError(f"message: str, bytes, dict or list, not {type(message).__name__}")


def milliseconds(since: float) -> float:
    """Return how many have passed *since*, on the clock of perf_counter()."""
    return (perf_counter() - since) * 1000
