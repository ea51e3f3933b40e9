"""Which proxy leads to a server, and how one that speaks HTTP is asked (RFC 9110 9.3.6)."""

from __future__ import annotations

import os
import sys
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from geventws.core.errors import InvalidHandshake, Rejected
from geventws.core.handshake import parse_response
from geventws.core.headers import HeadReader, build_head
from geventws.credentials import basic
from geventws.opening import Reading, log_head, read_head
from geventws.uri import URI

PORTS: Final = {
    **{"http": 80, "https": 443},
    **dict.fromkeys(("socks4", "socks4a", "socks5", "socks5h"), 1080),
}
# what of the environment leads there, the first of them that is set; as <name>_proxy
_NAMES: Final = {True: ("wss", "https", "socks", "all"), False: ("ws", "http", "socks", "all")}
# Most have none, and getproxies() would look at the whole environment for each connection.
_VARIABLES: Final = {
    secure: [each for name in names for each in (f"{name}_proxy", f"{name}_PROXY".upper())]
    for secure, names in _NAMES.items()
}
_SYSTEM: Final = sys.platform in ("darwin", "win32")  # these have settings of their own besides
_BAD: Final = "proxy: not of the form scheme://[user[:password]@]host[:port]"

ProxyArgument: TypeAlias = "str | Literal[True] | None"


class Proxy(NamedTuple):
    """Where a proxy is, what it speaks, and who we are to it."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str

    def __repr__(self) -> str:
        return f"<Proxy {self.scheme}://{self.host}:{self.port}>"  # without the password

    @property
    def looks_up(self) -> bool:
        """Whether it looks names up itself; what speaks HTTP always does."""
        return self.scheme not in ("socks4", "socks5")


class ProxyRejected(Rejected):
    """The proxy, and not the server, answered with something else than 2xx."""

    def __str__(self) -> str:
        why = {407: ", it wants credentials"}.get(self.status, "")
        return f"the proxy answered {self.status}{why}"


def parse_proxy(url: str) -> Proxy:
    """Return the Proxy at *url*; one without a scheme speaks HTTP.

    Raises:
        ValueError: *url* is none. The text never has any of it, for it may hold a password.
        TypeError: *url* is no str.
    """
    if not isinstance(url, str):
        raise TypeError(f"proxy: a str, True or None, not {type(url).__name__}")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError(_BAD) from None
    if parts.scheme not in PORTS:
        raise ValueError(f"proxy: a scheme other than {', '.join(PORTS)}")
    if not host or port == 0 or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(_BAD)
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password or "")
    _check_credentials(parts.scheme, user, password)
    return Proxy(parts.scheme, host, port or PORTS[parts.scheme], user, password)


def _check_credentials(scheme: str, user: str | None, password: str) -> None:
    if user is None:
        return
    if not scheme.startswith("socks"):
        if ":" in user:
            raise ValueError("proxy: a user with a colon, which basic authentication cannot say")
    elif not (user + password).isascii() or max(len(user), len(password)) > 255:
        raise ValueError("proxy: credentials over 255 characters or not ASCII (RFC 1929)")


def proxy_for(where: URI, proxy: ProxyArgument) -> Proxy | None:
    """Return the Proxy that leads to *where*, or None where the way there is direct.

    Args:
        proxy: the argument of connect(): an address, None, or True for what the environment says.

    Raises:
        TypeError, ValueError: *proxy*, or what the environment says, is none.
    """
    if proxy is True:
        return None if where.path is not None else _of_environment(where)
    if proxy is None:
        return None
    parsed = parse_proxy(proxy)
    if where.path is not None:
        raise ValueError("proxy: a unix socket is reached without")
    return parsed


def _of_environment(where: URI) -> Proxy | None:
    if not (_SYSTEM or any(variable in os.environ for variable in _VARIABLES[where.secure])):
        return None
    proxies = getproxies()
    name = next((name for name in _NAMES[where.secure] if proxies.get(name)), None)
    if name is None or proxy_bypass(where.host) or proxy_bypass(_place(where.host, where.port)):
        return None
    url = proxies[name]
    if name == "socks":  # macOS has the system's as one of HTTP here
        url = f"socks5h://{url.rpartition('://')[2]}"
    try:
        return parse_proxy(url)
    except ValueError as error:
        raise ValueError(f"{error}, as {name}_proxy of the environment") from None


def _place(host: str, port: int) -> str:
    return f"[{host.partition('%')[0]}]:{port}" if ":" in host else f"{host}:{port}"


# HTTP


def tunnel_request(proxy: Proxy, host: str, port: int) -> bytes:
    """Return what asks an HTTP *proxy* for a way to *host* and *port*."""
    target = _place(host, port)
    items = [("Host", target)]
    if proxy.user is not None:
        items.append(("Proxy-Authorization", basic(proxy.user, proxy.password)))
    request = build_head(f"CONNECT {target} HTTP/1.1", items)
    log_head(">", request)
    return request


def read_tunnel() -> Reading[None]:
    """Read the answer to tunnel_request(); it returns when the way is open.

    Raises:
        ProxyRejected: the proxy answered with something else than 2xx.
        InvalidHandshake: the answer is malformed, too long, cut short, or more than an answer.
    """
    reader = HeadReader()
    status = 100
    try:
        while status < 200:
            head = yield from read_head(reader)
            status, _, headers = parse_response(head)
    except InvalidHandshake as error:
        raise type(error)(f"the proxy's answer: {error}") from None
    if status >= 300:
        raise ProxyRejected(status, headers, b"")
    if reader.rest():  # RFC 9110 9.3.6: a 2xx has no body, and the server waits for us
        raise InvalidHandshake("the proxy's answer: more than a head")
