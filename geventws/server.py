"""The native server: TCP or TLS straight to WebSocket, with nothing of WSGI between.

accept -> head -> Upgrader.answer -> 101 -> handler(connection)
"""

from __future__ import annotations

import logging
import ssl as stdlib_ssl
from collections.abc import Iterable
from typing import Any, Unpack

from geventws.acceptor import (
    Acceptor,
    Arrival,
    Secured,
    check_backlog,
    check_reuse_port,
    late,
)
from geventws.care import caretaker
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, refusal
from geventws.core.headers import HeadReader
from geventws.handling import run_handler
from geventws.limits import Limits
from geventws.listening import BACKLOG
from geventws.metering import measure, transport_of
from geventws.transport import SOCKET, Transport
from geventws.upgrader import Handler, UpgradeArguments, Upgrader, is_callback_style
from geventws.websocket import WebSocket
from geventws.workers import workers

logger = logging.getLogger("geventws")


class WebSocketServer(Acceptor):
    """A gevent StreamServer whose connections are WebSockets; use serve().

    Attributes:
        manager: the Manager of the open connections.
    """

    def __init__(
        self,
        listener: Any,
        handler: Handler,
        *,
        ssl: stdlib_ssl.SSLContext | None = None,
        limits: Limits | None = None,
        backlog: int = BACKLOG,
        reuse_port: bool = False,
        trusted_proxies: Iterable[str] = (),
        **arguments: Unpack[UpgradeArguments],
    ) -> None:
        self._callbacks = is_callback_style(handler)
        self._handler: Any = handler
        self._upgrader = Upgrader(**arguments)
        check_backlog(backlog)
        check_reuse_port(reuse_port, listener)
        self._reuse_port = reuse_port
        self._prepare(limits, self._upgrader.options.open_timeout, trusted_proxies)
        given: dict[str, Any] = {} if ssl is None else {"ssl_context": Secured(ssl)}
        if not hasattr(listener, "accept"):  # or it listens already, with a backlog of its own
            given["backlog"] = backlog
        super().__init__(listener, **given)

    def _accept(self) -> Any:
        if self.ssl_enabled:
            return super()._accept()
        listener: Any = self.socket
        try:
            file, address = listener._accept()
        except BlockingIOError:
            return None
        # a gevent socket has two watchers more, and nobody here waits for it but the transport
        return SOCKET(listener.family, listener.type, listener.proto, file), address

    def _serve(self, arrival: Arrival) -> None:
        transport = transport_of(arrival.socket, self.limits)
        if arrival.counted == transport.peer_address:
            arrival.address = arrival.counted = transport.peer_address  # and there is but one of it
        try:
            connection = self._open(arrival, transport)
            # all that the opening needed is gone from here on: the handler may run for days
            if connection is not None and not self._callbacks:
                run_handler(self._handler, connection)
        except OSError as error:
            logger.info("%s: went away while opening: %s", arrival.address, error)
        finally:
            if not arrival.handed_over:
                transport.close()

    def _open(self, arrival: Arrival, transport: Transport) -> WebSocket | None:
        """Return the connection that was opened; None where none was."""
        try:
            read = _read_head(arrival, transport)
            if read is None:
                return None
            request = Request(read[0], arrival.address)
            self.admit(arrival, request)
        except TimeoutError:
            self.refuse(transport, late(), arrival)
        except InvalidHandshake as error:
            self.refuse(transport, refusal(error), arrival)
        else:
            return self._answer(request, read[1], arrival, transport)
        return None

    def _answer(
        self, request: Request, rest: bytes, arrival: Arrival, transport: Transport
    ) -> WebSocket | None:
        arrival.waiting = False  # for us the peer waits now
        answer = self._upgrader.answer(request, arrival.secure)
        if isinstance(answer, Response):
            self.refuse(transport, answer, arrival, request)
            return None
        transport.write([answer.response], arrival.left())
        return self._begin(request, answer, rest, arrival, transport)

    def _begin(
        self,
        request: Request,
        accepted: Accepted,
        rest: bytes,
        arrival: Arrival,
        transport: Transport,
    ) -> WebSocket:
        make = self._handler if self._callbacks else WebSocket
        connection: WebSocket = self._upgrader.open(make, transport, request, accepted, rest)
        measure(connection, transport)
        caretaker().watch(connection, transport)
        self.manager.add(connection)
        if self._callbacks:
            self._hand_over(arrival, connection)
            workers().drive(connection, transport)
        return connection


def _read_head(arrival: Arrival, transport: Transport) -> tuple[bytes, bytes] | None:
    """Return the head of the request and what came after it; None where the peer gave up."""
    reader = HeadReader()
    while (head := reader.next_head()) is None:
        data = transport.read(arrival.left())
        if not data:
            return None
        reader.feed(data)
    return head, reader.rest()


def serve(
    handler: Handler,
    address: Any,
    *,
    ssl: stdlib_ssl.SSLContext | None = None,
    limits: Limits | None = None,
    backlog: int = BACKLOG,
    reuse_port: bool = False,
    trusted_proxies: Iterable[str] = (),
    **arguments: Unpack[UpgradeArguments],
) -> WebSocketServer:
    """Return a server that has *handler* serve every WebSocket connection to *address*.

    It listens from start() or serve_forever() on; drain() or stop() end it.

    Args:
        handler: a callable that is given each connection, in a greenlet of its own; when it
            returns the connection is closed with 1000, when it raises with 1011. Or a subclass of
            WebSocket in the callback style, which holds no greenlet while nothing happens.
        address: (host, port), where port 0 is any free one; "host:port"; ":port" for every
            address of this machine; "unix:/path"; or a listening socket.
        ssl: a context for TLS, with a certificate loaded.
        limits: what it takes; see Limits.
        backlog: connections that the kernel holds until they are accepted.
        reuse_port: whether other processes may listen at the same address with reuse_port too: the
            kernel spreads connections over them (SO_REUSEPORT).
        trusted_proxies: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto say who
            the client is; see TrustedProxies.
        **arguments: subprotocols, select_subprotocol, origins, process_request and headers, see
            Upgrader; the others, as max_size or ping_interval, see Options.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """
    return WebSocketServer(
        address,
        handler,
        ssl=ssl,
        limits=limits,
        backlog=backlog,
        reuse_port=reuse_port,
        trusted_proxies=trusted_proxies,
        **arguments,
    )
