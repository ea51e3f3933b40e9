"""The door for threads: the same WebSocket over plain sockets, without gevent.

Any number of threads may use one connection: its methods run inside the transport's monitor, where
one thread is at a time, and leave it to wait and to run code of the application. No thread of ours
looks after a connection: pings are answered, and the peer is watched, while some thread is in
receive(), ping(), close() or run().
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cache, wraps
from math import inf
from ssl import SSLContext, SSLSocket, create_default_context
from threading import Thread
from time import monotonic
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar, Unpack

from geventws.core.codes import Side, State
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, refusal
from geventws.core.headers import HeaderItems
from geventws.opening import drive, late, left, open_client, opening_to, read_request
from geventws.options import OptionArguments, Options, options_of
from geventws.sockets import SocketTransport
from geventws.upgrader import UpgradeArguments, Upgrader, finish, is_callback_style
from geventws.uri import URI, parse_uri
from geventws.websocket import Data, WebSocket, establish

END: Final = object()
# phases of the opening
LOOKUP: Final = "the name lookup"
CONNECTING: Final = "the TCP handshake"
TLS: Final = "the TLS handshake"

P = ParamSpec("P")
R = TypeVar("R")
Address: TypeAlias = tuple[int, int, int, str, Any]
Handler: TypeAlias = "Callable[[ThreadedWebSocket], object] | type[ThreadedWebSocket]"

default_context = cache(create_default_context)  # to load the certificates takes milliseconds
logger = logging.getLogger("geventws")


def _inside(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Return *method* as it runs inside the monitor."""

    @wraps(method)
    def inside(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._transport.monitor:
            return method(self, *args, **kwargs)

    return inside


class ThreadedWebSocket(WebSocket):
    """A WebSocket whose methods any thread may call; each does what it does for greenlets."""

    __slots__ = ()

    receive = _inside(WebSocket.receive)
    ping = _inside(WebSocket.ping)
    begin_close = _inside(WebSocket.begin_close)
    close = _inside(WebSocket.close)
    drop = _inside(WebSocket.drop)
    follow = _inside(WebSocket.follow)
    unfollow = _inside(WebSocket.unfollow)
    run = _inside(WebSocket.run)
    deliver = _inside(WebSocket.deliver)
    read_and_deliver = _inside(WebSocket.read_and_deliver)
    attend = _inside(WebSocket.attend)

    def receive_pieces(self) -> Iterator[str | bytes]:
        """Yield the next message as it arrives. See WebSocket."""
        pieces: Any = super().receive_pieces()
        monitor = self._transport.monitor
        try:
            while True:
                with monitor:
                    piece: Any = next(pieces, END)
                if piece is END:
                    return
                yield piece
        finally:
            with monitor:
                pieces.close()

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

    def _call(self, callback: Callable[..., None], *args: Any) -> None:
        super()._call(self._call_outside, callback, *args)

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


def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: SSLContext | None = None,
    **options: Unpack[OptionArguments],
) -> ThreadedWebSocket:
    """Connect to the server at *url* and return the open connection. See geventws.connect().

    The addresses of a name are tried in turn, each for its share of what is left of open_timeout.
    """
    settings = options_of(options)
    where = parse_uri(url)
    if ssl is not None and not where.secure:
        raise ValueError("ssl: only wss has TLS, and this address is not wss")
    opening = opening_to(where, settings, subprotocols, headers, origin)
    deadline = _deadline(settings)
    connected = _dial(where, deadline)
    if where.secure:
        connected = _secure(connected, ssl or default_context(), where.certified, deadline)
    transport = SocketTransport(connected)
    with transport.monitor, _closing_on_failure(transport):
        accepted, rest = open_client(transport, opening, deadline)
    return establish(ThreadedWebSocket, transport, settings, Side.CLIENT, accepted, rest)


