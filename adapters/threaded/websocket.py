"""The same WebSocket for threads: its methods run in the transport's monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from math import inf
from threading import Timer
from time import monotonic
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from geventws.backlog import SlowPeers
from geventws.core.codes import NORMAL_CLOSURE, State
from geventws.core.errors import ConnectionClosed
from geventws.options import seconds
from geventws.websocket import Data, WebSocket

END: Final = object()

P = ParamSpec("P")
R = TypeVar("R")


def _inside(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Return *method* as it runs inside the monitor."""

    @wraps(method)
    def inside(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._transport.monitor:
            return method(self, *args, **kwargs)

    return inside


def _seeing_off(method: Callable[..., R]) -> Callable[..., R]:
    """Return *method*, which takes a timeout, as it ends TCP before it raises ConnectionClosed."""

    @wraps(method)
    def seeing_off(self: Any, timeout: float | None = None) -> R:
        deadline = None if timeout is None else monotonic() + seconds(timeout)
        try:
            return method(self, timeout)
        except ConnectionClosed:
            self._see_off(deadline)
            raise

    return seeing_off


class ThreadedWebSocket(WebSocket):
    """A WebSocket whose methods any thread may call; each does what it does for greenlets.

    On a client that no manager and no run() looks after, receive(), receive_pieces(), ping() and an
    iteration raise ConnectionClosed, or end, when TCP has ended, which is waited for until
    close_timeout is up, and not longer than *timeout*.
    """

    __slots__ = ("_delivering", "_is_run")

    receive = _inside(_seeing_off(WebSocket.receive))
    ping = _inside(_seeing_off(WebSocket.ping))
    close = _inside(WebSocket.close)
    drop = _inside(WebSocket.drop)
    follow = _inside(WebSocket.follow)
    unfollow = _inside(WebSocket.unfollow)
    attend = _inside(WebSocket.attend)
    offer = _inside(WebSocket.offer)

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        self._delivering = False  # some thread does: callbacks are called one at a time
        self._is_run = False  # some thread is in run()

    @_inside
    def begin_close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Send a close frame without waiting for the peer's. See WebSocket.

        A thread that is asleep in run() or receive() has no deadline for that, so where no manager
        looks after the connection, a timer ends it when close_timeout is up; at once where there is
        no thread to be had for that.
        """
        super().begin_close(code, reason)
        if self._reading and self._caretaker is None:
            timer = Timer(self._options.close_timeout, lambda: self.attend(monotonic()))
            timer.daemon = True
            self.follow(lambda _: timer.cancel())
            try:
                timer.start()
            except RuntimeError:
                self.drop()

    @_inside
    def wait_for_room(self, slow: SlowPeers) -> None:
        """Wait until what was broadcast and waits is within the limits of *slow*, or gone."""
        event = self.room(slow)
        if event is not None:
            event.wait()

    @_inside
    def run(self) -> None:
        """Wait for what comes and call the callbacks, until the connection is over and closed."""
        self._is_run = True
        try:
            while self.deliver():
                if self._delivering:
                    self._wait_to_be_told(None)
                else:
                    self._more(None, False)
            self._hang_up()
        finally:
            self._is_run = False

    def _see_off(self, deadline: float | None) -> None:
        """End TCP for a caller who is told of the end, and may never close().

        The server is waited for, as it ends TCP first (RFC 6455 7.1.1), but not past *deadline*.
        What a failed connection said last might not arrive if it was dropped then, so it is not:
        its peer has the end already.
        """
        if self._is_server or self._transport.closed or self._is_looked_after():
            return
        if deadline is None or deadline >= self._over_by:
            self._hang_up()
            return
        protocol = self._protocol
        try:
            while not protocol.eof:
                self._more(deadline, False)
        except TimeoutError:
            if not (protocol.close_sent and protocol.close_received):
                return
        if not self._transport.unsent():
            self._drop()

    def _is_looked_after(self) -> bool:
        return self._caretaker is not None or self._is_run or self._delivering

    @_inside
    def read_and_deliver(self) -> bool:
        """Take the bytes that are here and deliver(), unless another thread is at that."""
        return self._delivering or super().read_and_deliver()

    @_inside
    def deliver(self) -> bool:
        """Call the callbacks for what has arrived; return whether more can come.

        Where another thread is at that, it returns True at once; the other one will tell.
        """
        if self._delivering:
            return True
        self._delivering = True
        try:
            return super().deliver()
        finally:
            self._delivering = False
            self._tell()

    def receive_pieces(self) -> Iterator[str | bytes]:
        """Yield the next message as it arrives. See WebSocket."""
        pieces: Any = super().receive_pieces()
        monitor = self._transport.monitor
        try:
            while True:
                with monitor:
                    piece: Any = self._next_piece(pieces)
                if piece is END:
                    return
                yield piece
        finally:
            with monitor:
                pieces.close()

    def _next_piece(self, pieces: Iterator[str | bytes]) -> Any:
        try:
            return next(pieces, END)
        except ConnectionClosed:
            self._see_off(None)
            raise

    @_inside
    def send(self, message: Data | Iterable[Data]) -> None:
        """Send a message; the items of an iterable are fetched in this thread. See WebSocket."""
        if isinstance(message, Iterable) and not isinstance(message, Data):
            super().send(self._fetched(message))
        else:
            super().send(message)

    def _fetched(self, items: Iterable[Data]) -> Iterator[Data]:
        outside = self._transport.monitor.outside
        with outside():
            iterator = iter(items)
        while True:
            with outside():
                item: Any = next(iterator, END)
            if item is END:
                return
            yield item

    @property
    def close_code(self) -> int | None:
        """The code of ConnectionClosed; None while the connection is open."""
        with self._transport.monitor:
            return super().close_code

    @property
    def close_reason(self) -> str:
        """The reason of ConnectionClosed; empty while the connection is open."""
        with self._transport.monitor:
            return super().close_reason

    def _call(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        super()._call(self._call_outside, (callback, *args))

    def _call_outside(self, callback: Callable[..., None], *args: Any) -> None:
        with self._transport.monitor.outside():
            callback(*args)

    def _report(self, error: Exception) -> None:
        with self._transport.monitor.outside():
            super()._report(error)

    def _more(self, deadline: float | None, for_others: bool) -> None:
        """Get more bytes; where keepalive falls into the wait, see to that and return early."""
        due = self._keepalive.next_at() if self._protocol.state == State.OPEN else inf
        if due >= (inf if deadline is None else deadline):
            super()._more(deadline, for_others)
            return
        try:
            super()._more(due, for_others)
        except TimeoutError:
            self.attend(monotonic())


class EchoWebSocket(ThreadedWebSocket):
    """Sends every message back."""

    def received_message(self, message: str | bytes) -> None:
        """Send *message* back."""
        self.send(message)
