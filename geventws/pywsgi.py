"""gevent's WSGIServer, taught to upgrade, to be strict and to end.

socket -> Stream -> head -> Request -> environ -> the application -> a response | a WebSocket

gevent parses nothing here: heads are read by our own reader, within a deadline, and what is
ambiguous in them is refused before anyone acts on it.
"""

from __future__ import annotations

import io
import ssl as stdlib_ssl
from collections.abc import Callable, Iterable, Iterator
from time import time
from typing import Any, Final

import gevent
import gevent.ssl
from gevent import pywsgi
from zope.interface import classImplements

from geventws.acceptor import Acceptor, Arrival, Secured, check_backlog, late, linger
from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.core.handshake import Request, Response, refusal
from geventws.core.headers import Headers, has_token
from geventws.environ import UpgradingApplication
from geventws.interfaces import IUpgradable
from geventws.limits import Limits
from geventws.stream import Stream, asks_for_websocket, check_http
from geventws.transport import SOCKET, Transport
from geventws.upgrader import AcceptArguments, Upgrader, finish
from geventws.websocket import WebSocket
from geventws.wsgi import LazyWebSocket, refusals

SWITCHING: Final = "101 Switching Protocols"
KEYS: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})  # of an environ, without "HTTP_"
# What gevent's WSGIServer takes for TLS; it would take any other keyword for one of these too.
GEVENT_TLS: Final = frozenset(
    {
        *("ssl_context", "keyfile", "certfile", "cert_reqs", "ssl_version", "ca_certs", "ciphers"),
        *("server_side", "suppress_ragged_eofs"),
    }
)


class UpgradeInput(io.BytesIO):
    """The wsgi.input of a request for an upgrade: an empty body, and an IUpgradable."""

    __slots__ = ("_handler", "connection", "head", "limits", "socket")

    def __init__(self, handler: WebSocketWSGIHandler, head: bytes) -> None:
        super().__init__()
        self.head = head
        self.connection: WebSocket | None = None
        self.socket = handler.socket
        self.limits = handler.server.limits
        self._handler: WebSocketWSGIHandler | None = handler

    def begin(self, response: bytes, start_response: object) -> bytes:
        """Send *response* and return what was read past the request. See IUpgradable."""
        if self._handler is None or self._handler.headers_sent:
            raise RuntimeError("environ: the request was answered already")
        rest = self._handler.switch(response)
        self.socket = self._handler.socket
        return rest

    def opened(self, connection: Any) -> None:
        """Take note that *connection* has the stream now. See IUpgradable."""
        self.connection = connection
        assert self._handler is not None
        self._handler.server.manager.add(connection)

    def forget(self) -> None:
        """Let go of what this refers to; the request is over."""
        self._handler = None


