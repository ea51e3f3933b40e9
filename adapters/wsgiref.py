"""The door for wsgiref: the standard library's WSGI server, whose applications upgrade requests.

Every request has a thread of its own. A view may keep it for as long as it talks; a connection in
the callback style is handed to the server's manager, and then no thread waits for it. Without
gevent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from socket import IPPROTO_TCP, TCP_NODELAY
from socketserver import ThreadingMixIn
from ssl import SSLSocket
from threading import RLock
from types import SimpleNamespace
from typing import Any, ClassVar, Final, TypeVar, Unpack, overload
from wsgiref import simple_server
from wsgiref.headers import Headers

from geventws.adapters.threaded import ThreadedWebSocket, WebSocketManager
from geventws.core.codes import GOING_AWAY
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, refusal
from geventws.environ import Environ, UpgradingApplication, is_secure, request_of
from geventws.sockets import SocketTransport
from geventws.upgrader import AcceptArguments, Upgrader, finish

KEY: Final = "geventws.wsgiref"  # of the environ: the handler that runs the application
LONGEST_LINE: Final = 65536  # bytes, as for the standard library's

W = TypeVar("W", bound=ThreadedWebSocket)


@overload
def upgrade(
    environ: Environ, start_response: Any = ..., **arguments: Unpack[AcceptArguments]
) -> ThreadedWebSocket: ...
@overload
def upgrade(
    environ: Environ,
    start_response: Any = ...,
    *,
    handler: type[W],
    **arguments: Unpack[AcceptArguments],
) -> W: ...
def upgrade(
    environ: Environ,
    start_response: Any = None,
    *,
    handler: type[ThreadedWebSocket] = ThreadedWebSocket,
    **arguments: Unpack[AcceptArguments],
) -> ThreadedWebSocket:
    """Upgrade the request that a view is answering, and return the open connection.

    The view's thread may use it until the view returns: then it is closed, with 1011 where the view
    failed, unless it was given to the server's link_websocket_to_server(). What the view returns is
    not sent.

    Args:
        environ: the request's; the connection keeps it as its environ.
        start_response: the request's; not needed here.
        handler: the class of the connection; for one in the callback style call its run(), or have
            the server's manager do that.
        **arguments: see geventws.upgrade().

    Raises:
        InvalidHandshake: the request opens no WebSocket, or its origin is not allowed; nothing is
            sent. If the view lets it pass, it is answered as it should be.
        TypeError: an argument is wrong, or the server is none of this door, or the request was
            upgraded already.
        ValueError: an argument is wrong.
    """
    if not issubclass(handler, ThreadedWebSocket):
        raise TypeError("handler: a subclass of ThreadedWebSocket")
    upgrader = Upgrader(**arguments)
    running = _handler_of(environ)
    request = request_of(environ, running)
    accepted = upgrader.accept(request, is_secure(environ))
    connection = running.open(handler, upgrader, request, accepted)
    connection.environ = environ
    return connection


def _handler_of(environ: Environ) -> WebSocketWSGIHandler:
    handler = environ.get(KEY)
    if not isinstance(handler, WebSocketWSGIHandler):
        raise TypeError("environ: not of a WSGIServer here, or upgraded already")
    return handler


class WebSocketWSGIApplication(UpgradingApplication[ThreadedWebSocket]):
    """A WSGI application that upgrades every request to a WebSocket and has a handler serve it.

    A subclass of ThreadedWebSocket is handed to the server's manager, and the call returns at once;
    a function is called with the connection in the request's thread. All arguments are those of
    geventws.WebSocketWSGIApplication.
    """

    connection_class: ClassVar[Any] = ThreadedWebSocket

    def _upgradable_of(self, environ: Environ) -> WebSocketWSGIHandler:
        return _handler_of(environ)

    def _refuse(self, upgradable: Any, response: Response, start_response: Any) -> list[bytes]:
        upgradable.answer(response)  # wsgiref lets nobody name Upgrade or Connection
        return []

    def _begin(
        self,
        upgradable: WebSocketWSGIHandler,
        start_response: Any,
        make: type[ThreadedWebSocket],
        request: Request,
        accepted: Accepted,
    ) -> ThreadedWebSocket:
        return upgradable.open(make, self._upgrader, request, accepted)

    def _serve(self, upgradable: Any, connection: ThreadedWebSocket) -> None:
        if self._callbacks:
            upgradable.server.link_websocket_to_server(connection)
        else:
            self._handler(connection)


class WebSocketWSGIHandler(simple_server.ServerHandler):
    """Runs the application for one request, which can have the connection instead of a response."""

    request_handler: WebSocketWSGIRequestHandler
    server: WSGIServer
    _connection: ThreadedWebSocket | None = None
    _error: BaseException | None = None  # what the view failed with
    _answered = False  # all is said that HTTP says

    def run(self, application: Any) -> None:
        """Run the application; a connection that it opened is closed then, or in other hands."""
        try:
            super().run(partial(self._noting, application))
        finally:
            if self._connection is not None and self.server.take_from_view(self._connection):
                finish(self._connection, self._error)

    def finish_response(self) -> None:
        """Send what the application has returned; after an upgrade it goes nowhere."""
        self._noting(super().finish_response)

    def _noting(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            return call(*args)
        except BaseException as error:  # some of which wsgiref passes over: those of lost streams
            self._error = error
            raise

    def setup_environ(self) -> None:
        """Make the environ, in which upgrade() finds this handler."""
        super().setup_environ()
        self.environ[KEY] = self  # type: ignore[attr-defined]

    @property
    def head(self) -> bytes:
        """The head of the request, as it came."""
        return self.request_handler.head

    def open(self, make: type[W], upgrader: Upgrader, request: Request, accepted: Accepted) -> W:
        """Send the 101 and return the connection; nothing that follows is HTTP."""
        if self._connection is not None:  # by an environ that some middleware has copied
            raise TypeError("environ: the request was upgraded already")
        sock = self.request_handler.connection
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        transport = SocketTransport(sock)
        rest: bytes | None = None
        with suppress(OSError):  # nothing is here; what else may be wrong the transport will find
            rest = self.request_handler.rfile.read1()
        with transport.monitor:
            connection = upgrader.open(make, transport, request, accepted, rest or b"")
            transport.post([accepted.response])
        del self.environ[KEY]  # type: ignore[attr-defined]
        self._connection = connection
        self._say_no_more("101 Switching Protocols")
        self.server.give_to_view(connection, sock)
        return connection

    def answer(self, response: Response) -> None:
        """Send *response*, and nothing after it."""
        self.request_handler.wfile.write(response.to_bytes())
        self._say_no_more(f"{response.status} -")

    def _say_no_more(self, status: str) -> None:
        self.status, self.headers = status, Headers()
        self.headers_sent = self._answered = True

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin a response; after an upgrade there is none, whatever a framework returns."""
        return self.write if self._answered else super().start_response(status, headers, exc_info)

    def _write(self, data: bytes) -> None:
        if not self._answered:
            super()._write(data)

    def handle_error(self) -> None:
        """Deal with what the application raised, be it about an upgrade or on a connection."""
        if self._connection is not None:
            self.close()
        elif isinstance(self._error, InvalidHandshake) and not self.headers_sent:
            self.answer(refusal(self._error))
            self.close()
        else:
            super().handle_error()


