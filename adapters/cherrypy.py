"""The door for CherryPy: a tool that upgrades requests, and a plugin that has their connections.

WebSocketTool -> the page handler -> 101 -> "handle-websocket" -> WebSocketPlugin -> its manager

A connection leaves the worker thread that read its request, so there can be many more of them than
threads. Without gevent; CherryPy's own server, cheroot, and its builtin TLS are needed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any, Final, Unpack

import cheroot.wsgi
import cherrypy
from cherrypy.process.plugins import SimplePlugin

from geventws.adapters.threaded import ThreadedWebSocket, WebSocketManager
from geventws.core.deflate import Deflate
from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Response, parse_response, refusal
from geventws.environ import is_secure, request_of, upgrader_of
from geventws.sockets import SocketTransport, end_writing
from geventws.upgrader import UpgradeArguments

KEY: Final = "geventws.cherrypy"  # of the environ: cheroot's HTTPRequest
LAST: Final = 90  # priority among hooks: after what other tools do to the response


class WebSocketTool(cherrypy.Tool):  # type: ignore[misc]
    """Upgrades requests to WebSockets, where tools.websocket.on is true in the config of a path.

    What asks for no WebSocket is answered 426, what asks wrongly as RFC 6455 says; no page handler
    is called then. Otherwise the page handler is called before the 101 is sent, so that it, and any
    other tool, may raise HTTPError instead. It finds the connection in cherrypy.request.ws_handler;
    what it sends there follows the 101, and it cannot receive.

        cherrypy.tools.websocket = WebSocketTool()

    The config has, as tools.websocket.<name>:
        handler_cls: a subclass of ThreadedWebSocket in the callback style.
        protocols: the same as subprotocols.
        extensions: those to accept, as "permessage-deflate"; None is the default.
        subprotocols, select_subprotocol, origins, process_request and headers: see Upgrader; the
            others see Options.
    """

    def __init__(self) -> None:
        super().__init__("before_request_body", upgrade)


def upgrade(
    handler_cls: type[ThreadedWebSocket] = ThreadedWebSocket,
    protocols: Sequence[str] | None = None,
    extensions: Iterable[str | Deflate] | None = None,
    **arguments: Unpack[UpgradeArguments],
) -> None:
    """Agree on a WebSocket with the client of this request; it opens when the request ends.

    Raises:
        cherrypy.HTTPError: the request is refused.
        TypeError: an argument is wrong, or no WebSocketPlugin has prepared the server.
        ValueError: an argument is wrong.
    """
    if not (isinstance(handler_cls, type) and issubclass(handler_cls, ThreadedWebSocket)):
        raise TypeError("handler_cls: a subclass of ThreadedWebSocket")
    upgrader = upgrader_of(protocols, extensions, arguments)
    environ = cherrypy.serving.request.wsgi_environ
    http = environ.get(KEY)
    if http is None:
        raise TypeError("no WebSocketPlugin, or another server or TLS than cheroot's own")
    try:
        request = request_of(environ)
    except InvalidHandshake as error:
        raise Refusal(refusal(error), http) from error
    answer = upgrader.answer(request, is_secure(environ))
    if isinstance(answer, Response):
        raise Refusal(answer, http)
    transport = HeldTransport(http.conn.socket)
    rest = http.conn.rfile.peek() if http.conn.rfile.has_data() else b""
    with transport.monitor:
        ws = upgrader.open(handler_cls, transport, request, answer, rest)
    cherrypy.serving.request.ws_handler = ws
    http.switching = Switching(transport, ws, answer)


class Refusal(cherrypy.HTTPError):  # type: ignore[misc]
    """Has CherryPy send a Response as it is, and nothing else on this connection."""

    def __init__(self, answer: Response, http: Any) -> None:
        # not HTTPError's own, which takes no status below 400
        Exception.__init__(self, answer.status)
        self._answer = answer
        self.status = answer.status
        http.close_connection = True  # a proxy may take what follows for frames

    def set_response(self) -> None:
        """Make the response of this request from it."""
        head, _, body = self._answer.to_bytes().partition(b"\r\n\r\n")
        status, reason, headers = parse_response(head)
        response = cherrypy.serving.response
        response.status, response.body = f"{status} {reason}", body
        response.headers.update(headers.items())


class Switching:
    """The rest of a request that is to become a WebSocket, unless somebody has an objection."""

    def __init__(self, transport: HeldTransport, ws: ThreadedWebSocket, accepted: Accepted) -> None:
        self._transport = transport
        self._ws = ws
        self._accepted = accepted
        self._agreed = False
        request = cherrypy.serving.request
        self._peer_address = (request.remote.ip, request.remote.port)
        request.hooks.attach("before_finalize", self.decide, priority=LAST)
        request.hooks.attach("on_end_resource", self.add_headers, priority=LAST)

    def decide(self) -> None:
        """Answer 101, unless the page handler or a tool has answered otherwise."""
        response = cherrypy.serving.response
        if response.status is None:
            self._agreed = True
            response.status = "101 Switching Protocols"
            response.stream = False
            response.headers.pop("Content-Type", None)

    def add_headers(self) -> None:
        """Add what makes the 101 one."""
        if self._agreed:
            head = self._accepted.response.removesuffix(b"\r\n\r\n")
            headers = parse_response(head)[2].items()
            cherrypy.serving.response.header_list += [
                (name.encode(), value.encode("latin-1")) for name, value in headers
            ]

    def end(self, request: Any, sent: bool) -> None:
        """Take the socket of cheroot's *request*, if the 101 was *sent*, for the plugin."""
        # what failed after decide() was answered with a page all the same
        if not (sent and self._agreed and request.status.startswith(b"101")):
            self._ws.drop()
            if request.sent_headers and not sent:
                request.conn.wfile.raw.close()  # or it tries once more when it is collected
            return
        request.close_connection = True
        request.conn.linger = True  # cheroot closes its reader then, but not the socket
        request.conn.wfile.close()
        self._transport.release()
        taken: list[Any] = []
        try:
            taken = cherrypy.engine.publish("handle-websocket", self._ws, self._peer_address)
        finally:
            if not taken:
                self._ws.drop()


