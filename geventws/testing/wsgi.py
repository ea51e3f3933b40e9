"""connect(): a WebSocket to a WSGI application, without a server and without a port (PEP 3333).

the client's handshake -> environ -> application -> upgrade() | a response -> WebSocket | Rejected
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar, Unpack, overload
from urllib.parse import unquote_to_bytes

import gevent
from zope.interface import classImplements, implementedBy

from geventws.care import caretaker
from geventws.core.errors import HandshakeError, InvalidHandshake
from geventws.core.handshake import Request, refusal
from geventws.core.headers import build_head, split_target
from geventws.environ import Environ
from geventws.interfaces import ICaretaker, ITransport, IUpgradable
from geventws.memory import CAPACITY, MemoryTransport, transports
from geventws.opening import drive, read_request
from geventws.testing.opening import OpeningArguments, open_over
from geventws.testing.pairs import begin
from geventws.upgradable import registry
from geventws.upgrader import Upgrader, finish
from geventws.uri import URI
from geventws.websocket import WebSocket
from geventws.wsgi import LazyWebSocket, refusals

Application = Callable[[Environ, Any], Iterable[bytes]]
W = TypeVar("W", bound=WebSocket)

HOST: Final = "localhost"
CLIENT: Final = ("127.0.0.1", 49152)  # the client's address, as the application sees it
_KEYS: Final = {"Content-Type": "CONTENT_TYPE", "Content-Length": "CONTENT_LENGTH"}


@overload
def connect(
    application: Application,
    path: str = ...,
    *,
    environ: Environ | None = ...,
    capacity: int | None = ...,
    **arguments: Unpack[OpeningArguments],
) -> WebSocket: ...
@overload
def connect(
    application: Application,
    path: str = ...,
    *,
    handler: type[W],
    environ: Environ | None = ...,
    capacity: int | None = ...,
    **arguments: Unpack[OpeningArguments],
) -> W: ...
def connect(
    application: Application,
    path: str = "/",
    *,
    handler: type[WebSocket] = WebSocket,
    environ: Environ | None = None,
    capacity: int | None = CAPACITY,
    **arguments: Unpack[OpeningArguments],
) -> WebSocket:
    """Connect to a WebSocket of a WSGI *application*, and return the open connection.

    The application runs in a greenlet of this hub, as it would on WSGIServer, until its view is
    done. The opening handshake is a real one, and so is all that follows. Only the caller waits.

    Args:
        application: Flask's, Django's, Pyramid's or any other.
        path: the path, and the query if there is one, at ws://localhost; or a whole url, by which
            the application sees another host, or with wss another scheme. Redirects lead to the
            same application.
        handler: a subclass of WebSocket in the callback style; its callbacks begin to run.
        environ: more for the environ of the request, as REMOTE_ADDR or SCRIPT_NAME.
        capacity: how many bytes an end takes before it reads any; None is no limit.
        **arguments: subprotocols, headers, origin, redirects, auth, cookies, and Options, as for
            geventws.connect().

    Raises:
        Rejected: the application answered something else than 101; with its headers and body.
        InvalidHandshake: its answer breaks a rule.
        TimeoutError: open_timeout was up.
        Exception: what the application raised in place of an answer.
        InvalidURI, TypeError, ValueError: an argument is wrong.
    """
    runs: list[_Run] = []

    def reach(where: URI, _: float | None) -> MemoryTransport:
        near, far = transports(capacity)
        runs.append(_Run(application, where, environ or {}, far))
        return near

    url = path if "://" in path.partition("?")[0] else f"ws://{HOST}{path}"
    try:
        return begin(*open_over(reach, url, handler, **arguments))
    except HandshakeError:
        if runs and runs[-1].error is not None:
            raise runs[-1].error from None
        raise


class _Run:
    """One request to the application: the other end of a connection."""

    def __init__(
        self, application: Application, where: URI, environ: Environ, transport: MemoryTransport
    ) -> None:
        self.error: BaseException | None = None  # what came in place of an answer
        self._application = application
        self._where = where
        self._environ = environ
        self._transport = transport
        gevent.spawn(self._serve)

    def _serve(self) -> None:
        try:
            head, rest = drive(read_request(), self._transport, None)
        except InvalidHandshake:  # the client has given up
            self._transport.close()
            return
        upgrade = UpgradeInput(self._transport, head, rest)
        try:
            self._answer(upgrade)
        except Exception as error:
            if upgrade.connection is None:
                self.error = error
                self._transport.close()
            else:
                finish(upgrade.connection, error)
        except BaseException:
            self._transport.close()
            raise

    def _answer(self, upgrade: UpgradeInput) -> None:
        environ = environ_of(upgrade, self._where) | self._environ
        response = _Response()
        try:
            response.run(self._application, environ)
        except InvalidHandshake as error:  # a view may leave it to the server to say no
            if upgrade.connection is not None or error not in refusals:
                raise
            self._say(refusal(error).to_bytes())
        else:
            if upgrade.connection is None:
                self._say(response.to_bytes())
            else:
                finish(upgrade.connection)

    def _say(self, data: bytes) -> None:
        self._transport.post([data])
        self._transport.shutdown()


class _Response:
    """What an application answers in place of a 101."""

    def __init__(self) -> None:
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    def run(self, application: Application, environ: Environ) -> None:
        """Take what *application* answers."""
        parts = application(environ, self._start)
        try:
            for part in parts:
                self._body += part
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def _start(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self._status, self._headers = status, list(headers)
        return self._body.extend

    def to_bytes(self) -> bytes:
        """Return the response as it goes over the wire."""
        if not self._status:
            raise RuntimeError("the application called neither start_response nor upgrade()")
        return build_head(f"HTTP/1.1 {self._status}", self._headers) + self._body


def environ_of(upgrade: UpgradeInput, where: URI) -> Environ:
    """Return the environ of the request that *upgrade* belongs to."""
    request = Request(upgrade.head, CLIENT)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(split_target(request.target)[1]).decode("latin-1"),
        "QUERY_STRING": request.query,
        "SERVER_NAME": where.host,
        "SERVER_PORT": str(where.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": CLIENT[0],
        "REMOTE_PORT": str(CLIENT[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if where.secure else "http",
        "wsgi.input": upgrade,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        environ[_KEYS.get(name, f"HTTP_{name.replace('-', '_').upper()}")] = value
    environ["wsgi.websocket"] = LazyWebSocket(environ, upgrade, Upgrader(), False)
    return environ


class UpgradeInput(io.BytesIO):
    """An empty wsgi.input, and the way from its request to a WebSocket: an IUpgradable."""

    limits = None

    def __init__(self, transport: MemoryTransport, head: bytes, rest: bytes) -> None:
        super().__init__()
        self.socket = transport
        self.head = head
        self.connection: WebSocket | None = None
        self._rest = rest

    def begin(self, response: bytes, start_response: object) -> bytes:
        """Send *response* and return what was read past the request. See IUpgradable."""
        if self.connection is not None:
            raise TypeError("environ: the request was upgraded already")
        self.socket.write([response])
        return self._rest

    def opened(self, connection: Any) -> None:
        """Take note of *connection*. See IUpgradable."""
        self.connection = connection


def _same(transport: MemoryTransport, limits: object) -> MemoryTransport:
    return transport


classImplements(UpgradeInput, IUpgradable)
_KIND: Final[Any] = implementedBy(MemoryTransport)  # type: ignore[no-untyped-call]
registry.register([_KIND], ITransport, "", _same)
registry.register([_KIND], ICaretaker, "", lambda _: caretaker())
