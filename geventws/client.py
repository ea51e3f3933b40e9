"""connect(): from an address to an open connection (RFC 6455 4.1).

url -> TCP -> a proxy's way -> TLS -> the opening handshake -> WebSocket, or a redirect to a url
"""

from __future__ import annotations

import ssl as stdlib_ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar, Unpack, overload

import gevent
from gevent.socket import AF_INET

from geventws.asking import REDIRECTS, Asking
from geventws.care import caretaker
from geventws.cookies import Jar
from geventws.core.codes import Side
from geventws.core.errors import Rejected
from geventws.core.handshake import Opening
from geventws.core.headers import HeaderItems
from geventws.credentials import Auth
from geventws.dial import dial, look_up, unix_address
from geventws.opening import PHASE, check_way, deadline_of, late, left, open_client
from geventws.options import OptionArguments, options_of
from geventws.proxy import (
    Proxy,
    ProxyArgument,
    proxy_for,
    read_tunnel,
    tunnel_request,
)
from geventws.relay import secure
from geventws.socks import pass_socks
from geventws.tls import check_context, check_server_hostname, default_context
from geventws.transport import Transport, bare
from geventws.uri import URI
from geventws.websocket import WebSocket, establish
from geventws.workers import workers

T = TypeVar("T")
W = TypeVar("W", bound=WebSocket)

CHUNK: Final = 4096  # bytes of a proxy's answer asked for at once

# The phases of an opening, PHASE being the last one.
CREDENTIALS: Final = "what was given as auth or cookies"
NAME_LOOKUP: Final = "the name lookup"
TCP: Final = "the TCP handshake"
PROXY: Final = "the proxy"
TLS: Final = "the TLS handshake"


class ClientArguments(OptionArguments, total=False):
    """The keywords of connect() but handler."""

    subprotocols: Sequence[str]
    headers: HeaderItems
    origin: str | None
    ssl: stdlib_ssl.SSLContext | None
    server_hostname: str | None
    proxy: ProxyArgument
    redirects: int
    auth: Auth
    cookies: Jar | None
    source_address: tuple[str, int] | None


