"""Socket.IO: python-engineio's gevent mode over our connections.

Flask-SocketIO -> python-socketio -> python-engineio -> EngineWebSocket -> WebSocket

Engine.IO brings its own limits, origins and heartbeat, and these hold: the connection underneath
takes them over from the server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Unpack

from engineio.async_drivers import gevent as driver

from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.core.handshake import refusal
from geventws.environ import Environ, respond
from geventws.options import OptionArguments, options_of
from geventws.wsgi import upgrade


class EngineWebSocket:
    """A WebSocket as python-engineio's gevent mode uses it, for one request.

    Args:
        handler: called with this when the connection is open; the connection ends with it.
        server: the engineio.Server, whose max_http_buffer_size, ping_interval and ping_timeout are
            the connection's.
        **options: of the connection, see Options; they go before the server's.
    """

    def __init__(
        self,
        handler: Callable[[EngineWebSocket], Any],
        server: Any,
        **options: Unpack[OptionArguments],
    ) -> None:
        self._handler = handler
        self._patience: float = server.ping_interval + server.ping_timeout
        # Engine.IO pings by itself, and has judged the origin before it comes here
        ours: OptionArguments = {"max_size": server.max_http_buffer_size, "ping_interval": None}
        self._options: OptionArguments = {**ours, **options}

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        """Upgrade the request, have the handler use the connection, and return what it returned.

        A request that opens no WebSocket is answered as RFC 6455 says.

        Raises:
            TypeError: the server is none that can upgrade.
        """
        try:
            self._ws = upgrade(environ, start_response, origins="*", **self._options)
        except InvalidHandshake as error:
            return respond(refusal(error), start_response)
        except ConnectionClosed:  # the peer is gone, and nobody left to answer
            return []
        with self._ws:
            return self._handler(self)

    def send(self, message: str | bytes) -> None:
        """Send a packet.

        Raises:
            OSError: the connection is closed.
        """
        try:
            self._ws.send(message)
        except ConnectionClosed as error:
            raise OSError("the connection is closed") from error

    def wait(self) -> str | bytes | None:
        """Wait for the next packet and return it.

        None is the end of the connection, and of the patience of the server: a client answers a
        ping within ping_interval and ping_timeout together.
        """
        try:
            return self._ws.receive(self._patience)
        except (ConnectionClosed, TimeoutError):
            return None

    def close(self) -> None:
        """Close the connection. Closing twice is no error."""
        self._ws.close()


def install(server: Any = None, **options: Unpack[OptionArguments]) -> None:
    """Have Engine.IO servers in gevent mode use our connections from now on.

    Args:
        server: a flask_socketio.SocketIO, socketio.Server or engineio.Server; None is every one of
            this process, those that are made later too.
        **options: of their connections, see Options; without them the size of a message is limited
            by the server's max_http_buffer_size.

    Raises:
        TypeError, ValueError: an option is wrong, or *server* is none of these.
        ValueError: *server* is in another mode than gevent's.
    """
    options_of(options)
    make = partial(EngineWebSocket, **options)
    if server is None:
        driver._async["websocket"] = make
    else:
        engine = _engine_of(server)
        engine._async = {**engine._async, "websocket": make}


def _engine_of(server: Any) -> Any:
    """Return the engineio.Server that *server* stands on, or is."""
    inner = getattr(server, "server", server)  # of a flask_socketio.SocketIO
    engine = getattr(inner, "eio", inner)
    if not hasattr(engine, "async_mode"):
        raise TypeError("server: a Socket.IO or Engine.IO server that has its application")
    if engine.async_mode != "gevent":
        raise ValueError(f"server: its async_mode is {engine.async_mode}, not gevent")
    return engine
