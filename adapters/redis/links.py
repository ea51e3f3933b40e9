"""redis-py's connections over gevent's sockets, whether the process is patched or not.

a URL -> Source -> Link -> connect() -> where is the master? -> TCP, TLS or a unix socket
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import gevent.socket
import redis
from gevent.lock import RLock
from gevent.socket import IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_NODELAY
from redis.connection import ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from geventws.tls import wrap

SENTINEL_PORT: Final = 26379
SCHEMES: Final = "url: redis or rediss, with +cluster or +sentinel, or unix"
_OWN: Final = {
    *("protocol", "decode_responses", "connection_class", "retry", "retry_on_error"),
    *("socket_timeout", "socket_connect_timeout", "retry_on_timeout", "health_check_interval"),
}


class GreenConnection(redis.Connection):
    """A connection over TCP."""

    def _connect(self) -> Any:
        address = (self.host, self.port)
        sock = gevent.socket.create_connection(address, self.socket_connect_timeout)
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        if self.socket_keepalive:
            sock.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
            for option, value in self.socket_keepalive_options.items():
                sock.setsockopt(IPPROTO_TCP, option, value)
        sock.settimeout(self.socket_timeout)
        return sock


class GreenTLSConnection(GreenConnection, SSLConnection):
    """A connection over TLS, with what redis-py calls ssl_..., but OCSP."""

    def _connect(self) -> Any:
        context = self._context()
        sock = super()._connect()
        try:
            sock = wrap(sock, context, server_hostname=self.host)
            sock.settimeout(self.socket_connect_timeout)
            sock.do_handshake()
        except BaseException:
            sock.close()
            raise
        sock.settimeout(self.socket_timeout)
        return sock

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = self.check_hostname
        context.verify_mode = self.cert_reqs
        if self.certfile or self.keyfile:
            context.load_cert_chain(self.certfile, self.keyfile, self.certificate_password)
        if self.ca_certs or self.ca_path or self.ca_data:
            context.load_verify_locations(self.ca_certs, self.ca_path, self.ca_data)
        if self.ssl_min_version is not None:
            context.minimum_version = self.ssl_min_version
        if self.ssl_ciphers:
            context.set_ciphers(self.ssl_ciphers)
        return context


class GreenUnixConnection(UnixDomainSocketConnection):
    """A connection over a unix socket."""

    def _connect(self) -> Any:
        sock = gevent.socket.socket(gevent.socket.AF_UNIX, gevent.socket.SOCK_STREAM)
        sock.settimeout(self.socket_connect_timeout)
        try:
            sock.connect(self.path)
        except BaseException:
            sock.close()
            raise
        sock.settimeout(self.socket_timeout)
        return sock


_CLASSES: Final[dict[str, type[Any]]] = {
    "redis": GreenConnection,
    "rediss": GreenTLSConnection,
    "unix": GreenUnixConnection,
}


class Link:
    """One connection to Redis, opened as often as it is lost."""

    def __init__(self, connection: Any, locate: Callable[[], tuple[str, int]] | None) -> None:
        self._connection = connection
        self._locate = locate
        self._open = False
        self.pack = connection.pack_commands
        self.send = connection.send_packed_command
        self.read = connection.read_response

    @property
    def address(self) -> tuple[str | None, int]:
        """Where it leads to; a unix socket has neither host nor port."""
        connection = self._connection
        return getattr(connection, "host", None), getattr(connection, "port", 0)

    def connect(self) -> None:
        """Open it, if it is not. Raises RedisError or OSError where that is not possible in time.

        Nothing is to be expected on an open one. Sentinels are asked each time who the master is.
        """
        if self._open and not self._has_ended():
            return
        if self._locate is not None:
            self._connection.host, self._connection.port = self._locate()
        self._connection.connect()
        self._open = True

    def _has_ended(self) -> bool:
        """Return whether the peer has closed it: what is written then is not known to be lost."""
        try:
            ended: bool = self._connection.can_read(0)
        except (RedisError, OSError):
            ended = True
        if ended:
            self.disconnect()
        return ended

    def disconnect(self) -> None:
        """Close it; who waits on it gets an error."""
        self._open = False
        self._connection.disconnect()


class Source:
    """Where connections come from: a URL, with what redis-py is told besides.

    Attributes:
        timeout: seconds that a connection may take to open, or to answer.
        is_cluster: whether the URL leads to a node of a cluster.

    Raises:
        TypeError, ValueError: the URL or an option is none that can be used.
    """

    def __init__(self, url: str, timeout: float, options: dict[str, Any]) -> None:
        if not isinstance(url, str):
            raise TypeError(f"url: a str, not {type(url).__name__}")
        if wrong := _OWN & options.keys():
            raise TypeError(f"{min(wrong)} is not for callers to set")
        self.timeout = timeout
        self._options = options
        scheme, plus, kind = url.partition("://")[0].partition("+")
        if plus and (kind not in ("cluster", "sentinel") or scheme == "unix"):
            raise ValueError(SCHEMES)
        self.is_cluster = kind == "cluster"
        plain = url.replace(plus + kind, "", 1)
        self._url, self._sentinels, self._service = (
            _divide(plain) if kind == "sentinel" else (plain, [], "")
        )
        self._pool = self._make_pool(self._url)
        self._locate = self._sentinel().locate if self._sentinels else None

    def link(self) -> Link:
        """Return a new link to the Redis of the URL."""
        return Link(self._pool.make_connection(), self._locate)

    def link_to(self, host: str, port: int) -> Link:
        """Return a new link to another Redis of the same cluster."""
        connection = self._pool.make_connection()
        connection.host, connection.port = host, port
        return Link(connection, None)

    def _make_pool(self, url: str) -> Any:
        scheme = url.partition("://")[0]
        if scheme not in _CLASSES:
            raise ValueError(SCHEMES)
        pool = ConnectionPool.from_url(url, **self._options)
        pool.connection_class = _CLASSES[scheme]
        pool.connection_kwargs.update(
            protocol=2,  # a message costs 5.6 us, 7.5 with protocol 3
            decode_responses=False,
            socket_timeout=self.timeout,
            socket_connect_timeout=self.timeout,
        )
        pool.make_connection()  # or a wrong option would only be found out in a greenlet
        return pool

    def _sentinel(self) -> _Sentinels:
        credentials = {"username": None, "password": None, "db": 0}
        return _Sentinels(
            [self._sentinel_pool(host, port, credentials) for host, port in self._sentinels],
            self._service,
        )

    def _sentinel_pool(self, host: str, port: int, credentials: dict[str, Any]) -> ConnectionPool:
        pool = self._make_pool(self._url)
        pool.connection_kwargs.update(host=host, port=port, **credentials)
        made: ConnectionPool = pool
        return made


class _Sentinels:
    """Those that know who the master is."""

    def __init__(self, pools: list[ConnectionPool], service: str) -> None:
        self._pools = pools
        self._service = service
        self._turn = RLock()

    def locate(self) -> tuple[str, int]:
        """Return where the master is. Raises RedisError where no sentinel knows."""
        sentinel: Any = Sentinel([])  # type: ignore[no-untyped-call]
        sentinel.sentinels = [redis.Redis(connection_pool=pool) for pool in self._pools]
        with self._turn:
            try:
                host, port = sentinel.discover_master(self._service)
            finally:
                for pool in self._pools:
                    pool.disconnect()
        return host, port


def _divide(url: str) -> tuple[str, list[tuple[str, int]], str]:
    """Return a URL for redis-py, the sentinels that *url* names, and the name of their master."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError("url: redis+sentinel://host:port,host:port/service, with or without /db")
    netloc = f"{credentials}{at}localhost"
    plain = urlunsplit((parts.scheme, netloc, database, parts.query, ""))
    return plain, [_address(each) for each in hosts.split(",")], service


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if parts.hostname is None:
        raise ValueError("url: a sentinel without a host")
    return parts.hostname, SENTINEL_PORT if parts.port is None else parts.port
