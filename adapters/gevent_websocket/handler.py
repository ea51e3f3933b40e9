"""The handler class that upgrades requests, for WebSocketServer and for any other gevent server.

gevent.pywsgi.WSGIServer(..., handler_class=WebSocketHandler) -> environ["wsgi.websocket"]

What our own servers have and gevent's has not, Adopted adds to it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from geventws.acceptor import Acceptor, Arrival, turn_away
from geventws.adapters.gevent_websocket.exceptions import WebSocketError
from geventws.adapters.gevent_websocket.resource import Resource
from geventws.adapters.gevent_websocket.websocket import WebSocket
from geventws.core.handshake import Request, Response
from geventws.limits import Limits
from geventws.manager import Manager
from geventws.pywsgi import WebSocketWSGIHandler
from geventws.transport import Transport
from geventws.upgrader import Upgrader
from geventws.websocket import WebSocket as Connection
from geventws.wsgi import open_websocket

logger = logging.getLogger("geventws")

ADOPTED: Final = "_geventws"  # the attribute of a server that its Adopted is


class Client:
    """A connection among the clients of a server.

    Attributes:
        address: the client's, or what stands for it on a unix socket, where they have none.
        ws: the WebSocket.
    """

    def __init__(self, address: Any, ws: WebSocket) -> None:
        self.address = address
        self.ws = ws


class Adopted:
    """A server that is not ours, as our handlers need it; all else is the server's own."""

    keep_environ = False
    limits: Limits | None = None

    def __init__(self, server: Any, arguments: Mapping[str, Any]) -> None:
        self._server = server
        self.upgrader = Upgrader(**arguments)
        self.open_timeout = self.upgrader.options.open_timeout
        self.manager = Manager()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def admit(self, arrival: Arrival, request: Request) -> None:
        """Let *request* pass, for the server is asked by nobody."""
        arrival.secure = self._server.ssl_enabled or None
        arrival.admitted = True

    def refuse(self, transport: Transport, response: Response, arrival: Arrival) -> None:
        """Answer with *response* and close."""
        self.note_refusal(response.status, arrival)
        turn_away(transport, response, arrival)

    def note_refusal(self, status: int, arrival: Arrival) -> None:
        """Count an opening handshake that is answered with *status*, if that is an error."""
        if status >= 400:
            self.manager.counts.refuse(status)


class WebSocketHandler(WebSocketWSGIHandler):
    """Opens a WebSocket for each request that asks for one, before the application is called.

    It is environ["wsgi.websocket"] then; other requests have none and are answered as ever. What is
    wrong with an opening handshake is answered as RFC 6455 says.

    Attributes:
        arguments: what upgrade() takes besides, as origins or max_size; for a subclass to set.
            WebSocketServer has its own.
        prevent_wsgi_call: whether the application is not to be called.
        websocket: the WebSocket, while the application runs.
    """

    SUPPORTED_VERSIONS = ("13",)
    arguments: ClassVar[Mapping[str, Any]] = {}
    prevent_wsgi_call = False
    websocket: WebSocket | None = None
    server: Any
    application: Any
    _called: Any  # the application, while ours stands in for it

    def __init__(self, sock: Any, address: Any, server: Any, rfile: Any = None) -> None:
        if not isinstance(server, Acceptor | Adopted):
            server = _adopted(server, self.arguments)
        if not hasattr(server, "clients"):
            server.clients = {}
        super().__init__(sock, address, server, rfile)
        self.arrival = Arrival(sock, address, server.open_timeout)  # our servers bring theirs

    @property
    def logger(self) -> logging.Logger:
        """The server's logger, or this library's."""
        found: logging.Logger = getattr(self.server, "logger", logger)
        return found

    @property
    def active_client(self) -> Client:
        """The Client that this one is, while the application runs.

        Raises:
            KeyError: there is none.
        """
        client: Client = self.server.clients[self._address()]
        return client

    def run_application(self) -> None:
        """Open the WebSocket and call the application with it; or just call it."""
        hook = getattr(self.server, "pre_start_hook", None)
        hooked = hook is not None and hook(self)
        if self._input is not None and (hooked or not self._has_application()):
            del self.environ["wsgi.websocket"]
        elif self._input is not None:
            self._called, self.application = self.application, self._talk
        super().run_application()

    def _has_application(self) -> bool:
        """Return False where a Resource has no application that could talk."""
        application = self.application
        if not isinstance(application, Resource):
            return True
        return application._app_by_path(self.environ["PATH_INFO"], True) is not None

    def _talk(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.upgrade_websocket()
        self.run_websocket()
        return []

    def upgrade_websocket(self) -> None:
        """Send the 101 and make the WebSocket.

        Raises:
            InvalidHandshake: the request opens none, or its origin is not allowed.
            ConnectionClosed: the peer is gone already.
        """
        environ = self.environ
        connection = open_websocket(environ, None, Connection, self._upgrader(), False)
        self.websocket = WebSocket(environ, connection, self)
        environ["wsgi.websocket"] = self.websocket
        environ["wsgi.websocket_version"] = self.websocket.version

    def _upgrader(self) -> Upgrader:
        choose = getattr(self._called, "app_protocol", None)
        protocol = choose(self.environ["PATH_INFO"]) if choose is not None else ""
        upgrader: Upgrader = self.server.upgrader
        if not protocol:
            return upgrader
        arguments = getattr(self.server, "arguments", self.arguments)
        return Upgrader(**{**arguments, "subprotocols": [protocol]})

    def run_websocket(self) -> None:
        """Call the application; until it returns, the WebSocket is among the server's clients."""
        if self.prevent_wsgi_call or self.websocket is None:
            return
        address = self._address()
        self.server.clients[address] = Client(self.client_address or address, self.websocket)
        try:
            _let_go(self._called(self.environ, _start_nothing))
        except WebSocketError as error:
            if not self.websocket.closed:
                raise
            self.logger.debug("%s: %s", address, error)
        finally:
            del self.server.clients[address]
            self.environ["wsgi.websocket"] = self.websocket = None

    def _address(self) -> Any:
        # of the socket: clients behind one proxy may have the same
        return self.arrival.address or ("unix", id(self))

    def log_request(self) -> None:
        """Log a request that became no WebSocket."""
        if "101" not in str(self.status):
            self.logger.info(self.format_request())


def _adopted(server: Any, arguments: Mapping[str, Any]) -> Adopted:
    """Return the Adopted of *server*, which has one for all of its connections."""
    if not hasattr(server, "clients"):
        server.clients = {}
    adopted: Adopted | None = getattr(server, ADOPTED, None)
    if adopted is None:
        adopted = Adopted(server, arguments)
        setattr(server, ADOPTED, adopted)
    return adopted


def _start_nothing(status: str, headers: Any, exc_info: Any = None) -> Any:
    return _write_nothing


def _write_nothing(data: bytes) -> None:
    """Let *data* go."""


def _let_go(result: Any) -> None:
    """Do with what an application returned what PEP 3333 asks for, but send nothing of it."""
    try:
        for _ in result or ():
            pass
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