@overload
def connect(url: str, **arguments: Unpack[ClientArguments]) -> WebSocket: ...
@overload
def connect(url: str, *, handler: type[W], **arguments: Unpack[ClientArguments]) -> W: ...
def connect(
    url: str,
    *,
    handler: type[WebSocket] = WebSocket,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    ssl: stdlib_ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    proxy: ProxyArgument = True,
    redirects: int = REDIRECTS,
    auth: Auth = None,
    cookies: Jar | None = None,
    source_address: tuple[str, int] | None = None,
    **options: Unpack[OptionArguments],
) -> WebSocket:
    """Connect to the server at *url* and return the open connection. Only the caller waits.

    Args:
        url: ws://, wss://, or ws+unix:///path/of/socket[:/path], wss+unix. With user:password@
            before the host, percent-encoded, these are sent as basic authentication.
        handler: a subclass of WebSocket in the callback style; its callbacks begin to run.
        subprotocols: what to offer, the most wanted first.
        headers: more headers for the request, as a mapping or pairs.
        origin: the Origin header, which only browsers have to send.
        ssl: for wss, a context in place of the default, which verifies certificate and host name.
        server_hostname: for wss, what the certificate has to name, and what SNI asks for, in place
            of the host of *url*; not after a redirect to another origin.
        proxy: http, https, socks4, socks4a, socks5 or socks5h://[user:password@]host[:port], where
            the a and the h leave the name lookup to the proxy; True is what the environment says,
            as wss_proxy, https_proxy, socks_proxy, all_proxy and no_proxy; None is none.
        redirects: how many to follow, never to a weaker scheme; 0 has them raised as Rejected. To
            another origin go no auth and none of *headers*.
        auth: a pair of user and password, or a callable that returns the value of the Authorization
            header; it is called for each request.
        cookies: an http.cookiejar.CookieJar, as requests has one, which gives and takes cookies by
            its own rules; it may be shared.
        source_address: the local IP address and port to connect from; port 0 takes a free one.
        **options: see Options.

    Raises:
        InvalidURI: *url* is no address of a WebSocket server.
        OSError: there is no such host, nobody listens, TLS failed (ssl.SSLError), or a SOCKS proxy
            would not (PermissionError) or could not (ConnectionError).
        TimeoutError: open_timeout was up; it names the phase that took too long.
        Rejected: the server answered something else than 101, or a proxy something else than 2xx,
            which the text tells.
        InvalidHandshake: an answer breaks a rule, or is one redirect too many.
        ImportError: *proxy* is one of SOCKS, which takes pip install geventws[socks].
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
        server_hostname=server_hostname,
        proxy=proxy,
        redirects=redirects,
        auth=auth,
        cookies=cookies,
        source_address=source_address,
        **options,
    )
    if handler is not WebSocket:
        workers().drive(connection, transport)
    return connection


class Phases:
    """What an opening is busy with; a subclass can note how long each phase takes.

    A redirect has all of them begin again.
    """

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
    server_hostname: str | None = None,
    proxy: ProxyArgument = True,
    redirects: int = REDIRECTS,
    auth: Auth = None,
    cookies: Jar | None = None,
    source_address: tuple[str, int] | None = None,
    **options: Unpack[OptionArguments],
) -> tuple[W, Transport]:
    """Do the work of connect(), telling its *phases*; what drives callbacks is not begun.

    Raises: as connect().
    """
    settings = options_of(options)
    asking = Asking(url, settings, subprotocols, headers, origin, redirects, auth, cookies)
    _check(handler, ssl)
    check_way(asking.where, ssl, source_address)
    check_server_hostname(server_hostname, asking.where.secure)
    way = _Way(ssl, server_hostname, proxy, source_address, phases)
    deadline = deadline_of(settings)
    while True:
        opening, socket = _in_time(deadline, phases, lambda: way.reach(asking))
        # the program may do something after send() that the hub knows nothing of
        transport = Transport(bare(socket), at_once=True)
        try:
            phases.begin(PHASE)
            accepted, rest = open_client(transport, opening, deadline, asking.note)
            connection = establish(handler, transport, settings, Side.CLIENT, accepted, rest)
            caretaker().watch(connection, transport)
            return connection, transport
        except Rejected as rejected:
            transport.close()
            asking.follow(rejected)
        except BaseException:
            transport.close()
            raise


def _check(handler: object, context: object) -> None:
    if not (isinstance(handler, type) and issubclass(handler, WebSocket)):
        raise TypeError("handler: a subclass of WebSocket")
    check_context(context)


def _in_time(deadline: float | None, phases: Phases, work: Callable[[], T]) -> T:
    """Return what *work* returns; TimeoutError with its phase where the deadline comes first."""
    limit = gevent.Timeout(left(deadline, PHASE))
    try:
        with limit:
            return work()
    except gevent.Timeout as timeout:
        if timeout is not limit:
            raise
        raise late(phases.now) from None


class _Way(NamedTuple):
    """How to get to a server."""

    context: stdlib_ssl.SSLContext | None
    server_hostname: str | None
    proxy: ProxyArgument
    source_address: tuple[str, int] | None
    phases: Phases

    def reach(self, asking: Asking) -> tuple[Opening, Any]:
        """Return what to ask, and a socket to ask it on; an error before that needs no network."""
        where = asking.where
        proxy = proxy_for(where, self.proxy)
        if asking.asks_for_credentials:
            self.phases.begin(CREDENTIALS)
        opening = asking.opening()
        socket = self._connect(where, proxy)
        if not where.secure:
            return opening, socket
        self.phases.begin(TLS)
        name = (asking.is_home and self.server_hostname) or where.certified
        return opening, secure(socket, self.context or default_context(), name)

    def _connect(self, where: URI, proxy: Proxy | None) -> Any:
        self.phases.begin(NAME_LOOKUP)
        host = where.host
        if where.path is not None:
            addresses = [unix_address(where.path)]
        elif proxy is None:
            addresses = look_up(host, where.port)
        else:
            addresses = look_up(proxy.host, proxy.port)
            host = host if proxy.looks_up else _number(host, where.port, proxy)
        self.phases.begin(TCP)
        socket = dial(addresses, self.source_address)
        if proxy is None:
            return socket
        self.phases.begin(PROXY)
        return _pass(socket, proxy, host, where.port)


def _number(host: str, port: int, proxy: Proxy) -> str:
    """Return an address of *host* that *proxy* can be told."""
    for family, _, _, _, address in look_up(host, port):
        if family == AF_INET or proxy.scheme != "socks4":
            return str(address[0])
    raise OSError("the proxy: socks4 has no IPv6 addresses, and the host has no others")


def _pass(socket: Any, proxy: Proxy, host: str, port: int) -> Any:
    """Return *socket*, or TLS over it, once *proxy* at its end leads on to *host*."""
    try:
        if proxy.scheme.startswith("socks"):
            pass_socks(socket, proxy, host, port)
            return socket
        if proxy.scheme == "https":
            socket = secure(socket, default_context(), proxy.host)
        socket.sendall(tunnel_request(proxy, host, port))
        answer = read_tunnel()
        next(answer)
        while True:
            answer.send(socket.recv(CHUNK))
    except StopIteration:
        return socket
    except BaseException:
        socket.close()
        raise
