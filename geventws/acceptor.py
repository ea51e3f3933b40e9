"""What our servers have in common: accept, TLS and limits, and an end that leaves nothing behind.

listening socket -> accept -> greenlet -> TLS -> _serve()
"""

from __future__ import annotations

import errno
import logging
import os
import ssl as stdlib_ssl
import stat
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final, Self

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer
from greenlet import getcurrent

from geventws.core.handshake import Response
from geventws.limits import Admission, Limits
from geventws.manager import Manager
from geventws.options import seconds
from geventws.tls import check_context, wrap
from geventws.transport import Transport

logger = logging.getLogger("geventws")

BACKLOG: Final = 1024
UNIX: Final = "unix:"
# Out of descriptors or memory: a connection cannot be accepted, but later it can.
SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
PAUSE: Final = 0.25  # seconds until accept is tried again
# After a refusal: what is read on, so that no reset overtakes it on its way to the peer.
LINGER: Final = 1.0  # seconds
LINGER_BYTES: Final = 64 * 1024
KILL_TIMEOUT: Final = 1.0  # seconds


class Arrival:
    """One accepted connection, from accept to its end."""

    __slots__ = ("_deadline", "address", "admitted", "handed_over", "socket", "waiting")

    def __init__(self, sock: Any, address: Any, seconds: float | None) -> None:
        self.socket = sock
        self.address = address
        self.restart(seconds)
        self.admitted = False
        self.waiting = True  # for TLS or a request: nothing is lost if it ends now
        self.handed_over = False  # it goes on without the greenlet that opened it

    def restart(self, seconds: float | None) -> None:
        """Give the opening, or the next request, *seconds* from now."""
        self._deadline = None if seconds is None else monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left to open it, at least 0; None is for ever."""
        return None if self._deadline is None else max(self._deadline - monotonic(), 0.0)


class Acceptor(StreamServer):
    """A gevent StreamServer whose connections are counted, limited, drained and cleaned up.

    Attributes:
        manager: the Manager of its open WebSocket connections.
    """

    # gevent's, which have no public names
    _spawn: Callable[..., Any]
    _start_accepting_if_started: Callable[..., None]

    wrap_socket: Callable[..., Any]

    backlog = BACKLOG

    # what a subclass does with a connection; its socket is closed then, unless it was handed over
    _serve: Callable[[Arrival], None]

    _path: str | None = None  # of the unix socket that close() has to remove

    def _prepare(self, limits: Limits | None, open_timeout: float | None) -> None:
        """Set up what this class adds; before __init__ of the others."""
        if not isinstance(limits, Limits | None):
            raise TypeError("limits: a Limits or None")
        self.manager = Manager()
        self._admission = Admission(limits or Limits())
        self._open_timeout = open_timeout
        self._arrivals: dict[Arrival, Any] = {}  # and the greenlet of each
        # connections without one, by their identity, for a class may have its own idea of equal
        self._handed_over: dict[int, tuple[Any, Any]] = {}  # with their addresses
        self._let_go = self._take_leave  # the same for all of them
        self._drained: Event | None = None  # while drain() is at work
        self._short = False

    @property
    def connections(self) -> int:
        """How many WebSocket connections are open."""
        return len(self.manager)

    # Listening

    def set_listener(self, listener: Any) -> None:
        """Take where to listen: what StreamServer takes, or "unix:" and a path."""
        if isinstance(listener, str) and listener.startswith(UNIX):
            self.family, self.address = socket.AF_UNIX, listener[len(UNIX) :]
        else:
            super().set_listener(listener)

    @classmethod
    def get_listener(cls, address: Any, backlog: int | None = None, family: Any = None) -> Any:
        """Return a socket that listens at *address*; of a unix socket nobody uses, its path too."""
        if family != socket.AF_UNIX:
            return super().get_listener(address, backlog, family)
        _remove_stale(address)
        listener = socket.socket(family)
        try:
            listener.bind(address)
            listener.listen(cls.backlog if backlog is None else backlog)
        except BaseException:
            listener.close()
            raise
        return listener

    def init_socket(self) -> None:
        """Listen, unless a listening socket was given."""
        fresh = not hasattr(self, "socket")
        super().init_socket()
        # a plain blocking socket would stop the hub where no second connection waits
        self.socket.setblocking(False)
        if fresh and self.family == socket.AF_UNIX:
            self._path = str(self.address)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def close(self) -> None:
        """Stop accepting at once; open connections stay."""
        super().close()
        path, self._path = self._path, None
        if path is not None:
            with suppress(FileNotFoundError):
                os.unlink(path)

    # Accepting

    def do_read(self) -> Any:
        """Accept one connection; when there are no descriptors left, pause and say so once."""
        try:
            accepted = self._accept()
        except OSError as error:
            if error.errno in SHORTAGES:
                self._pause(error)
            elif error.errno != errno.ECONNABORTED:  # that one went away before it was accepted
                raise
            return None
        self._short = self._short and accepted is None
        return accepted

    def _accept(self) -> Any:
        """Return a connected socket and the address of its peer; None where nobody waits."""
        return super().do_read()

    def _pause(self, error: OSError) -> None:
        if not self._short:
            self._short = True
            logger.error("%s: accepts no connection for now: %s", self, error)
        self.stop_accepting()
        self._timer = self.loop.timer(PAUSE)
        self._timer.start(self._start_accepting_if_started)

    def do_handle(self, *args: Any) -> None:
        """Begin to serve an accepted connection in a greenlet of its own."""
        sock, address = args
        if not self._admission.enter(address):
            sock.close()
            return
        arrival = Arrival(sock, address, self._open_timeout)
        try:
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._arrivals[arrival] = self._spawn(Acceptor._run, self, arrival)
        except BaseException:
            self._arrivals[arrival] = None
            self._depart(arrival)
            raise

    def handle(self, sock: Any, address: Any) -> None:
        """Serve a connected gevent *sock* as if it had been accepted; returns at once."""
        self.do_handle(sock, address)

    def _run(self, arrival: Arrival) -> None:
        try:
            if not self.ssl_enabled or self._secure(arrival):
                self._serve(arrival)
        finally:
            if not arrival.handed_over:
                self._depart(arrival)

    def _secure(self, arrival: Arrival) -> bool:
        """Make TLS of a connection; return whether that came about in time."""
        try:
            with gevent.Timeout(arrival.left(), TimeoutError("not done in time")):
                arrival.socket = self.wrap_socket(
                    arrival.socket, do_handshake_on_connect=False, **self.ssl_args or {}
                )
                arrival.socket.do_handshake()
        except OSError as error:
            logger.info("%s: no TLS: %s", arrival.address, error)
            return False
        return True

    def admit(self, arrival: Arrival) -> None:
        """Count a connection as open, once.

        Raises:
            InvalidHandshake: 503 or 429; there are too many.
        """
        if not arrival.admitted:
            self._admission.admit(arrival.address)
            arrival.admitted = True

    def _hand_over(self, arrival: Arrival, connection: Any) -> None:
        """Let *connection* go on when the greenlet of *arrival* ends."""
        arrival.handed_over = True
        del self._arrivals[arrival]
        self._handed_over[id(connection)] = connection, arrival.address
        connection.follow(self._let_go)

    def _take_leave(self, connection: Any) -> None:
        """Count a connection no more that was handed over and is over."""
        self._admission.leave(self._handed_over.pop(id(connection))[1], True)

    def _depart(self, arrival: Arrival) -> None:
        if arrival in self._arrivals:
            del self._arrivals[arrival]
            self._admission.leave(arrival.address, arrival.admitted)
            arrival.socket.close()

    # Ending

    def drain(self, timeout: float = 30.0, jitter: float | None = None) -> None:
        """Stop accepting at once, close all connections with 1001, and wait for their handlers.

        What is left when *timeout* is up is dropped, and its handlers are killed. *jitter* is how
        many seconds the closes are spread over; None is a tenth of *timeout*, at most 1.
        """
        drained = self._drained = Event()
        try:
            self._end(timeout, jitter)
        finally:
            drained.set()
            self._drained = None

    def stop(self, timeout: float | None = None) -> None:
        """Stop accepting and close what is open with 1001; nothing is left after that.

        What has not ended within *timeout* seconds, stop_timeout by default, is dropped and
        killed. While drain() is at work, a stop() without *timeout* waits for that.
        """
        if timeout is None and self._drained is not None:
            self._drained.wait()  # serve_forever() calls this as soon as drain() begins
        else:
            self._end(self.stop_timeout if timeout is None else timeout, 0.0)

    def _end(self, timeout: float, jitter: float | None) -> None:
        over_by = monotonic() + seconds(timeout, or_none="")
        if jitter is not None:
            seconds(jitter, "jitter")
        self.close()
        gevent.killall(self._greenlets(waiting=True), block=False)
        self.manager.drain(timeout, jitter)
        gevent.joinall(self._greenlets(), timeout=max(over_by - monotonic(), 0.0))
        left = self._greenlets()
        gevent.killall(left, block=False)
        # pywsgi reads on when it is killed: what waits for a socket ends only with that
        for arrival in list(self._arrivals):
            self._depart(arrival)
        for connection, _ in list(self._handed_over.values()):  # the manager may not have it
            connection.drop()
        gevent.joinall(left, timeout=KILL_TIMEOUT)

    def _greenlets(self, waiting: bool = False) -> list[Any]:
        me = getcurrent()
        return [
            greenlet
            for arrival, greenlet in self._arrivals.items()
            if greenlet not in (None, me) and (arrival.waiting or not waiting)
        ]


class Secured:
    """A TLS context as StreamServer wants it, which makes gevent's sockets of any context."""

    def __init__(self, context: stdlib_ssl.SSLContext) -> None:
        check_context(context)
        self._context = context

    def wrap_socket(self, sock: Any, **_: Any) -> Any:
        """Return gevent's TLS socket over *sock*; the handshake is yet to be done."""
        return wrap(sock, self._context)


