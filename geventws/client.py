"""connect(): from an address to an open connection (RFC 6455 4.1).

url -> TCP -> TLS -> the opening handshake -> WebSocket
"""

from __future__ import annotations

import ssl as stdlib_ssl
from collections.abc import Sequence
from typing import Any, Final, TypeVar, Unpack, overload

import gevent

from geventws.care import caretaker
from geventws.core.codes import Side
from geventws.core.headers import HeaderItems
from geventws.dial import dial, look_up, unix_address
from geventws.opening import PHASE, check_way, deadline_of, late, open_client, opening_to
from geventws.options import OptionArguments, options_of
from geventws.tls import check_context, default_context, wrap
from geventws.transport import Transport
from geventws.uri import URI, parse_uri
from geventws.websocket import WebSocket, establish
from geventws.workers import workers

W = TypeVar("W", bound=WebSocket)

# The phases of an opening, PHASE being the last one.
NAME_LOOKUP: Final = "the name lookup"
TCP: Final = "the TCP handshake"
TLS: Final = "the TLS handshake"


@overload
def connect(
    url: str,
    *,
    subprotocols: Sequence[str] = ...,
    headers: HeaderItems = ...,
    origin: str | None = ...,
    ssl: stdlib_ssl.SSLContext | None = ...,
    source_address: tuple[str, int] | None = ...,
    **options: Unpack[OptionArguments],
) -> WebSocket: ...
@overload
def connect(
    url: str,
    *,
    handler: type[W],
    subprotocols: Sequence[str] = ...,
    headers: HeaderItems = ...,
    origin: str | None = ...,
    ssl: stdlib_ssl.SSLContext | None = ...,
    source_address: tuple[str, int] | None = ...,
    **options: Unpack[OptionArguments],
) -> W: ...
def connect(
    url: str,
    *,
    handler: type[WebSocket] = WebSocket,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: stdlib_ssl.SSLContext | None = None,
    source_address: tuple[str, int] | None = None,
    **options: Unpack[OptionArguments],
) -> WebSocket:
    """Connect to the server at *url* and return the open connection. Only the caller waits.

    Args:
        url: ws://, wss://, or ws+unix:///path/of/socket[:/path], wss+unix.
        handler: a subclass of WebSocket in the callback style; its callbacks begin to run.
        subprotocols: what to offer, the most wanted first.
        headers: more headers for the request, as a mapping or pairs.
        origin: the Origin header, which only browsers have to send.
        ssl: for wss, a context in place of the default, which verifies certificate and host name.
        source_address: the local IP address and port to connect from; port 0 takes a free one.
        **options: see Options.

    Raises:
        InvalidURI: *url* is no address of a WebSocket server.
        OSError: there is no such host, nobody listens, or TLS failed (ssl.SSLError).
        TimeoutError: open_timeout was up; it names the phase that took too long.
        Rejected: the server answered something else than 101.
        InvalidHandshake: the server's answer breaks a rule.
        TypeError, ValueError: an argument is wrong; nothing was sent.
    """
    connection, transport = open_connection(
        url,
        handler,
        Phases(),
        subprotocols=subprotocols,
        headers=headers,
        origin=origin,
        ssl=ssl,
        source_address=source_address,
        **options,
    )
    if handler is not WebSocket:
        workers().drive(connection, transport)
    return connection


class Phases:
    """What an opening is busy with; a subclass can note how long each phase takes."""

    __slots__ = ("now",)

    def begin(self, phase: str) -> None:
        """Take note that *phase* begins, and that the one before it has ended."""
        self.now = phase


def open_connection(
    url: str,
    handler: type[W],
    phases: Phases,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: stdlib_ssl.SSLContext | None = None,
    source_address: tuple[str, int] | None = None,
    **options: Unpack[OptionArguments],
) -> tuple[W, Transport]:
    """Do the work of connect(), telling its *phases*; what drives callbacks is not begun.

    Raises: as connect().
    """
    settings = options_of(options)
    where = parse_uri(url)
    _check(handler, ssl)
    check_way(where, ssl, source_address)
    opening = opening_to(where, settings, subprotocols, headers, origin)
    deadline = deadline_of(settings)
    context = (ssl or default_context()) if where.secure else None
    transport = Transport(_reach(where, source_address, context, settings.open_timeout, phases))
    try:
        phases.begin(PHASE)
        accepted, rest = open_client(transport, opening, deadline)
        connection = establish(handler, transport, settings, Side.CLIENT, accepted, rest)
        caretaker().watch(connection, transport)
        return connection, transport
    except BaseException:
        transport.close()
        raise


def _check(handler: object, context: object) -> None:
    if not (isinstance(handler, type) and issubclass(handler, WebSocket)):
        raise TypeError("handler: a subclass of WebSocket")
    check_context(context)


def _reach(
    where: URI,
    source_address: tuple[str, int] | None,
    context: stdlib_ssl.SSLContext | None,
    seconds: float | None,
    phases: Phases,
) -> Any:
    """Return a socket on which the server is to be asked; its time counts against open_timeout."""
    limit = gevent.Timeout(seconds)
    try:
        with limit:
            phases.begin(NAME_LOOKUP)
            if where.path is None:
                addresses = look_up(where.host, where.port)
            else:
                addresses = [unix_address(where.path)]
            phases.begin(TCP)
            socket = dial(addresses, source_address)
            if context is None:
                return socket
            phases.begin(TLS)
            return _secure(socket, context, where.certified)
    except gevent.Timeout as timeout:
        if timeout is not limit:
            raise
        raise late(phases.now) from None


def _secure(socket: Any, context: stdlib_ssl.SSLContext, name: str) -> Any:
    secured = socket
    try:
        secured = wrap(socket, context, server_hostname=name)
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured
