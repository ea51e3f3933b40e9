"""The door for gunicorn: a worker that serves WebSockets, and upgrade() under gunicorn's own.

gunicorn -k geventws.adapters.gunicorn.GeventWebSocketWorker -> WSGIServer -> WebSocketHandler
gunicorn -k gevent | gthread -> the environ -> upgrade() -> HijackedRequest | ThreadRequest

On its gevent_pywsgi worker, upgrade() works as on gevent's own server.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

import gevent
import gevent.socket
import gevent.ssl
from gevent import pywsgi
from gevent.event import Event
from gevent.pool import Pool
from gunicorn.http.body import Body
from gunicorn.http.wsgi import base_environ
from gunicorn.sock import ssl_context
from gunicorn.workers.ggevent import VERSION, GeventPyWSGIWorker, PyWSGIHandler
from zope.interface import implementedBy

import geventws.pywsgi
from geventws.core.codes import INTERNAL_ERROR
from geventws.core.handshake import Response
from geventws.interfaces import IUpgradable
from geventws.pywsgi import SWITCHING, WebSocketWSGIHandler
from geventws.transport import SOCKET
from geventws.upgradable import BufferedRequest, Gone, registry

BEAT: Final = 1.0  # seconds between two signs of life, which gunicorn wants of a worker
PATIENCE: Final = 0.9  # of graceful_timeout, for after that gunicorn kills


class WebSocketHandler(WebSocketWSGIHandler, PyWSGIHandler):
    """Serves one connection of a worker, and has gunicorn write the access log."""

    server: WSGIServer

    def run_application(self) -> None:
        """Run the application for a request, which counts for max_requests."""
        self.server.worker.count_request()
        super().run_application()

    def _turn_away(self, response: Response) -> None:
        method, target, version = (self.requestline or "- - -").split(" ")
        self.environ = {
            **{"REQUEST_METHOD": method, "RAW_URI": target, "SERVER_PROTOCOL": version},
            "REMOTE_ADDR": self.arrival.address[0] if self.arrival.address else "",
        }
        super()._turn_away(response)

    def log_request(self) -> None:
        """Have gunicorn write a request to its access log."""
        if self.headers is None:  # there were none, or they were let go of
            self.headers = pywsgi.OldMessage()
        if self.response_headers is None:  # sent by somebody else than pywsgi
            self.response_headers: list[tuple[str, str]] = []
        super().log_request()


class WSGIServer(geventws.pywsgi.WSGIServer):
    """geventws.WSGIServer as a worker of gunicorn has it, for one listening socket."""

    worker: GeventWebSocketWorker


class GeventWebSocketWorker(GeventPyWSGIWorker):
    """A worker of gunicorn's whose applications can upgrade requests to WebSockets.

    It is geventws.WSGIServer, with the settings that gunicorn's own gevent workers have, and
    max_requests, which counts every request. A worker that is to end, be it by SIGTERM, by a reload
    or by max_requests, does what drain() does within nine tenths of graceful_timeout, and ends as
    soon as nobody is left: every WebSocket is closed with 1001.

    When worker_connections are open at an address, WebSockets included, it accepts no more there.

    Attributes:
        arguments: what geventws.WSGIServer is given besides, as origins, max_size, limits or
            trusted_proxies; for a subclass to set.
    """

    arguments: ClassVar[Mapping[str, Any]] = {}
    server_class: ClassVar[Any] = WSGIServer
    wsgi_handler: ClassVar[Any] = WebSocketHandler

    def init_process(self) -> None:
        """Set the process up, and run; returns when the worker has ended."""
        self._told = Event()  # to end; a signal may do that before run()
        super().init_process()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to end, as gunicorn has asked by SIGTERM."""
        super().handle_exit(sig, frame)
        self._told.set()

    def count_request(self) -> None:
        """Count a request, and begin to end where it is the last one by max_requests."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            self._told.set()

    def run(self) -> None:
        """Serve until the worker is to end, then drain."""
        servers = [self._serve(sock) for sock in self.sockets]
        while self.alive:
            self.notify()
            self._told.wait(BEAT)
        patience = self.cfg.graceful_timeout * PATIENCE
        drains = [gevent.spawn(server.drain, patience) for server in servers]
        while not all(drain.ready() for drain in drains):
            self.notify()
            gevent.joinall(drains, timeout=BEAT)

    def _serve(self, sock: Any) -> WSGIServer:
        environ = base_environ(self.cfg)
        environ.update({"wsgi.multithread": True, "SERVER_SOFTWARE": VERSION})
        server: WSGIServer = self.server_class(
            sock,
            self.wsgi,
            spawn=Pool(self.worker_connections),
            log=self.log,
            handler_class=self.wsgi_handler,
            environ=environ,
            ssl=self._tls() if self.cfg.is_ssl else None,
            **self.arguments,
        )
        server.worker = self
        server.start()
        return server

    def _tls(self) -> ssl.SSLContext:
        context: ssl.SSLContext = ssl_context(self.cfg)
        context.set_alpn_protocols(["http/1.1"])  # http_protocols may name h2, which this is not
        return context


class HijackedRequest(BufferedRequest):
    """A request on gunicorn's gevent worker, whose wsgi.input has the reader of the socket.

    gunicorn knows nothing of the upgrade and answers when the view is done, as if the peer had gone
    before, which it passes over. It tells by that, too, that the view is done.
    """

    def __init__(self, reader: Any) -> None:
        super().__init__(reader)
        self.socket = reader.sock

    def begin(self, response: bytes, start_response: Any) -> bytes:
        """Send *response* and return what was read past the request. See IUpgradable."""
        self.socket.sendall(response)
        if start_response is not None:
            start_response(SWITCHING, [])  # for the log
        # read() waits where there is nothing, and not all gunicorns have take_buffered()
        rest: bytes = self._reader.read() if self._reader.buf.getvalue() else b""
        if not isinstance(self.socket, gevent.ssl.SSLSocket):
            self._servers = self.socket
            self.socket = SOCKET(fileno=self._servers.detach())
        return rest

    def opened(self, connection: Any) -> None:
        """See to it that *connection* does not outlive the greenlet. See IUpgradable."""
        super().opened(connection)
        if self._servers is not None:
            self._servers._sock = Gone()  # gunicorn closes it twice, which is once too often


class ThreadRequest(HijackedRequest):
    """A request on gunicorn's gthread or sync worker: the connection has the thread's own hub."""

    def opened(self, connection: Any) -> None:
        """See to it that *connection* ends when the view is done. See IUpgradable."""

        def drop() -> None:
            connection.drop(INTERNAL_ERROR, "the view left it open")

        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._servers.__class__ = Left
        Left.drops[self._servers] = drop


class Left(socket.socket):
    """What a socket becomes that was taken from a thread: as if the peer had closed it.

    gunicorn writes to it in the view's thread when that is done, whatever the view did.
    """

    __slots__ = ()  # or no socket could become one
    drops: ClassVar[WeakKeyDictionary[Any, Callable[[], None]]] = WeakKeyDictionary()

    def sendall(self, *args: Any) -> None:
        """Drop the connection, if the view has not closed it."""
        drop = Left.drops.pop(self, None)
        if drop is not None:
            drop()
        raise BrokenPipeError(errno.EPIPE, "the connection was a WebSocket, and is over")

    def setblocking(self, flag: bool) -> None:
        """Do nothing; gunicorn would take an error for one of its own."""


def _request_of(body: Body) -> HijackedRequest | None:
    """Return how the request of *body* is upgraded; None where its socket cannot be taken."""
    reader = getattr(body.reader, "unreader", None)
    sock = getattr(reader, "sock", None)
    if isinstance(sock, gevent.socket.socket):
        return HijackedRequest(reader)
    # TLS of a thread's socket is not gevent's
    return None if sock is None or isinstance(sock, ssl.SSLSocket) else ThreadRequest(reader)


registry.register([implementedBy(Body)], IUpgradable, "", _request_of)  # type: ignore[no-untyped-call]