def turn_away(
    transport: Transport, response: Response, arrival: Arrival, head_only: bool = False
) -> None:
    """Send *response*, without its body where that is an answer to HEAD, and close."""
    logger.info("%s: answered %d", arrival.address, response.status)
    head, end, body = response.to_bytes().partition(b"\r\n\r\n")
    try:
        transport.write([head + end if head_only else head + end + body], LINGER)
    except OSError as error:
        logger.debug("%s: %s", arrival.address, error)
    linger(transport, arrival)


def linger(transport: Transport, arrival: Arrival) -> None:
    """Close *transport*, but read on a little first, so that no reset overtakes what was sent."""
    left = arrival.left()
    over_by = monotonic() + min(LINGER, LINGER if left is None else max(left, LINGER / 4))
    unread = LINGER_BYTES
    try:
        transport.shutdown()
        while unread > 0 and (data := transport.read(max(over_by - monotonic(), 0.0))):
            unread -= len(data)
    except OSError as error:
        logger.debug("%s: %s", arrival.address, error)
    finally:
        transport.close()


def late() -> Response:
    """Return what is answered when open_timeout is up."""
    return Response(408, body="the request was not complete in time (RFC 9110 15.5.9)\n")


def check_backlog(backlog: object) -> None:
    """Raise TypeError where *backlog* is no int."""
    if isinstance(backlog, bool) or not isinstance(backlog, int):
        raise TypeError("backlog: an int")


def _remove_stale(path: str) -> None:
    """Remove a unix socket that a server before has left behind."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)
