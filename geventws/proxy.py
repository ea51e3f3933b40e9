"""Which proxy leads to a server, and how one that speaks HTTP is asked (RFC 9110 9.3.6)."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address, ip_network
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from geventws.core.errors import InvalidHandshake, Rejected
from geventws.core.headers import HeadReader, build_head
from geventws.credentials import basic, decoded
from geventws.opening import Reading, log_head, read_answer
from geventws.uri import URI, split_authority

PORTS: Final = {
    **{"http": 80, "https": 443},
    **dict.fromkeys(("socks4", "socks4a", "socks5", "socks5h"), 1080),
}
# what of the environment leads there, the first of them that is set; as <name>_proxy
_NAMES: Final = {True: ("wss", "https", "socks", "all"), False: ("ws", "http", "socks", "all")}
_split_list = re.compile(r"[^\s,]+").findall
# of no_proxy: a host, an address or a network of them, with or without a port
_match_exception = re.compile(r"(?:\*?\.)?(?:\[([^\]]+)\]|([^:]*))(?::([0-9]{1,5}))?").fullmatch
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
        userinfo, at, authority = parts.netloc.rpartition("@")
        name, _, password = map(decoded, userinfo.partition(":"))
        host, port = split_authority(authority, PORTS.get(parts.scheme, 1))
    except ValueError:
        raise ValueError(_BAD) from None
    if parts.scheme not in PORTS:
        raise ValueError(f"proxy: a scheme other than {', '.join(PORTS)}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(_BAD)
    _check_credentials(parts.scheme, name, password)
    return Proxy(parts.scheme, host, port, name if at else None, password)


def _check_credentials(scheme: str, user: str, password: str) -> None:
    if not scheme.startswith("socks"):
        if ":" in user:
            raise ValueError("proxy: a user with a colon, which basic authentication cannot say")
    elif not (user + password).isascii() or max(len(user), len(password)) > 255:
        raise ValueError("proxy: credentials over 255 characters or not ASCII (RFC 1929)")
    elif "\0" in user:  # which ends it in SOCKS4, and what follows would be the host
        raise ValueError("proxy: a user with a NUL")


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
    name = next((name for name in _NAMES[where.secure] if _variable(name)), None)
    if name is None or any(_leaves_out(each, where) for each in _split_list(_variable("no"))):
        return None
    url = _variable(name)
    if name == "socks":
        url = f"socks5h://{url.rpartition('://')[2]}"
    try:
        return parse_proxy(url)
    except ValueError as error:
        raise ValueError(f"{error}, as {name}_proxy of the environment") from None


def _variable(name: str) -> str:
    small, capital = f"{name}_proxy", f"{name}_proxy".upper()
    if name == "http" and "REQUEST_METHOD" in os.environ:
        return os.environ.get(small, "")  # in CGI the other is a header that a client sent
    return os.environ.get(small, os.environ.get(capital, ""))


def _leaves_out(exception: str, where: URI) -> bool:
    """Return whether *exception*, one of no_proxy, has *where* be reached without a proxy."""
    found = _match_exception(exception)
    inner, name, port = found.groups() if found else (None, exception, None)
    if port is not None and int(port) != where.port:
        return False
    name, host = (inner or name).lower().removesuffix("."), where.certified
    try:
        return ip_address(host) in ip_network(name, strict=False)
    except ValueError:
        return name == "*" or host == name or (bool(name) and host.endswith(f".{name}"))


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
    try:
        _, status, headers = yield from read_answer(reader)
    except InvalidHandshake as error:
        raise type(error)(f"the proxy's answer: {error}") from None
    if not 200 <= status < 300:
        raise ProxyRejected(status, headers, b"")
    if reader.rest():  # RFC 9110 9.3.6: a 2xx has no body, and the server waits for us
        raise InvalidHandshake("the proxy's answer: more than a head")
