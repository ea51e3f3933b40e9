"""From a WSGI view to a WebSocket (PEP 3333, RFC 6455 4.2).

environ -> upgrade() | LazyWebSocket | WebSocketWSGIApplication -> WebSocket
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar, Unpack, overload
from weakref import WeakSet

from zope.interface import classImplements

from geventws.core.errors import InvalidHandshake
from geventws.core.handshake import Accepted, Request
from geventws.environ import Environ, UpgradingApplication, is_secure, request_of
from geventws.handling import run_handler
from geventws.interfaces import IWebSocket
from geventws.upgradable import begin_websocket, upgradable_of
from geventws.upgrader import AcceptArguments, Upgrader
from geventws.websocket import WebSocket

W = TypeVar("W", bound=WebSocket)
# those of upgrade(), which a server answers where a view lets them pass
refusals: Final[WeakSet[InvalidHandshake]] = WeakSet()


@overload
def upgrade(
    environ: Environ, start_response: Any = ..., **arguments: Unpack[AcceptArguments]
) -> WebSocket: ...
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
    handler: type[WebSocket] = WebSocket,
    **arguments: Unpack[AcceptArguments],
) -> WebSocket:
    """Upgrade the request that a WSGI view is answering, and return the open connection.

    Use the connection as a context manager, so that it is closed when the view is done with it, or
    fails. WSGIServer does that by itself; gevent's own server drops what the view left open, with
    1011 where that can still be sent, which over TLS it cannot. What the view returns afterwards
    is not sent.

    Args:
        environ: the request's; the connection keeps it as its environ.
        start_response: the request's. WSGIServer needs none; gevent's own server logs the right
            status only with it, and without it the view must return an empty list.
        handler: the class of the connection; for one in the callback style call its run().
        **arguments: subprotocols, select_subprotocol, origins and headers, see Upgrader; the
            others see Options.

    Raises:
        InvalidHandshake: the request opens no WebSocket, or its origin is not allowed; nothing is
            sent. WSGIServer answers it as it should be, if the view lets it pass.
        ConnectionClosed: the peer is gone already.
        TypeError: an argument is wrong, or the server is none that can upgrade.
        ValueError: an argument is wrong.
    """
    return open_websocket(environ, start_response, handler, Upgrader(**arguments), True)


def open_websocket(
    environ: Environ, start_response: Any, make: type[W], upgrader: Upgrader, keep_environ: bool
) -> W:
    """Do what upgrade() says, with an *upgrader* that is made already."""
    upgradable = upgradable_of(environ)
    try:
        request = request_of(environ, upgradable)
        accepted = upgrader.accept(request, is_secure(environ))
    except InvalidHandshake as error:
        refusals.add(error)
        raise
    connection = begin_websocket(upgradable, start_response, make, upgrader, request, accepted)
    if keep_environ:
        connection.environ = environ
    return connection


class LazyWebSocket:
    """environ["wsgi.websocket"] on WSGIServer: a connection that opens when it is first used.

    Until then the view may still answer otherwise, as by 401 or 404. request, environ and state
    can be used before; subprotocol is None before.

    Raises:
        InvalidHandshake, ConnectionClosed: at the first use, as for upgrade().
    """

    __slots__ = ("_keep_environ", "_request", "_state", "_upgradable", "_upgrader", "environ")

    def __init__(
        self, environ: Environ, upgradable: Any, upgrader: Upgrader, keep_environ: bool
    ) -> None:
        self.environ = environ
        self._request: Request | None = None
        self._keep_environ = keep_environ
        self._upgradable = upgradable
        self._upgrader = upgrader
        self._state: Any = None

    def accept(self) -> WebSocket:
        """Open the connection unless that was done, and return it."""
        connection: WebSocket | None = self._upgradable.connection
        if connection is None:
            connection = open_websocket(
                self.environ, None, WebSocket, self._upgrader, self._keep_environ
            )
            connection.state = self._state
        return connection

    @property
    def request(self) -> Request:
        """The opening Request."""
        if self._request is None:
            self._request = request_of(self.environ, self._upgradable)
        return self._request

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol agreed on, or None."""
        connection: WebSocket | None = self._upgradable.connection
        return None if connection is None else connection.subprotocol

    @property
    def state(self) -> Any:
        """The application's own; the library never touches it."""
        connection: WebSocket | None = self._upgradable.connection
        return self._state if connection is None else connection.state

    @state.setter
    def state(self, value: Any) -> None:
        if self._upgradable.connection is None:
            self._state = value
        else:
            self._upgradable.connection.state = value

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Return the next message. See WebSocket."""
        return self.accept().receive(timeout)

    def send(self, message: Any) -> None:
        """Send a message. See WebSocket."""
        self.accept().send(message)

    def ping(self, timeout: float | None = None) -> float:
        """Send a ping and return the seconds until its pong came. See WebSocket."""
        return self.accept().ping(timeout)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection. See WebSocket."""
        self.accept().close(code, reason)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(WebSocket, name):
            raise AttributeError(f"a WebSocket has no attribute {name!r}")
        return getattr(self.accept(), name)

    def __iter__(self) -> Iterator[str | bytes]:
        return iter(self.accept())

    def __enter__(self) -> WebSocket:
        return self.accept()

    def __exit__(self, *exc_info: Any) -> None:
        self.accept().__exit__(*exc_info)


class WebSocketWSGIApplication(UpgradingApplication[WebSocket]):
    """A WSGI application that upgrades every request to a WebSocket and has a handler serve it.

    Other requests are answered 426, wrong ones as RFC 6455 says. For any server that upgrade()
    works on. A call returns when its connection is over.

    Args:
        protocols: the same as subprotocols.
        extensions: those to accept: names, as "permessage-deflate", or a Deflate; None is the
            default. The same as compression.
        handler_cls: a subclass of WebSocket in the callback style; None is WebSocket itself.
        handler: instead of it, a callable that is given each connection.
        keep_environ: whether connections keep the environ of their request.
        **arguments: subprotocols, select_subprotocol, origins, process_request and headers, see
            Upgrader; the others see Options.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    def _upgradable_of(self, environ: Environ) -> Any:
        return upgradable_of(environ)

    def _begin(
        self,
        upgradable: Any,
        start_response: Any,
        make: type[WebSocket],
        request: Request,
        accepted: Accepted,
    ) -> WebSocket:
        return begin_websocket(upgradable, start_response, make, self._upgrader, request, accepted)

    def _serve(self, upgradable: Any, connection: WebSocket) -> None:
        run_handler(WebSocket.run if self._callbacks else self._handler, connection)


classImplements(LazyWebSocket, IWebSocket)