class Server:
    """Gives each connection a thread of its own; made by serve()."""

    def __init__(
        self,
        listener: socket.socket,
        handler: Handler,
        upgrader: Upgrader,
        ssl: SSLContext | None,
    ) -> None:
        self.address: Any = listener.getsockname()  # where it listens
        self._listener = listener
        self._callbacks = is_callback_style(handler)
        self._handler: Any = handler
        self._upgrader = upgrader
        self._ssl = ssl
        self._closed = False

    def serve_forever(self) -> None:
        """Accept connections until close() is called."""
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                raise
            Thread(target=self._serve, args=[connected], daemon=True).start()

    def close(self) -> None:
        """Accept no more connections; those there are go on."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # this ends accept()
        self._listener.close()

    def _serve(self, connected: socket.socket) -> None:
        deadline = _deadline(self._upgrader.options)
        try:
            if self._ssl is not None:
                connected = _secure(connected, self._ssl, None, deadline)
            transport = SocketTransport(connected)
            with transport.monitor, _closing_on_failure(transport):
                ws = self._open(transport, deadline)
        except OSError as error:
            logger.info("no connection came about: %s", error)
            return
        if ws is not None:
            self._handle(ws)

    def _open(self, transport: SocketTransport, deadline: float | None) -> ThreadedWebSocket | None:
        answer: Accepted | Response
        try:
            head, rest = drive(read_request(), transport, deadline)
            request = Request(head, transport.peer_address)
            answer = self._upgrader.answer(request, self._ssl is not None or None)
        except TimeoutError:
            answer = refusal(InvalidHandshake("no request in time", 408))
        except InvalidHandshake as error:
            answer = refusal(error)
        if isinstance(answer, Response):
            transport.post([answer.to_bytes()])
            transport.close()
            return None
        transport.post([answer.response])
        make = self._handler if self._callbacks else ThreadedWebSocket
        ws: ThreadedWebSocket = self._upgrader.open(make, transport, request, answer, rest)
        return ws

    def _handle(self, ws: ThreadedWebSocket) -> None:
        try:
            if self._callbacks:
                ws.run()
            else:
                self._handler(ws)
        except Exception as error:
            finish(ws, error)
        else:
            finish(ws)


def serve(
    handler: Handler,
    address: tuple[str, int],
    *,
    ssl: SSLContext | None = None,
    **arguments: Unpack[UpgradeArguments],
) -> Server:
    """Listen at *address* and return the Server, whose serve_forever() is then to be called.

    Args:
        handler: called with each connection, in a thread of its own; when it returns the connection
            is closed. Or a subclass of ThreadedWebSocket in the callback style.
        ssl: a context for wss.
        **arguments: see Upgrader and Options.
    """
    upgrader = Upgrader(**arguments)
    return Server(socket.create_server(address, backlog=128), handler, upgrader, ssl)


# From an address to a socket


def _deadline(options: Options) -> float | None:
    return None if options.open_timeout is None else monotonic() + options.open_timeout


@contextmanager
def _closing_on_failure(closable: SocketTransport | socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        closable.close()
        raise


def _dial(where: URI, deadline: float | None) -> socket.socket:
    addresses = _addresses(where, deadline)
    failure = OSError("the name has no address")
    for count, address in enumerate(addresses):
        seconds = left(deadline, CONNECTING)
        try:
            return _connect(address, seconds and seconds / (len(addresses) - count))
        except OSError as error:
            failure = error
    left(deadline, CONNECTING)
    raise failure


def _connect(address: Address, seconds: float | None) -> socket.socket:
    family, kind, protocol, _, where = address
    connected = socket.socket(family, kind, protocol)
    with _closing_on_failure(connected):
        connected.settimeout(seconds)
        connected.connect(where)
        if family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def _addresses(where: URI, deadline: float | None) -> Sequence[Address]:
    """Look the name up, in a thread of its own: a lookup cannot be told to end in time."""
    if where.path is not None:
        return [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", where.path)]
    found: Future[Sequence[Address]] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(where.host, where.port, 0, socket.SOCK_STREAM))
        except Exception as error:
            found.set_exception(error)

    Thread(target=look_up, daemon=True).start()
    try:
        return found.result(left(deadline, LOOKUP))
    except TimeoutError:
        raise late(LOOKUP) from None


def _secure(
    connected: socket.socket, context: SSLContext, name: str | None, deadline: float | None
) -> SSLSocket:
    """Make the TLS handshake, as a client of *name*, or else as a server."""
    with _closing_on_failure(connected):
        connected.settimeout(left(deadline, TLS))
        try:
            return context.wrap_socket(connected, name is None, server_hostname=name)
        except TimeoutError:
            raise late(TLS) from None
