"""A WSGI request that asks for a WebSocket, on whatever server (PEP 3333, RFC 6455 4.2).

environ -> Request -> Upgrader.answer -> respond() | a connection and its handler
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar, Unpack
from urllib.parse import quote

from geventws.core.deflate import Deflate
from geventws.core.errors import ConnectionClosed, InvalidHandshake
from geventws.core.handshake import Accepted, Request, Response, parse_response, refusal
from geventws.core.headers import build_head
from geventws.options import DEFLATE
from geventws.upgrader import UpgradeArguments, Upgrader, is_callback_style
from geventws.websocket import WebSocket

W = TypeVar("W", bound=WebSocket)
Environ = dict[str, Any]


def request_of(environ: Environ, upgradable: Any = None) -> Request:
    """Return the request: the head as it came where the server kept it, or else made again.

    Args:
        environ: of the request.
        upgradable: an IUpgradable, which may have the head; None has none.

    Raises:
        InvalidHandshake: it cannot have been a correct one.
    """
    head = None if upgradable is None else upgradable.head
    address = environ.get("REMOTE_ADDR", "")
    port = str(environ.get("REMOTE_PORT", ""))  # a number on some servers
    remote_address = (address, int(port)) if port.isdecimal() and port.isascii() else address
    return Request(_head_of(environ) if head is None else head, remote_address)


def is_secure(environ: Environ) -> bool | None:
    """Return True where the server says that the client sees TLS, otherwise that nobody knows."""
    return environ.get("wsgi.url_scheme") == "https" or None


def respond(response: Response, start_response: Any) -> list[bytes]:
    """Answer with *response* as a WSGI application does."""
    head, _, body = response.to_bytes().partition(b"\r\n\r\n")
    status = head.partition(b"\r\n")[0].decode("latin-1").removeprefix("HTTP/1.1 ")
    headers = [item for item in parse_response(head)[2].items() if item[0] != "Connection"]
    if "Upgrade" in response.headers:
        headers.append(("Connection", "Upgrade"))
    # the last one, and nothing else in it, or gevent's own server keeps the connection open
    headers.append(("Connection", "close"))
    start_response(status, headers)
    return [body]


def upgrader_of(
    protocols: Sequence[str] | None,
    extensions: Iterable[str | Deflate] | None,
    arguments: UpgradeArguments,
) -> Upgrader:
    """Return the Upgrader that *arguments* ask for, and these two under their older names.

    Args:
        protocols: the same as subprotocols; None is what *arguments* say.
        extensions: those to accept: names, as "permessage-deflate", or a Deflate; None is what
            *arguments* say of compression.
        arguments: see Upgrader and Options.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """
    if protocols is not None:
        arguments["subprotocols"] = protocols
    if extensions is not None:
        arguments["compression"] = _compression(extensions)
    return Upgrader(**arguments)


class UpgradingApplication(ABC, Generic[W]):
    """What a WSGI application is that upgrades every request; see WebSocketWSGIApplication."""

    connection_class: ClassVar[Any] = WebSocket

    def __init__(
        self,
        protocols: Sequence[str] | None = None,
        extensions: Iterable[str | Deflate] | None = None,
        handler_cls: type[W] | None = None,
        *,
        handler: Callable[[W], object] | type[W] | None = None,
        keep_environ: bool = False,
        **arguments: Unpack[UpgradeArguments],
    ) -> None:
        given: Any = handler_cls if handler is None else handler
        self._handler = self.connection_class if given is None else given
        self._callbacks = is_callback_style(self._handler)
        if self._callbacks and not issubclass(self._handler, self.connection_class):
            raise TypeError(f"handler_cls: a subclass of {self.connection_class.__name__}")
        self._keep_environ = keep_environ
        self._upgrader = upgrader_of(protocols, extensions, arguments)

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        """Serve one request; what a handler blocks, this call does."""
        upgradable = self._upgradable_of(environ)
        opened = self._open(upgradable, environ, start_response)
        if isinstance(opened, list):
            return opened
        del environ, start_response  # they would live as long as the connection
        self._serve(upgradable, opened)
        return []

    def _open(self, upgradable: Any, environ: Environ, start_response: Any) -> W | list[bytes]:
        """Return the connection; the body of the response where there is none."""
        try:
            request = request_of(environ, upgradable)
        except InvalidHandshake as error:
            return self._refuse(upgradable, refusal(error), start_response)
        answer = self._upgrader.answer(request, is_secure(environ))
        if isinstance(answer, Response):
            return self._refuse(upgradable, answer, start_response)
        make = self._handler if self._callbacks else self.connection_class
        try:
            connection = self._begin(upgradable, start_response, make, request, answer)
        except ConnectionClosed:  # the peer is gone, and nobody left to answer
            return []
        if self._keep_environ:
            connection.environ = environ
        return connection

    # What servers do differently

    @abstractmethod
    def _upgradable_of(self, environ: Environ) -> Any:
        """Return the IUpgradable of the request."""

    @abstractmethod
    def _begin(
        self,
        upgradable: Any,
        start_response: Any,
        make: type[W],
        request: Request,
        accepted: Accepted,
    ) -> W:
        """Send the 101 and return the connection; ConnectionClosed where the peer is gone."""

    @abstractmethod
    def _serve(self, upgradable: Any, connection: W) -> None:
        """Have the handler use *connection*."""

    def _refuse(self, upgradable: Any, response: Response, start_response: Any) -> list[bytes]:
        return respond(response, start_response)


def _head_of(environ: Environ) -> bytes:
    """Make the head of a request again from what a server left of it."""
    if "," in environ.get("HTTP_HOST", ""):  # servers join what came twice
        raise InvalidHandshake("no valid Host, or more than one (RFC 9112 3.2)")
    path = _quoted(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    target = f"{path or '/'}?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else path
    first_line = f"{environ['REQUEST_METHOD']} {target or '/'} {environ['SERVER_PROTOCOL']}"
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").title(), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name.startswith("CONTENT_") and value)
    ]
    try:
        return build_head(first_line, headers).removesuffix(b"\r\n\r\n")
    except ValueError as error:
        raise InvalidHandshake("malformed request (RFC 9112 2.2)") from error


def _quoted(path: str) -> str:
    try:
        return quote(path, encoding="latin-1")
    except UnicodeEncodeError:  # Bottle decodes what PEP 3333 has as bytes
        return quote(path)


def _compression(extensions: Iterable[str | Deflate]) -> Deflate | None:
    for extension in extensions:
        if isinstance(extension, Deflate):
            return extension
        if extension != "permessage-deflate":
            raise ValueError("extensions: only permessage-deflate is known")
        return DEFLATE
    return None
