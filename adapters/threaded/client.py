"""connect() for threads, and a client that brings its own thread.

url -> TCP -> TLS -> the opening handshake -> ThreadedWebSocket
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cache, partial
from ssl import SSLContext, create_default_context
from typing import Any, TypeVar, Unpack, overload

from geventws.adapters.threaded.dial import closing_on_failure, dial, secure
from geventws.adapters.threaded.runner import Runner
from geventws.adapters.threaded.websocket import ThreadedWebSocket
from geventws.asking import REDIRECTS, Asking
from geventws.cookies import Jar
from geventws.core.codes import NORMAL_CLOSURE, Side
from geventws.core.errors import Rejected
from geventws.core.headers import HeaderItems
from geventws.credentials import Auth
from geventws.opening import check_way, deadline_of, open_client
from geventws.options import OptionArguments, Options, options_of
from geventws.sockets import SocketTransport
from geventws.websocket import Data, establish

W = TypeVar("W", bound=ThreadedWebSocket)

logger = logging.getLogger("geventws")

default_context = cache(create_default_context)  # to load the certificates takes milliseconds


@overload
def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = ...,
    headers: HeaderItems = ...,
    origin: str | None = ...,
    ssl: SSLContext | None = ...,
    redirects: int = ...,
    auth: Auth = ...,
    cookies: Jar | None = ...,
    source_address: tuple[str, int] | None = ...,
    **options: Unpack[OptionArguments],
) -> ThreadedWebSocket: ...
@overload
def connect(
    url: str,
    *,
    handler: type[W],
    subprotocols: Sequence[str] = ...,
    headers: HeaderItems = ...,
    origin: str | None = ...,
    ssl: SSLContext | None = ...,
    redirects: int = ...,
    auth: Auth = ...,
    cookies: Jar | None = ...,
    source_address: tuple[str, int] | None = ...,
    **options: Unpack[OptionArguments],
) -> W: ...
def connect(
    url: str,
    *,
    handler: type[ThreadedWebSocket] = ThreadedWebSocket,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: SSLContext | None = None,
    redirects: int = REDIRECTS,
    auth: Auth = None,
    cookies: Jar | None = None,
    source_address: tuple[str, int] | None = None,
    **options: Unpack[OptionArguments],
) -> ThreadedWebSocket:
    """Connect to the server at *url* and return the open connection. See geventws.connect().

    The addresses of a name are tried in turn, each for its share of what is left of open_timeout.
    There are no proxies, whatever the environment says.

    Args:
        handler: a subclass of ThreadedWebSocket in the callback style. Its callbacks begin to run
            when it is given to a WebSocketManager, or when a thread of yours calls its run().
    """
    settings = options_of(options)
    asking = Asking(url, settings, subprotocols, headers, origin, redirects, auth, cookies)
    _check(handler, ssl)
    check_way(asking.where, ssl, source_address)
    deadline = deadline_of(settings)
    while True:
        try:
            return _open(asking, handler, settings, ssl, source_address, deadline)
        except Rejected as rejected:
            asking.follow(rejected)


def _open(
    asking: Asking,
    handler: type[W],
    settings: Options,
    ssl: SSLContext | None,
    source_address: tuple[str, int] | None,
    deadline: float | None,
) -> W:
    where, opening = asking.where, asking.opening()
    connected = dial(where, deadline, source_address)
    if where.secure:
        connected = secure(connected, ssl or default_context(), where.certified, deadline)
    transport = SocketTransport(connected)
    with transport.monitor, closing_on_failure(transport):
        accepted, rest = open_client(transport, opening, deadline, asking.note)
        return establish(handler, transport, settings, Side.CLIENT, accepted, rest)


def _check(handler: object, context: object) -> None:
    if not (isinstance(handler, type) and issubclass(handler, ThreadedWebSocket)):
        raise TypeError("handler: a subclass of ThreadedWebSocket")
    if context is not None and not isinstance(context, SSLContext):
        raise TypeError(f"ssl: an ssl.SSLContext or None, not {type(context).__name__}")


class WebSocketClient:
    """A client in the callback style that brings its own thread; override the callbacks.

        class Printer(WebSocketClient):
            def received_message(self, message):
                print(message)

        client = Printer("ws://127.0.0.1:9000/")
        client.connect()
        client.run_forever()

    The callbacks are those of WebSocket, one at a time, in the client's thread, where they may
    block. Any thread may call the other methods. After the end connect() may be called again.

    Args:
        url: as for connect().
        daemon: whether the interpreter may end while the client is connected.
        **arguments: all keywords of connect() but handler.
    """

    def __init__(self, url: str, *, daemon: bool = True, **arguments: Any) -> None:
        self.url = url
        self.daemon = daemon
        self.connection: ThreadedWebSocket | None = None  # the present one, or the last
        self._arguments = arguments
        self._thread: Runner | None = None

    def connect(self) -> None:
        """Connect, and start the thread that runs the callbacks, opened() first.

        Raises:
            RuntimeError: the client is connected, or its closed() has not returned; or there is no
                thread to be had.
        """
        if self._thread is not None and self._thread.is_alive():
            raise RuntimeError("the client is connected already")
        ws = connect(self.url, handler=_Relay, **self._arguments)
        ws.client = self
        self.connection = ws
        self._thread = Runner(partial(_run, ws), self.daemon)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            ws.drop()
            raise

    def run_forever(self) -> None:
        """Wait until the connection is over and closed() has returned.

        Who was interrupted, as by Ctrl-C, may call it again. RuntimeError in a callback.
        """
        if self._thread is not None:
            self._thread.join()

    def send(self, message: Data | Iterable[Data]) -> None:
        """Send a message. See WebSocket."""
        self._open().send(message)

    def ping(self, timeout: float | None = None) -> float:
        """Send a ping and wait for its pong. See WebSocket."""
        return self._open().ping(timeout)

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection, if there is one. See WebSocket."""
        if self.connection is not None:
            self.connection.close(code, reason)

    def _open(self) -> ThreadedWebSocket:
        if self.connection is None:
            raise RuntimeError("connect() has not been called")
        return self.connection

    # To be overridden

    def opened(self) -> None:
        """Called once, before any other callback."""

    def received_message(self, message: str | bytes) -> None:
        """Called with each message: str for text, bytes for binary."""

    def ponged(self, data: bytes) -> None:
        """Called with the payload of each pong."""

    def closed(self, code: int, reason: str) -> None:
        """Called once, after every other callback, with the code and reason of ConnectionClosed."""

    def unhandled_error(self, error: Exception) -> None:
        """Called with what another callback raised; unless overridden it logs *error*."""
        logger.error("%r: a callback failed", self.connection, exc_info=error)


class _Relay(ThreadedWebSocket):
    """Passes its callbacks on to a client."""

    client: WebSocketClient

    def opened(self) -> None:
        self.client.opened()

    def received_message(self, message: str | bytes) -> None:
        self.client.received_message(message)

    def ponged(self, data: bytes) -> None:
        self.client.ponged(data)

    def closed(self, code: int, reason: str) -> None:
        self.client.closed(code, reason)

    def unhandled_error(self, error: Exception) -> None:
        self.client.unhandled_error(error)


def _run(ws: ThreadedWebSocket) -> None:
    with ws:
        ws.run()