class WebSocketWSGIRequestHandler(simple_server.WSGIRequestHandler):
    """Reads one request and has it answered, or upgraded.

    Attributes:
        timeout: how many seconds a client may say or take nothing, until it is a WebSocket.
        wsgi_handler: the class that runs the application.
        head: the head of the request that was read.
    """

    timeout = 10.0
    head = b""  # as it came; the standard library's parser forgives what has to be refused
    server: WSGIServer
    wsgi_handler: ClassVar[Any] = WebSocketWSGIHandler

    def get_environ(self) -> Environ:
        """Return the environ of the request."""
        environ: Environ = super().get_environ()
        environ["REMOTE_PORT"] = str(self.client_address[1])
        if isinstance(self.connection, SSLSocket):
            environ["HTTPS"] = "on"
        return environ

    def handle(self) -> None:
        """Read the request and run the application for it."""
        try:
            if not self._read_request():
                return
        except OSError as error:  # it went, says nothing, or TLS fails
            self.requestline = ""
            self.log_error("no request: %s", error)
            return
        handler = self.wsgi_handler(
            self.rfile, self.wfile, self.get_stderr(), self.get_environ(), multithread=True
        )
        handler.request_handler, handler.server = self, self.server
        handler.run(self.server.get_app())

    def _read_request(self) -> bool:
        self.raw_requestline = self.rfile.readline(LONGEST_LINE + 1)
        if len(self.raw_requestline) <= LONGEST_LINE:
            return self._parse()
        self.requestline = self.request_version = self.command = ""
        self.send_error(414)
        return False

    def _parse(self) -> bool:
        stream, lines = self.rfile, [self.raw_requestline]

        def read_and_keep(limit: int) -> bytes:
            lines.append(stream.readline(limit))
            return lines[-1]

        self.rfile = SimpleNamespace(readline=read_and_keep)  # type: ignore[assignment]
        try:
            return self.parse_request()
        finally:
            self.rfile = stream
            self.head = b"".join(lines).removesuffix(b"\r\n\r\n")