class WebSocketWSGIHandler(pywsgi.WSGIHandler):
    """Serves the HTTP requests of one connection, up to one that becomes a WebSocket."""

    server: WSGIServer
    arrival: Arrival
    # gevent's, of which its annotations know too little
    rfile: Any
    headers: Any
    environ: Any
    client_address: Any
    socket: Any
    content_length: Any
    status: Any
    _sendall: Callable[[bytes], None]

    _input: UpgradeInput | None = None  # of the request, if it asks for an upgrade
    _request: Request

    def __init__(self, sock: Any, address: Any, server: WSGIServer, rfile: Any = None) -> None:
        rfile = rfile or Stream(sock, server.open_timeout)
        super().__init__(sock, address, server, rfile)  # type: ignore[call-arg]

    # Heads

    def handle_one_request(self) -> Any:
        """Serve one request; return True where another one may follow, None otherwise."""
        if self.rfile.closed or not self._read_request():
            return None
        self.environ = self.get_environ()
        application = self.server.application
        if isinstance(application, UpgradingApplication):
            application = application.__call__  # a function can let go of what it is given
        self.application = application
        self.handle_one_response()
        if self._input is not None:
            self._leave(self._input)
        self.arrival.waiting = True
        ends = self.close_connection or self.rfile.closed or not self.server.started
        return None if ends else True

    def _read_request(self) -> bool:
        """Wait for a request; return whether there is one that may be served."""
        self.requestline = None
        try:
            head = self._wait_for_head()
            if head is None:
                return False
            self._request = Request(head, self.arrival.address)
            self._take_over(*self._request.line, self._request.headers)
            self.server.admit(self.arrival, self._request)
            self.client_address = self._request.remote_address
        except TimeoutError:
            self._turn_away(late())
        except InvalidHandshake as error:
            self._turn_away(refusal(error))
        except OSError:  # the peer went away
            return False
        else:
            self.arrival.waiting = False
            return True
        return False

    def _wait_for_head(self) -> bytes | None:
        arrival = self.arrival
        if arrival.admitted:  # and so this is not the first request: it begins with its first byte
            arrival.idle = True
            try:
                if not self.rfile.wait():
                    return None
            finally:
                arrival.idle = False
            arrival.restart(self.server.open_timeout)
        head: bytes | None = self.rfile.next_head(arrival.left())
        return head

    def _take_over(self, method: str, target: str, version: str, headers: Headers) -> None:
        """Set what pywsgi knows of a request."""
        self.command, self.path, self.request_version = method, target, version
        self.requestline = f"{method} {target} {version}"
        check_http(version, headers)
        self.headers = pywsgi.OldMessage()
        self.headers._headers += headers.items()  # one by one they take ten times as long
        length = headers.get("Content-Length")
        self.content_length = None if length is None else int(length)
        connection = headers.get("Connection", "")
        keeps = version == "HTTP/1.1" or has_token(connection, "keep-alive")
        self.close_connection = not keeps or has_token(connection, "close")

    def _turn_away(self, response: Response) -> None:
        self._answered(f"{response.status} -")
        self.time_finish = time()
        self.log_request()
        self.server.refuse(Transport(self.socket), response, self.arrival)

    # The application

    def get_environ(self) -> dict[str, Any]:
        """Return the environ of the request; one for an upgrade has a lazy "wsgi.websocket"."""
        environ: dict[str, Any] = super().get_environ()
        if self.arrival.secure is not None:  # with a proxy in front it need not be the server's
            environ["wsgi.url_scheme"] = "https" if self.arrival.secure else "http"
        self._input = None
        if asks_for_websocket(self._request.headers):
            self._input = UpgradeInput(self, self._request.head)
            environ["wsgi.input"] = self._input
            environ["wsgi.websocket"] = LazyWebSocket(
                environ, self._input, self.server.upgrader, self.server.keep_environ
            )
        return environ

    def _headers(self) -> Iterator[tuple[str, str]]:
        for name, value in self._request.headers.items():
            if "_" not in name:  # or it could pass for another one
                key = name.replace("-", "_").upper()
                if key not in KEYS:
                    yield f"HTTP_{key}", value.strip()

    def _connection_upgrade_requested(self) -> bool:
        return False  # or pywsgi would give the application the raw stream

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin a response; after an upgrade there is none, whatever a framework returns."""
        if self._input is not None and self._input.connection is not None:
            return self.write
        # after a refused upgrade a proxy may take what follows for frames, and it never is
        if self._input is not None or self.rfile.closed or not self.server.started:
            self.close_connection = True
            if not any(name.lower() == "connection" for name, _ in headers):
                headers = [*headers, ("Connection", "close")]
        return super().start_response(status, headers, exc_info)

    def write(self, data: bytes) -> None:
        """Send a part of the body; after an upgrade it goes nowhere."""
        if self._input is None or self._input.connection is None:
            super().write(data)

    def switch(self, response: bytes) -> bytes:
        """Send *response*, the 101, leave the stream alone, and return what was read of it."""
        self._answered(SWITCHING)
        self._sendall(response)
        rest: bytes = self.rfile.take()
        self.rfile.close()
        self._shrink()
        return rest

    def _shrink(self) -> None:
        """Let go of what is needed no more, for the connection may be a long one."""
        self.headers = pywsgi.WSGIHandler.headers
        if type(self) is WebSocketWSGIHandler:  # another one may want it for its log
            self.environ = {}
        del self._request
        if not isinstance(self.socket, gevent.ssl.SSLSocket):
            theirs = self.socket  # it has two watchers, where the transport brings its own
            self.socket = SOCKET(theirs.family, theirs.type, theirs.proto, theirs.detach())
            self.arrival.socket = self.socket

    def _answered(self, status: str) -> None:
        """Take note that a response with *status* is sent, for the log and against another one."""
        self._orig_status = status
        self.status = status.encode()
        self.code = int(status[:3])
        self.headers_sent = True
        self.close_connection = True

    def run_application(self) -> None:
        """Run the application; a connection it opened is closed when it returns or fails."""
        try:
            super().run_application()
        except (Exception, gevent.Timeout) as error:
            if not self._deal_with(error):
                raise
        except BaseException:  # killed
            if self._input is not None and self._input.connection is not None:
                self._input.connection.drop()
            raise
        else:
            if self._input is not None and self._input.connection is not None:
                finish(self._input.connection)

    def _deal_with(self, error: BaseException) -> bool:
        """Return whether *error*, raised by the application, is none of an HTTP response."""
        if self._input is not None and self._input.connection is not None:
            finish(self._input.connection, error)
            return True
        # of this request, be it one without Upgrade; a view may have had others, as a client
        if isinstance(error, InvalidHandshake) and error in refusals and not self.headers_sent:
            response = refusal(error).to_bytes()
            self._answered(response[9:].partition(b"\r\n")[0].decode())
            self._sendall(response)
            return True
        # gone before the 101
        return self._input is not None and isinstance(error, ConnectionClosed) and self.headers_sent

    def _leave(self, body: UpgradeInput) -> None:
        """End a request for an upgrade."""
        body.forget()
        if body.connection is None:
            self.server.note_refusal(self.code or 0, self.arrival)
        if body.connection is None and self.close_connection:
            linger(Transport(self.socket), self.arrival)


class WSGIServer(Acceptor, pywsgi.WSGIServer):
    """gevent's WSGIServer, whose applications can upgrade requests to WebSockets.

    Use upgrade() in a view, or environ["wsgi.websocket"], a LazyWebSocket, or give it a
    WebSocketWSGIApplication. Plain HTTP works as with gevent's own, but every request is read
    strictly and within open_timeout, which also ends connections that wait for a next request, or
    for more of a body, for longer than that.

    Args:
        listener: as for serve().
        application: the WSGI application.
        backlog, spawn, log, error_log, handler_class, environ: as for gevent's.
        ssl: a context for TLS, with a certificate loaded.
        limits: what it takes; see Limits.
        trusted_proxies: as for serve(); REMOTE_ADDR and wsgi.url_scheme are the client's too.
        keep_environ: whether connections opened by environ["wsgi.websocket"] keep the environ.
        **arguments: subprotocols, select_subprotocol, origins and headers, see Upgrader, and the
            options, see Options: for environ["wsgi.websocket"]. What gevent's WSGIServer takes for
            TLS is taken too.

    Attributes:
        manager: the Manager of the open WebSocket connections.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    handler_class: Any = WebSocketWSGIHandler

    def __init__(
        self,
        listener: Any,
        application: Any = None,
        backlog: int | None = None,
        spawn: Any = "default",
        log: Any = "default",
        error_log: Any = "default",
        handler_class: Any = None,
        environ: dict[str, Any] | None = None,
        *,
        ssl: stdlib_ssl.SSLContext | None = None,
        limits: Limits | None = None,
        trusted_proxies: Iterable[str] = (),
        keep_environ: bool = False,
        **arguments: Any,
    ) -> None:
        upgrading, tls = _split(arguments)
        context = tls.pop("ssl_context", ssl)
        if context is not None:
            tls["ssl_context"] = Secured(context)
        self.upgrader = Upgrader(**upgrading)
        self.open_timeout = self.upgrader.options.open_timeout
        self.keep_environ = keep_environ
        if backlog is not None:
            check_backlog(backlog)
        self._prepare(limits, self.open_timeout, trusted_proxies)
        pywsgi.WSGIServer.__init__(
            self,
            listener,
            application,
            backlog,
            spawn,
            log,
            error_log,
            handler_class,
            environ,
            **tls,
        )

    def _serve(self, arrival: Arrival) -> None:
        handler = self.handler_class(arrival.socket, arrival.address, self)
        handler.arrival = arrival
        handler.handle()


def _split(arguments: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return what is ours and what is gevent's of *arguments*."""
    ours = AcceptArguments.__optional_keys__
    for name in arguments:
        if name not in ours | GEVENT_TLS:
            raise TypeError(f"unexpected option: {name}")
    upgrading = {name: value for name, value in arguments.items() if name in ours}
    return upgrading, {name: arguments[name] for name in arguments if name not in ours}


classImplements(UpgradeInput, IUpgradable)
