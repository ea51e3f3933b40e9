"""How WSGI servers let go of a connection, and what becomes of it then.

environ -> IUpgradable, Request            101 -> ITransport -> WebSocket

Which IUpgradable is a server's, and which transport fits its sockets, is looked up in *registry*:
by what the server gives as wsgi.input, and by the class of the socket. Support for another server
is another registration.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import gevent
import gevent.socket
import gevent.ssl
from gevent import pywsgi
from greenlet import getcurrent
from zope.interface import classImplements, implementedBy
from zope.interface.adapter import AdapterRegistry

from geventws.care import caretaker
from geventws.core.codes import ABNORMAL_CLOSURE, INTERNAL_ERROR
from geventws.core.errors import ConnectionClosed
from geventws.core.handshake import Accepted, Request, parse_response
from geventws.environ import Environ
from geventws.extras import load
from geventws.interfaces import ICaretaker, ITransport, IUpgradable
from geventws.limits import Limits
from geventws.metering import measure, transport_of
from geventws.transport import SOCKET, Transport
from geventws.upgrader import Upgrader
from geventws.websocket import WebSocket

W = TypeVar("W", bound=WebSocket)

registry: Final[Any] = AdapterRegistry()


def upgradable_of(environ: Environ) -> Any:
    """Return the IUpgradable of the request; None on a server that none is known for."""
    upgradable = registry.queryAdapter(environ["wsgi.input"], IUpgradable)
    if upgradable is None and "gunicorn.socket" in environ:  # its own workers; the door registers
        load("geventws.adapters.gunicorn", "gunicorn")
        upgradable = registry.queryAdapter(environ["wsgi.input"], IUpgradable)
    return upgradable


def begin_websocket(
    upgradable: Any,
    start_response: Any,
    make: type[W],
    upgrader: Upgrader,
    request: Request,
    accepted: Accepted,
) -> W:
    """Send the 101 and return the connection that begins with it.

    Raises:
        ConnectionClosed: the peer is gone already.
        TypeError: the server does not let go of its connections, as far as is known.
    """
    if upgradable is None:
        raise TypeError("environ: this WSGI server does not let go of its connections")
    make_transport = registry.lookup1(_kind(type(upgradable.socket)), ITransport)
    if make_transport is None:
        raise TypeError("environ: this WSGI server's sockets have no transport")
    try:
        rest = upgradable.begin(accepted.response, start_response)
    except OSError as error:
        raise ConnectionClosed(ABNORMAL_CLOSURE, "", False) from error
    limits = upgradable.limits
    transport = make_transport(upgradable.socket, limits)
    connection = upgrader.open(make, transport, request, accepted, rest)
    measure(connection, transport)
    registry.queryAdapter(transport, ICaretaker).watch(connection, transport)
    upgradable.opened(connection)
    return connection


class BufferedRequest:
    """A request on gevent's own WSGIServer, whose wsgi.input is what it reads the socket through.

    That server knows nothing of the connection, which therefore is dropped, where nobody closed
    it, when the request ends, be it that the view failed: that server tells neither from the other.
    A plain socket is taken from it; over TLS it has closed the socket before the peer hears why.
    """

    head: bytes | None = None
    limits: Limits | None = None

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.socket: Any = getattr(getattr(reader, "raw", None), "_sock", None)
        self._servers: Any = None  # what is left to the server where its socket was taken

    def begin(self, response: bytes, start_response: Any) -> bytes:
        """Send *response* and return what was read past the request. See IUpgradable."""
        if start_response is None:
            self.socket.sendall(response)
        else:
            _, _, headers = parse_response(response.removesuffix(b"\r\n\r\n"))
            # a returned body of [] would be given a Content-Length; written, nothing is added
            start_response("101 Switching Protocols", headers.items())(b"")
        rest = b""
        self.socket.settimeout(0.0)
        with suppress(OSError):  # nothing is here; what else may be wrong the transport will find
            rest = self._reader.read1() or b""
        self._reader.close()  # so that the server reads no further request
        if not isinstance(self.socket, gevent.ssl.SSLSocket):
            self._servers = self.socket
            self.socket = SOCKET(fileno=self._servers.detach())
        return rest

    def opened(self, connection: Any) -> None:
        """See to it that *connection* does not outlive the greenlet. See IUpgradable."""
        if self.socket.family != gevent.socket.AF_UNIX:
            # that server leaves Nagle's algorithm on, which delays a second small frame by 40 ms
            self.socket.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)

        def drop(_: object = None) -> None:
            connection.drop(INTERNAL_ERROR, "the view left it open")

        if self._servers is None:
            connection.follow(self._break_pipe)
        else:
            self._servers._sock = Gone(drop)
        greenlet = getcurrent()
        if isinstance(greenlet, gevent.Greenlet):
            greenlet.rawlink(drop)

    def _break_pipe(self, _: object) -> None:
        # A framework answers 200 when the view is done. That server passes over EPIPE then, but not
        # over the EBADF of a socket that was closed by somebody else.
        self.socket._sock = Gone()


class Gone:
    """In place of a socket that was closed or taken away: as if the peer had closed it."""

    def __init__(self, closing: Callable[[], None] | None = None) -> None:
        self._closing = closing

    def __bool__(self) -> bool:
        return self._closing is not None  # what is false, gevent and its server do not close

    def close(self) -> None:
        """Tell who took it, once."""
        closing, self._closing = self._closing, None
        if closing is not None:
            closing()

    def __getattr__(self, name: str) -> Any:
        raise BrokenPipeError(errno.EPIPE, "the connection was a WebSocket, and is over")


def _kind(kind: type) -> Any:
    return implementedBy(kind)  # type: ignore[no-untyped-call]


def _itself(thing: Any) -> Any:
    return thing


classImplements(BufferedRequest, IUpgradable)
registry.register([IUpgradable], IUpgradable, "", _itself)
registry.register([_kind(io.BufferedReader)], IUpgradable, "", BufferedRequest)
# what gevent's server gives where Upgrade has more than "websocket" in it
registry.register([_kind(pywsgi.Input)], IUpgradable, "", lambda body: BufferedRequest(body.rfile))
registry.register([_kind(gevent.socket.socket)], ITransport, "", transport_of)
registry.register([_kind(SOCKET)], ITransport, "", transport_of)
registry.register([_kind(Transport)], ICaretaker, "", lambda _: caretaker())
