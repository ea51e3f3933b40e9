"""MeasuredWebSocket: a connection that reports to Locust what is done on it.

request() -> send -> Inbox -> Response -> events.request

The request types: WS an opening, WSC its end, WSS sent, WSR received, WSX an exchange, WSP a ping,
WSM a measured block. Where Locust's own SocketIOUser does the same it calls it so too.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from geventws.adapters.locust.exchange import NOT_OPEN, Exchange, data_of, milliseconds
from geventws.adapters.locust.failures import WebSocketFailure, failure_of
from geventws.adapters.locust.inbox import Inbox
from geventws.adapters.locust.matching import Match, Message
from geventws.adapters.locust.response import Response, size_of
from geventws.adapters.locust.tapped import open_tapped
from geventws.adapters.locust.timing import Stopwatch
from geventws.core.codes import GOING_AWAY, NORMAL_CLOSURE
from geventws.core.errors import ConnectionClosed, HandshakeError, InvalidURI


class MeasuredWebSocket(Exchange):
    """A connection of a WebSocketUser, which has one in its attribute ws; a user may make more.

    What the server or the network does wrong is reported as a failure and raises nothing, as with
    Locust's HTTP clients; what the caller does wrong raises TypeError or ValueError. Every method
    blocks its caller alone, and any number of greenlets may use one connection at once. While the
    user thinks, pings are answered and messages read: a few are kept for the next expect(),
    receive() or listen(), the others reported as WSR; all of them are given to the user's
    on_message() instead where that is overridden.

    What is still under way when the user closes the connection, or is stopped, is not reported.

    Args:
        user: the WebSocketUser.

    Attributes:
        connection: the geventws.WebSocket of the last opening that went well, or None; what is done
            with it directly is not measured.
        timing: the Timing of the last opening.
        url: where that went.
    """

    __slots__ = ()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, and neither side is known to have begun to close it."""
        return self._open is not None

    # Opening and closing

    def connect(self, path: str = "/", name: str | None = None, **arguments: Any) -> bool:
        """Open the connection and return whether that went well; reported as WS.

        The event's context has the milliseconds of its phases: dns_ms, tcp_ms, tls_ms, upgrade_ms.

        Args:
            path: what to ask the user's host for, or a whole ws:// or wss:// address.
            name: the name of this opening in the statistics, in place of "connect", and of its end,
                in place of "close".
            **arguments: those of geventws.connect() but handler; they go before the ws_options of
                the user.

        Raises:
            RuntimeError: it is open.
            TypeError, ValueError: an argument is wrong; nothing was sent.
        """
        if self._open is not None:
            raise RuntimeError("the connection is open; close() it first")
        self._flush()
        self.url = self._user.address_of(path)
        self._name = name
        arguments = {**self._user.ws_options, **arguments}
        inbox = Inbox(self, self._user.messages_to_keep())
        start = perf_counter()
        phases = Stopwatch()
        error = None
        try:
            self.connection = open_tapped(self.url, phases, self, inbox, arguments)
            self._gauges.opened(self.connection)
        except InvalidURI:
            raise
        except (HandshakeError, OSError) as failed:
            error = failure_of(failed)
        self.timing = phases.stop()
        if error is None:
            self._open = self.connection
            self._user.used_websockets.append(self)
        self._report_opening(name or "connect", milliseconds(start), error)
        if self._open is not None:
            self._open.deliver()  # what came with the handshake
        return error is None

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection and wait for the peer, at most close_timeout; reported as WSC.

        A peer that does not answer with a close frame has failed. Closing twice is no error.

        Raises:
            ValueError: *code* may not be sent, or *reason* is over 123 bytes.
        """
        connection = self._open
        if connection is None:
            self._flush()
            return
        start = perf_counter()
        connection.begin_close(code, reason)
        self._leave()
        response_time = error = None
        try:
            connection.close(code, reason)
            response_time = milliseconds(start)
            connection.deliver()
            self._flush()
            error = self._judge(connection.ending(), code)
        finally:
            self._report_end(response_time, error)

    def leave(self) -> None:
        """Begin to close with 1001 and do not wait; reported as WSC, without a response time.

        That is how the connections of a user end who is stopped or killed.
        """
        connection = self._open
        if connection is not None:
            self._leave()
            connection.begin_close(GOING_AWAY)
            self._report_end(None)
        self._flush()

    # Messages

    def send(self, message: Any, name: str | None = None) -> bool:
        """Send *message* and return whether that went well; reported as WSS.

        There is no response time, for no response is waited for: the operating system has taken the
        message, no more.

        Args:
            message: a str goes as text, bytes as binary, a dict or a list as text in JSON.
            name: its name in the statistics; else what the user's classify() says.
        """
        data = data_of(message)
        connection = self._open
        error: WebSocketFailure | None = WebSocketFailure(NOT_OPEN)
        unheard = False
        if connection is not None:
            error = self._attempt(connection, lambda: connection.send(data))
            unheard = error is not None and connection.left
        name = name or self._user.classify(data)
        return self._report("WSS", name, None, size_of(data), error, unheard=unheard).ok

    def send_json(self, value: Any, name: str | None = None) -> bool:
        """Send *value*, of any type that JSON has, as a text; else as send()."""
        return self.send(json.dumps(value), name)

    def request(
        self,
        message: Any,
        name: str | None = None,
        match: Match = None,
        timeout: float | None = None,
        *,
        key: Hashable = None,
        catch_response: bool = False,
    ) -> Response:
        """Send *message*, wait for its answer, and return the Response; reported as one WSX.

        The response time is from before the sending until the answer was read; where the tasks have
        a constant_rate(), from when the first request of a task was due.

        Args:
            message: what to send; see send().
            name: its name in the statistics; else what the user's classify() says of *message*.
            match: which message is the answer: a callable, a substring, a Pattern, or a dict that
                is a part of its JSON. Without it and without key, the next message to come that
                nobody waits for in particular.
            timeout: the seconds until there is no answer; else the user's reply_timeout. An answer
                that comes later is a message that nobody waits for.
            key: the answer is the message of which the user's correlate() returns this. So any
                number of requests may be in flight, each in a greenlet of its own.
            catch_response: the Response is a context manager, and reports when its block ends.

        Raises:
            TypeError, ValueError: an argument is wrong, or *key* is in flight already.
        """
        start = self._user.take_due()
        data = data_of(message)
        name = name or self._user.classify(data)
        return self._exchange("WSX", name, start, data, match, key, timeout, catch_response)

    def expect(
        self,
        match: Match = None,
        name: str = "expect",
        timeout: float | None = None,
        *,
        key: Hashable = None,
        catch_response: bool = False,
    ) -> Response:
        """Wait for a message that the server sends by itself; reported as WSX, from the call on.

        One that was kept has come before, and so has no response time. The arguments are those of
        request().
        """
        start = perf_counter()
        return self._exchange("WSX", name, start, None, match, key, timeout, catch_response)

    def receive(
        self,
        timeout: float | None = None,
        name: str | None = None,
        *,
        catch_response: bool = False,
    ) -> Response:
        """Wait for the next message that nobody else waits for; reported as WSR, without a time.

        The arguments are those of request(); without a name it is what classify() says of the
        message.
        """
        return self._exchange("WSR", name, None, None, None, None, timeout, catch_response)

    def listen(self, name: str | None = None) -> Iterator[Message]:
        """Yield the messages that nobody else waits for, each reported as WSR, until the end.

        How the connection ended is told by WSC. To listen for some seconds put the loop in a block
        of gevent.Timeout(seconds, False).
        """
        while (connection := self._source()) is not None:
            inbox = connection.inbox
            wait = inbox.expect(None, last=True)
            inbox.take_kept(wait)
            try:
                message = inbox.wait(wait, connection, None)
            except ConnectionClosed:
                connection.deliver()
                return
            finally:
                inbox.forget(wait)
            kind = name or self._user.classify(message)
            self._report("WSR", kind, None, size_of(message), None, message)
            yield message

    def ping(self, name: str = "ping", timeout: float | None = None) -> Response:
        """Send a ping, wait for its pong and return the Response; reported as WSP."""
        seconds = self._user.reply_timeout if timeout is None else timeout
        error: WebSocketFailure | None = WebSocketFailure(NOT_OPEN)
        unheard = False
        start = perf_counter()
        connection = self._open
        if connection is not None:
            try:
                error = self._attempt(connection, lambda: connection.ping(seconds))
            except TimeoutError:
                error = WebSocketFailure(f"no pong in {seconds:g} s")
            connection.deliver()  # what was read on the way to the pong
            unheard = error is not None and connection.left
        return self._report("WSP", name, milliseconds(start), error=error, unheard=unheard)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure a block, reported as WSM; one that raises is a failure, and raises on."""
        start = perf_counter()
        try:
            yield
        except Exception as error:
            self._report("WSM", name, milliseconds(start), error=error)
            raise
        self._report("WSM", name, milliseconds(start))