class LendingGateway:
    """Mixed into the gateways of cheroot: lends a request to the tool, and then gives it away."""

    req: Any

    def get_environ(self) -> dict[str, Any]:
        """Return the environ, with the request where its socket is one that can be taken."""
        environ: dict[str, Any] = super().get_environ()  # type: ignore[misc]
        if isinstance(self.req.conn.socket, socket.socket):
            environ[KEY] = self.req
        return environ

    def respond(self) -> None:
        """Respond to the request."""
        sent = False
        try:
            super().respond()  # type: ignore[misc]
            sent = True
        finally:
            switching = getattr(self.req, "switching", None)
            if switching is not None:
                switching.end(self.req, sent)


class HeldTransport(SocketTransport):
    """Keeps what is written until release(); cheroot alone uses the socket until then."""

    def __init__(self, connected: socket.socket) -> None:
        timeout = connected.gettimeout()
        super().__init__(connected)
        connected.settimeout(timeout)
        self._held = self._sending = True

    def release(self) -> None:
        """Send what was kept, and keep nothing from now on."""
        with self.monitor:
            self._held = self._sending = False
            if self.closed:
                self._socket.close()
            else:
                self._socket.settimeout(0.0)
                self._send_now()
                self._send_by_itself()
                if self._shut and not self._unsent:  # else whoever sends the rest does it
                    end_writing(self._socket)

    def read(self, timeout: float | None = None) -> bytes:
        """Wait for bytes and return them. See ITransport."""
        if self._held:
            raise RuntimeError("nothing can be received before the page handler has returned")
        return super().read(timeout)

    def read_now(self) -> bytes | None:
        """Return the bytes that are here without waiting. See ITransport."""
        return None if self._held else super().read_now()

    def write(self, buffers: list[bytes], timeout: float | None = None, more: bool = False) -> None:
        """Wait until the kernel has taken all of *buffers*, if it may. See ITransport."""
        if self._held:
            self.post(buffers)
        else:
            super().write(buffers, timeout)

    def close(self) -> None:
        """Drop the stream. See ITransport."""
        if self._held:
            self.closed = True
            self._forget()
        else:
            super().close()

    def _send_now(self) -> None:
        if not self._held:
            super()._send_now()


class WebSocketPlugin(SimplePlugin):  # type: ignore[misc]
    """Has the connections that WebSocketTool opened, from when the engine starts until it stops.

    Other code may give it connections, and broadcast, over the bus:

        cherrypy.engine.publish("handle-websocket", ws, peer_address)
        cherrypy.engine.publish("websocket-broadcast", message)

    Attributes:
        manager: the WebSocketManager that runs the callbacks; None while the engine is stopped.
        drain_timeout: how many seconds the end waits for connections to close; whoever is left then
            is dropped.
    """

    drain_timeout = 30.0

    def __init__(self, bus: Any) -> None:
        super().__init__(bus)
        self.manager: WebSocketManager | None = None
        self._lock = Lock()  # of the manager: none is added to one that is asked to end

    def start(self) -> None:
        """Prepare the servers of the bus, and begin to take connections."""
        for listener in self.bus.listeners["start"]:
            _prepare(getattr(listener, "__self__", None))
        self.manager = WebSocketManager()
        self.manager.start()
        self.bus.subscribe("handle-websocket", self.handle)
        self.bus.subscribe("websocket-broadcast", self.broadcast)

    start.priority = 70  # type: ignore[attr-defined] # before the servers, which have 75

    def stop(self) -> None:
        """Take no more connections, close all with 1001, and wait until they are over."""
        self.bus.unsubscribe("handle-websocket", self.handle)
        self.bus.unsubscribe("websocket-broadcast", self.broadcast)
        self.cleanup()

    def handle(self, ws_handler: ThreadedWebSocket, peer_addr: Any = None) -> None:
        """Run the callbacks of *ws_handler* from now on; returns at once."""
        with self._lock:
            if self.manager is not None:
                self.manager.add(ws_handler)
                return
        ws_handler.drop()

    def broadcast(self, message: str | bytes, binary: bool = False) -> None:
        """Send *message* to every connection: str as text, bytes as binary; waits for no peer.

        Args:
            binary: whether a str too is sent as binary, in UTF-8.
        """
        manager = self.manager
        if manager is not None:
            manager.broadcast(message.encode() if binary and isinstance(message, str) else message)

    def cleanup(self) -> None:
        """Close every connection with 1001, and wait until the last one is over."""
        with self._lock:
            manager, self.manager = self.manager, None
        if manager is not None:
            manager.drain(self.drain_timeout)


def _prepare(adapter: Any) -> None:
    """Have a server of CherryPy lend its requests."""
    if isinstance(adapter, type(cherrypy.server)) and not adapter.httpserver:
        adapter.httpserver, adapter.bind_addr = adapter.httpserver_from_self()
    httpserver = getattr(adapter, "httpserver", None)
    if not isinstance(httpserver, cheroot.wsgi.Server):
        return
    if not issubclass(httpserver.gateway, LendingGateway):
        httpserver.gateway = type("Gateway", (LendingGateway, httpserver.gateway), {})