class WSGIServer(ThreadingMixIn, simple_server.WSGIServer):
    """wsgiref's WSGIServer, with a thread for each request, whose applications can upgrade them.

    For make_server(), with WebSocketWSGIRequestHandler. For TLS wrap its socket, with
    do_handshake_on_connect=False, or a client that does not shake hands keeps all others out.

    Attributes:
        manager: the WebSocketManager of the connections in the callback style; None before the
            first one.
        drain_timeout: how many seconds server_close() waits for the manager's connections.
    """

    daemon_threads = True
    request_queue_size = 128
    drain_timeout = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.manager: WebSocketManager | None = None
        self._lock = RLock()  # of all of these
        self._upgraded: set[Any] = set()  # sockets whose requests have not ended
        self._in_views: set[ThreadedWebSocket] = set()  # which the threads of requests close
        self._closing = False
        super().__init__(*args, **kwargs)

    def initialize_websockets_manager(self) -> None:
        """Start the manager, unless that was done; the first connection that needs it does so."""
        with self._lock:
            if self.manager is None:
                self.manager = WebSocketManager()
                self.manager.start()

    def link_websocket_to_server(self, ws: ThreadedWebSocket) -> None:
        """Have the manager run the callbacks of *ws* from now on; returns at once."""
        with self._lock:
            if not self._closing:
                self.initialize_websockets_manager()
                self.manager.add(ws)  # type: ignore[union-attr]
                self._in_views.discard(ws)

    def server_close(self) -> None:
        """Stop listening, close every WebSocket with 1001, and wait until all of them are over.

        A peer that does not answer is dropped after its close_timeout, and whoever the manager has
        still after drain_timeout.
        """
        super().server_close()
        with self._lock:
            self._closing = True
            in_views = list(self._in_views)
        for ws in in_views:
            ws.begin_close(GOING_AWAY)
        if self.manager is not None:
            self.manager.drain(self.drain_timeout)
        for ws in in_views:
            ws.close()

    def give_to_view(self, ws: ThreadedWebSocket, request: Any) -> None:
        """Take note that a view has *ws*, whose socket is that of *request*."""
        with self._lock:
            self._upgraded.add(request)
            self._in_views.add(ws)
        if self._closing:
            ws.begin_close(GOING_AWAY)

    def take_from_view(self, ws: ThreadedWebSocket) -> bool:
        """Take note that the view has returned; return whether it had *ws* still."""
        with self._lock:
            had = ws in self._in_views
            self._in_views.discard(ws)
        return had

    def shutdown_request(self, request: Any) -> None:
        """Close the socket *request*, unless it is a WebSocket's."""
        with self._lock:
            is_http = request not in self._upgraded
            self._upgraded.discard(request)
        if is_http:
            super().shutdown_request(request)
