"""What our servers have in common: accept, TLS and limits, and an end that leaves nothing behind.

listening socket -> accept -> greenlet -> TLS -> _serve()
"""

from __future__ import annotations

import errno
import logging
import os
import ssl as stdlib_ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Self

import gevent
from gevent import socket

from geventws.clock import monotonic
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Request, Response
from geventws.ending import Ending
from geventws.events import HandshakeRefused, notify
from geventws.limits import Admission, Limits, limits_of
from geventws.listening import BACKLOG, UNIX, listen, unix_path
from geventws.manager import Manager
from geventws.pressure import Pressure
from geventws.tls import check_context, wrap
from geventws.transport import Transport
from geventws.trusted import TrustedProxies

logger = logging.getLogger("geventws")

# Out of descriptors or memory: a connection cannot be accepted, but later it can.
SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
PAUSE: Final = 0.25  # seconds until accept is tried again
# After a refusal: what is read on, so that no reset overtakes it on its way to the peer.
LINGER: Final = 1.0  # seconds
LINGER_BYTES: Final = 64 * 1024


class Arrival:
    """One accepted connection, from accept to its end."""

    __slots__ = (
        "_deadline",
        "address",
        "admitted",
        "counted",
        "handed_over",
        "idle",
        "secure",
        "socket",
        "waiting",
    )

    def __init__(self, sock: Any, address: Any, seconds: float | None) -> None:
        self.socket = sock
        self.address = address
        self.counted = address  # where limits count it; for a proxy, its client's
        self.restart(seconds)
        self.admitted = False
        self.secure: bool | None = None  # whether the client sees TLS, where that is known
        self.waiting = True  # for TLS or a request: nothing is lost if it ends now
        self.idle = False  # its next request has not begun
        self.handed_over = False  # it goes on without the greenlet that opened it

    def restart(self, seconds: float | None) -> None:
        """Give the opening, or the next request, *seconds* from now."""
        self._deadline = None if seconds is None else monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left to open it, at least 0; None is for ever."""
        return None if self._deadline is None else max(self._deadline - monotonic(), 0.0)


class Acceptor(Ending):
    """A gevent StreamServer whose connections are counted, limited, drained and cleaned up.

    Attributes:
        manager: the Manager of its open WebSocket connections.
        limits: what it takes.
    """

    # gevent's, which have no public names
    _spawn: Callable[..., Any]
    _start_accepting_if_started: Callable[..., None]

    wrap_socket: Callable[..., Any]

    backlog = BACKLOG

    # what a subclass does with a connection; its socket is closed then, unless it was handed over
    _serve: Callable[[Arrival], None]

    _path: str | None = None  # of the unix socket that close() has to remove
    _reuse_port = False

    def _prepare(
        self, limits: Limits | None, open_timeout: float | None, proxies: Iterable[str] = ()
    ) -> None:
        """Set up what this class adds; before __init__ of the others."""
        self.limits = limits_of(limits)
        self.manager = Manager()
        self._proxies = TrustedProxies(proxies)
        self._admission = Admission(self.limits)
        self._pressure = Pressure(self.limits, lambda: self.manager)
        self._open_timeout = open_timeout
        self._arrivals: dict[Arrival, Any] = {}  # and the greenlet of each
        # connections without one, by their identity, for a class may have its own idea of equal
        self._handed_over: dict[int, tuple[Any, Any]] = {}  # with their addresses
        self._let_go = self._take_leave  # the same for all of them
        self._short = False

    @property
    def connections(self) -> int:
        """How many WebSocket connections are open."""
        return len(self.manager)

    # Listening

    def set_listener(self, listener: Any) -> None:
        """Take where to listen: what StreamServer takes, or "unix:" and a path."""
        path = unix_path(listener)
        if path is None:
            super().set_listener(listener)
        else:
            self.family, self.address = socket.AF_UNIX, path

    @classmethod
    def get_listener(cls, address: Any, backlog: int | None = None, family: Any = None) -> Any:
        """Return a socket that listens at *address*; of a unix socket nobody uses, its path too."""
        if family != socket.AF_UNIX:
            return super().get_listener(address, backlog, family)
        return listen(f"{UNIX}{address}", backlog=cls.backlog if backlog is None else backlog)

    def init_socket(self) -> None:
        """Listen, unless a listening socket was given."""
        fresh = not hasattr(self, "socket")
        if fresh and self._reuse_port:
            self.socket = listen(self.address, backlog=self.backlog, reuse_port=True)
            self.address = self.socket.getsockname()
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

    def start_accepting(self) -> None:
        """Accept what comes, and look at how hard that presses."""
        super().start_accepting()
        self._pressure.start()

    def close(self) -> None:
        """Stop accepting at once; open connections stay."""
        path, self._path = self._path, None
        if path is not None:  # while this listens, so that the path is no successor's yet
            with suppress(FileNotFoundError):
                os.unlink(path)
        super().close()
        self._pressure.stop()

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
        arrival = Arrival(sock, address, self._open_timeout)
        if self._proxies.trusts(address):
            arrival.counted = ""  # until its client is known
        if not self._admission.enter(arrival.counted):
            sock.close()
            return
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

    def admit(self, arrival: Arrival, request: Request) -> None:
        """Count a connection as open, once, and let *request* pass.

        Where it comes from a trusted proxy, it is given the address of the proxy's client.

        Raises:
            InvalidHandshake: 503 or 429; there are too many, or there is too much to do. 400; the
                request is malformed.
        """
        self._pressure.check()
        arrival.secure = self.ssl_enabled or None
        if self._proxies.trusts(arrival.address):
            self._look_behind(arrival, request)
        if not arrival.admitted:
            self._admission.admit(arrival.counted)
            arrival.admitted = True

    def _look_behind(self, arrival: Arrival, request: Request) -> None:
        """Take a trusted proxy's word on its client."""
        client = self._proxies.client_of(request)
        arrival.secure = self._proxies.is_secure(request)
        counted = "" if client is None else client
        self._admission.move(arrival.counted, counted, arrival.admitted)
        arrival.counted = counted
        request.remote_address = client or arrival.address

    def refuse(
        self,
        transport: Transport,
        response: Response,
        arrival: Arrival,
        request: Request | None = None,
    ) -> None:
        """Answer with *response* instead of a 101, as turn_away() does, and take note of it.

        *request* is None where none could be read. One for something else than a WebSocket is no
        opening handshake, and not counted.
        """
        if request is None or _is_handshake(request):
            self.note_refusal(response.status, arrival)
        is_head = request is not None and request.head.startswith(b"HEAD ")
        turn_away(transport, response, arrival, is_head)

    def note_refusal(self, status: int, arrival: Arrival) -> None:
        """Count an opening handshake that is answered with *status*, if that is an error."""
        if status >= 400:
            self.manager.counts.refuse(status)
            notify(HandshakeRefused(arrival.address, status))

    def _hand_over(self, arrival: Arrival, connection: Any) -> None:
        """Let *connection* go on when the greenlet of *arrival* ends."""
        arrival.handed_over = True
        del self._arrivals[arrival]
        self._handed_over[id(connection)] = connection, arrival.counted
        connection.follow(self._let_go)

    def _take_leave(self, connection: Any) -> None:
        """Count a connection no more that was handed over and is over."""
        self._admission.leave(self._handed_over.pop(id(connection))[1], True)

    def _depart(self, arrival: Arrival) -> None:
        if arrival in self._arrivals:
            del self._arrivals[arrival]
            self._admission.leave(arrival.counted, arrival.admitted)
            arrival.socket.close()


class Secured:
    """A TLS context as StreamServer wants it, which makes gevent's sockets of any context."""

    def __init__(self, context: stdlib_ssl.SSLContext) -> None:
        check_context(context)
        self._context = context

    def wrap_socket(self, sock: Any, **_: Any) -> Any:
        """Return gevent's TLS socket over *sock*; the handshake is yet to be done."""
        return wrap(sock, self._context)


def _is_handshake(request: Request) -> bool:
    """Return whether *request* is for an upgrade, or for nobody knows what."""
    try:
        return bool(request.line) and "Upgrade" in request.headers
    except InvalidHandshake:
        return True


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


def check_reuse_port(reuse_port: bool, listener: Any) -> None:
    """Raise ValueError where *reuse_port* is asked of what has no port to be bound."""
    if reuse_port and (hasattr(listener, "accept") or unix_path(listener) is not None):
        raise ValueError("reuse_port: for a TCP address, not for a unix socket or one that listens")


def check_backlog(backlog: object) -> None:
    """Raise TypeError where *backlog* is no int."""
    if isinstance(backlog, bool) or not isinstance(backlog, int):
        raise TypeError("backlog: an int")
