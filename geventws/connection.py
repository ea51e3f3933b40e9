"""Who reads, who writes, who is told: the machinery under WebSocket.

socket -> transport.read -> protocol            protocol -> transport.write -> socket

There is no reader task and no queue. Whoever wants something of the peer, a message, a pong, its
close frame, reads the socket itself; when another one is reading already, it waits to be told. What
the one reads for the other goes to the protocol's read-ahead. When nobody reads, a caretaker calls
attend() now and then, so that pings are answered and lost peers noticed.

Between two calls of the transport nobody else runs (see interfaces), so there are no locks here
but one: the turn to send a message (see sending), which is handed on in the order of asking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from geventws import clock
from geventws.core.codes import (
    ABNORMAL_CLOSURE,
    GOING_AWAY,
    INTERNAL_ERROR,
    NORMAL_CLOSURE,
    Side,
    State,
)
from geventws.core.frame import check_close
from geventws.core.protocol import TURN, Protocol
from geventws.keepalive import Keepalive
from geventws.options import Options, seconds
from geventws.sending import Sending

SHARE: Final = 0.005  # seconds of work before others run; a few frames may take as long as many
_SHARE: Final = SHARE  # as C has it
# Seconds past its deadline that a caller goes on with what is here already; a flood never ends.
GRACE: Final = 0.01
CLOSED: Final = State.CLOSED
DROPPED: Final = "the connection is dropped"


class Connection(Sending):
    """What all styles of using a connection share. Its public face is WebSocket."""

    __slots__ = (
        "__weakref__",
        "_caretaker",
        "_ending",
        "_followers",
        "_keepalive",
        "_over_by",
        "_parked",
        "_reading",
        "_resting",
        "_since",
        "_told",
        "_turn",
    )

    def __init__(self, transport: Any, protocol: Protocol, options: Options, side: Side) -> None:
        super().__init__(transport, protocol, options, side)
        transport.on_drained = self._drained
        # receiving
        self._since = clock.monotonic()  # when others last ran, as far as that is known here
        self._turn = 0  # the transport's, as it was when that was last asked for
        self._reading = False
        self._parked: Any = None  # the driver of callbacks, which reads when bytes come
        self._told: list[Any] | None = None  # events of those who wait for another one's reading
        # care
        self._caretaker: Any = None
        self._keepalive = Keepalive(options.ping_interval, options.ping_timeout, clock.monotonic())
        # closing
        self._ending = False
        self._resting: tuple[int, str, bool] | None = None  # see close_at_rest()
        self._over_by = 0.0
        self._followers: tuple[Callable[[Any], None], ...] = ()  # told of the end, once

    def begin(self, rest: bytes) -> None:
        """Take the bytes that came with the opening handshake: they are the first frames."""
        self._protocol.receive_data(rest)

    def follow(self, follower: Callable[[Any], None]) -> None:
        """Have *follower* called, once, with this connection when its stream has been dropped."""
        if self._transport.closed:
            follower(self)
        else:
            self._followers += (follower,)

    def unfollow(self, follower: Callable[[Any], None]) -> None:
        """Do not call *follower* any more."""
        self._followers = tuple(each for each in self._followers if each != follower)

    def drop(self, code: int = GOING_AWAY, reason: str = DROPPED) -> None:
        """End the connection now, without waiting; the peer hears *code* if that goes at once.

        A *code* that may not be sent is not told, and of *reason* no more than 123 bytes.
        """
        try:
            check_close(code, reason)
            self._protocol.abort(ABNORMAL_CLOSURE, reason, None, code)
            self._post()
        finally:  # whatever the arguments were
            self._protocol.abort(ABNORMAL_CLOSURE, DROPPED)
            self._drop()

    def begin_close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Send a close frame without waiting for the peer's; then the caretaker sees to the end.

        It is the one of close(), and drops the connection when close_timeout is up. What was
        broadcast before goes before it. Does nothing where a close frame was sent already.

        Raises:
            ValueError: *code* may not be sent (RFC 6455 7.4), or *reason* is over 123 bytes.
        """
        over_by = clock.monotonic() + self._options.close_timeout
        self._empty_backlog()
        self._protocol.close(code, reason)
        self._over_by = self._over_by or over_by
        self._plan(self._options.close_timeout)
        self._post()
        self._tell()  # from now on there is room for all that comes

    def close_at_rest(self, code: int, reason: str, to_the_last: bool) -> None:
        """Do begin_close() when the application asks for more, having dealt with what it was given.

        Not while a message is half here or half sent, and where *to_the_last* not while anything
        is here. May be called again, and so may begin_close() meanwhile.
        """
        self._resting = code, reason, to_the_last

    def _rest(self) -> None:
        protocol = self._protocol
        under_way = self._turn_taken or protocol.queued() or protocol._messages.arriving()
        if self._resting is None or under_way:
            return
        code, reason, to_the_last = self._resting
        if not to_the_last or not (protocol.buffered() or self._transport.readable()):
            self._resting = None
            self.begin_close(code, reason)

    # Receiving

    def _await(self, whole: bool, timeout: float | None) -> Any:
        """Return the next message, or piece of one with its end, reading until there is one."""
        protocol = self._protocol
        deadline = None if timeout is None else clock.monotonic() + seconds(timeout)
        if self._resting is not None:
            self._rest()
        if protocol.buffered() and clock.monotonic() - self._since > _SHARE:
            self._breathe()
        while True:
            found = protocol.next_message() if whole else protocol.next_piece()
            self._look_after()
            if found is not None:
                if self._told is not None:  # there may be room in the read-ahead now
                    self._tell()
                return found
            if protocol.state is CLOSED:
                self._end()
                raise protocol.closed_error()
            self._more(deadline, False)

    def _until(self, done: Callable[[], bool], deadline: float | None) -> None:
        """Read for others until *done*; messages go to the read-ahead as far as it has room."""
        protocol = self._protocol
        while True:
            protocol.read_ahead()  # before reading: what is waited for may have come already
            self._look_after()
            if done():
                return
            if protocol.state is CLOSED:
                self._end()
                raise protocol.closed_error()
            self._more(deadline, True)

    def _more(self, deadline: float | None, for_others: bool) -> None:
        """Get more bytes into the protocol, or wait while another caller does that.

        When the protocol has not looked at all that is here, others run instead.
        """
        if deadline is not None and clock.monotonic() > deadline + GRACE:
            raise TimeoutError("nothing arrived in time")
        if self._protocol.frames_this_turn >= TURN:
            self._breathe()
            return
        if (
            self._reading
            or self._parked is not None
            or (for_others and not self._protocol.wants_data())
        ):
            self._wait_to_be_told(deadline)
            return
        self._reading = True
        try:
            self._take_in(self._transport.read(_left(deadline)))
        except TimeoutError:
            raise
        except OSError as error:
            self._protocol.receive_eof(error)
        finally:
            self._reading = False
            self._tell()

    def _read_for_nobody(self) -> None:
        protocol = self._protocol
        if protocol.wants_data() or protocol.state is CLOSED:
            self._read_now()
        protocol.frames_this_turn = 0
        protocol.read_ahead()
        self._look_after()
        self._tell()

    def _read_now(self) -> None:
        try:
            data = self._transport.read_now()
            if data is not None:
                self._take_in(data)
        except OSError as error:
            self._protocol.receive_eof(error)

    def _take_in(self, data: bytes) -> None:
        self._protocol.frames_this_turn = 0  # reading lets others run
        self._since = clock.monotonic()
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()

    def _wait_to_be_told(self, deadline: float | None) -> None:
        event = self._transport.event()
        if self._told is None:
            self._told = []
        self._told.append(event)
        try:
            if not event.wait(_left(deadline)):
                raise TimeoutError("nothing arrived in time")
        finally:
            if self._told is not None and event in self._told:
                self._told.remove(event)

    def _tell(self) -> None:
        """Wake those who wait for what another one reads: something may have changed for them."""
        if self._told is not None:
            told, self._told = self._told, None
            for event in told:
                event.set()
        if self._parked is not None:
            self._parked.nudge()

    def _look_after(self) -> None:
        """Say what the protocol wants said, and take note of pongs."""
        protocol = self._protocol
        if protocol.has_data():
            self._post()
        if protocol.pongs is not None:
            pongs, protocol.pongs = protocol.pongs, None
            for payload in pongs:
                self._keepalive.pong(payload, clock.monotonic())
                self._ponged(payload)

    def _ponged(self, payload: bytes) -> None:
        """Take note of a pong's payload; for the callback style."""

    def _breathe(self) -> None:
        self._protocol.frames_this_turn = 0
        try:
            self._transport.breathe()
        finally:  # who is interrupted has let others run as well
            self._since = clock.monotonic()

    def _is_turn_over(self) -> bool:
        """Return whether enough was done that now others should run."""
        if self._protocol.frames_this_turn >= TURN:
            return True
        now = clock.monotonic()
        if now - self._since <= _SHARE:
            return False
        turn = self._transport.turn
        if turn == self._turn:
            return True
        self._turn = turn  # others have run since; who sends now and then need not wait for them
        self._since = now
        return False

    # Sending

    def _write(self) -> None:
        """Write all that the protocol wants said; who calls this has the turn."""
        protocol = self._protocol
        try:
            # what is sent while more waits to be received is a reply, and more replies will follow;
            # a client's program may do something after send() that the hub knows nothing of
            more = self._is_server and protocol.buffered() > 0
            self._transport.write(protocol.data_to_send(), self._send_timeout, more)
        except OSError as error:
            self._lose(error)
            raise protocol.closed_error() from error
        except BaseException as error:
            if self._transport.torn:
                self._lose(error)
            else:
                protocol.writer.forget()
            raise

    # Closing

    def _lose(self, error: BaseException | None, reason: str = "the connection is lost") -> None:
        """Give the connection up: nothing more can be said, or heard but what is here already."""
        self._read_for_nobody()
        self._protocol.keep_all()
        self._protocol.abort(ABNORMAL_CLOSURE, reason, error)
        self._drop()

    def _give_up(self, error: BaseException, reason: str) -> None:
        """Fail the connection on our own account, with 1011."""
        self._protocol.keep_all()
        self._protocol.abort(INTERNAL_ERROR, reason, error)
        self._end()

    def _is_over(self) -> bool:
        return self._protocol.state is CLOSED

    def _drop(self) -> None:
        self._transport.close()
        self._forget_backlog()
        if self._caretaker is not None:
            self._caretaker.forget(self)
        self._dismiss_line()
        self._tell()
        followers, self._followers = self._followers, ()
        for follower in followers:
            follower(self)

    def _end(self) -> None:
        """Begin to end TCP once the conversation is over; whoever waits is told."""
        if self._ending:
            return
        self._ending = True
        self._over_by = self._over_by or clock.monotonic() + self._options.close_timeout
        self._post()
        clean = self._protocol.close_sent and self._protocol.close_received
        if self._is_server or not clean:  # RFC 6455 7.1.1: the server closes TCP first
            self._transport.shutdown()
        self._plan(self._options.close_timeout)
        self._dismiss_line()
        self._tell()

    def _drained(self) -> None:
        self._post()
        if self._ending:
            self._tell()
            self._plan(0.0)

    def _hang_up(self) -> None:
        """Wait for the end of TCP and drop the connection, at the latest when close_timeout is up.

        Reading up to the peer's end keeps a reset from destroying what is still on its way to it.
        """
        self._end()
        while not self._transport.closed:
            try:
                if not self._protocol.eof:
                    self._more(self._over_by, False)
                elif self._transport.unsent():  # a peer that says no more may still listen
                    self._wait_to_be_told(self._over_by)
                else:
                    self._drop()
            except TimeoutError:
                self._drop()

    def adopt(self, caretaker: Any) -> None:
        """Be looked after by *caretaker*, an ICaretaker."""
        self._caretaker = caretaker

    def park(self, driver: Any) -> None:
        """Take note of the *driver* of callbacks that reads when bytes come; None while it works.

        Its nudge() is called when another caller has read something for it.
        """
        self._parked = driver
        if driver is None:  # now others may read
            self._tell()

    def _plan(self, seconds: float) -> None:
        if self._caretaker is not None and not self._transport.closed:
            self._caretaker.plan(self, seconds)


def _left(deadline: float | None) -> float | None:
    """Return the seconds until *deadline*, at least 0."""
    return None if deadline is None else max(deadline - clock.monotonic(), 0.0)
