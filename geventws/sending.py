"""In what order a connection speaks: messages by turns, control frames between, broadcasts.

send() -> its turn -> the wire     ping, pong, close -> the wire     offer() -> Backlog -> the wire

A sender waits until the transport has nothing left, a broadcast waits in the backlog meanwhile. So
whatever the transport still holds is bounded, and a slow peer costs its own messages only.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from geventws.backlog import CLOSED, SENT, Backlog, SlowPeers
from geventws.clock import monotonic
from geventws.core.codes import Side, State
from geventws.core.message import Encoded
from geventws.core.protocol import Protocol
from geventws.options import Options

_OPEN: Final = State.OPEN  # a name with nothing to look up in it


class Sending:
    """The half of a Connection that decides who may speak. It never waits but for its turn."""

    __slots__ = (
        "_backlog",
        "_is_server",
        "_line",
        "_options",
        "_protocol",
        "_send_timeout",
        "_transport",
        "_turn_taken",
        "_unfinished",
    )

    def __init__(self, transport: Any, protocol: Protocol, options: Options, side: Side) -> None:
        self._transport = transport
        self._protocol = protocol
        self._options = options
        self._send_timeout = options.send_timeout  # asked for with each message
        self._is_server = side == Side.SERVER
        self._turn_taken = False
        self._line: deque[Any] | None = None  # events of those who wait for their turn
        self._unfinished = False  # a fragmented message is under way
        self._backlog: Backlog | None = None
        transport.on_drained = self._post

    # Turns

    def _take_turn(self) -> None:
        """Wait for the turn to send a message; the order is that of asking.

        Raises:
            ConnectionClosed: the connection is over, and it does not matter who has the turn.
        """
        if not self._turn_taken:
            self._turn_taken = True
            return
        if self._line is None:
            self._line = deque()
        line = self._line
        turn = self._transport.event()
        line.append(turn)
        try:
            turn.wait()
        except BaseException:
            if turn in line:
                line.remove(turn)
            else:  # it came at the same moment
                self._pass_turn()
            raise
        if turn in line:  # woken by the end
            line.remove(turn)
            raise self._protocol.closed_error()

    def _pass_turn(self) -> None:
        if self._line:
            self._line.popleft().set()  # the turn stays taken, by that one
        else:
            self._turn_taken = False
            self._line = None

    def _dismiss_line(self) -> None:
        """Wake those who wait for a turn: the connection is over."""
        for turn in self._line or ():
            turn.set()

    def _let_broadcasts_go_first(self) -> None:
        """Wait until the broadcasts that are in the backlog now have left it."""
        backlog = self._backlog
        if not backlog:
            return
        event = self._transport.event()
        backlog.tell(len(backlog), event)
        try:
            event.wait()
        finally:
            backlog.forget(event)

    # Without waiting

    def _post(self) -> None:
        """Have what the protocol wants said go out without waiting, and broadcasts after that.

        While bytes are held back, pings and pongs stay in the protocol, where the latest pongs take
        the place of earlier ones; the transport asks for them when it has room.
        """
        if self._protocol.close_sent or not self._transport.unsent():
            self._transport.post(self._protocol.data_to_send())
            if self._backlog is not None:
                self._post_backlog(self._backlog)

    def _post_backlog(self, backlog: Backlog) -> None:
        if self._protocol.state is not _OPEN:
            self._forget_backlog()
            return
        while backlog and not self._unfinished and not self._transport.unsent():
            self._post_broadcast(backlog.take())
        if not backlog and not self._transport.unsent():
            self._backlog = None

    def _post_broadcast(self, broadcast: Encoded) -> None:
        if self._is_server:
            self._protocol.send_encoded(broadcast)
        else:  # RFC 6455 5.3: each frame of a client has a masking key of its own
            self._protocol.send_message(broadcast.message)
        self._transport.post(self._protocol.data_to_send())

    # Broadcasts

    def offer(self, broadcast: Encoded, slow: SlowPeers) -> int:
        """Send *broadcast*, or let it wait as *slow* says; return which (see backlog). Never waits.

        Broadcasts keep their order; a send() that begins after one does not overtake it. One that
        waits goes out when the peer has taken everything before it and no fragmented message is
        under way, and before the close frame that this side sends; where a fragmented message is
        cut off by that, or the peer ends the connection, what waits is dropped.
        """
        if self._protocol.state is not _OPEN:
            return CLOSED
        if self._backlog is None:
            if not self._unfinished and not self._transport.unsent():
                self._post_broadcast(broadcast)
                if self._transport.unsent():
                    self._begin_backlog()
                return SENT
            self._begin_backlog()
        assert self._backlog is not None
        return self._backlog.keep(broadcast, slow)

    def room(self, slow: SlowPeers) -> Any:
        """Return an IEvent that is set once what waits is within the limits of *slow*.

        None says that it is.
        """
        excess = 0 if self._backlog is None else self._backlog.excess(slow)
        if not excess or self._backlog is None:
            return None
        event = self._transport.event()
        self._backlog.tell(excess, event)
        return event

    def _begin_backlog(self) -> None:
        self._backlog = Backlog(self._transport.written, monotonic())
        self._watch_backlog()

    def _watch_backlog(self) -> None:
        """See to it that somebody looks whether the peer takes something of the backlog."""
        if self._send_timeout is not None:
            self._plan(self._send_timeout / 4)

    def _is_stuck(self, now: float) -> bool:
        """Return whether the peer has taken nothing for send_timeout while broadcasts wait."""
        timeout = self._send_timeout
        if self._backlog is None or timeout is None:
            return False
        self._watch_backlog()
        taken = self._transport.written if self._transport.unsent() else None
        return self._backlog.is_stuck(taken, now, timeout)

    def _empty_backlog(self) -> None:
        """Give the transport all that waits, since nothing may follow a close frame."""
        backlog = self._backlog
        while backlog and not self._unfinished and self._protocol.state is _OPEN:
            self._post_broadcast(backlog.take())

    def _forget_backlog(self) -> None:
        if self._backlog is not None:
            backlog, self._backlog = self._backlog, None
            backlog.drop(len(backlog))

    def _plan(self, seconds: float) -> None:
        """Be looked after in *seconds* or sooner; Connection knows by whom."""
