"""Who is behind an address: what trusted proxies say of their clients, and which belong together.

X-Forwarded-For, X-Forwarded-Proto -> TrustedProxies -> the address and the scheme a client has
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final

from geventws.core.handshake import Request

UNIX: Final = "unix"
# What one customer of a provider is given (RFC 6177); single addresses of it cost nothing.
SITE: Final = 64
HOPS: Final = 32  # proxies in a row; what is named before them costs nothing
SECURE: Final = {"https": True, "wss": True, "http": False, "ws": False}

# "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80"; a bare IPv6 address has colons of its own
_match_port = re.compile(r"\[([^\]]*)\](?::([0-9]{1,5}))?|([0-9.]+):([0-9]{1,5})").fullmatch


class TrustedProxies:
    """The proxies whose word on their clients is taken; of anyone else it is passed over.

    A trusted proxy has to set X-Forwarded-For and X-Forwarded-Proto itself, or what it passes on is
    its client's own claim. Forwarded (RFC 7239) is not looked at: a proxy that sets only one of the
    two passes on what its client says in the other.

    Args:
        networks: addresses, or networks as "10.0.0.0/8", and "unix" for all who come over a unix
            socket.

    Raises:
        TypeError, ValueError: *networks* are none.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        if isinstance(networks, str) or not isinstance(networks, Iterable):
            raise TypeError('trusted_proxies: a list of networks, as ["10.0.0.0/8"]')
        listed = list(networks)
        self._unix = UNIX in listed
        self._networks = [_network(each) for each in listed if each != UNIX]

    def trusts(self, address: Any) -> bool:
        """Return whether the peer at *address*, as its socket gives it, is one of them."""
        if not isinstance(address, tuple):
            return self._unix
        return bool(self._networks) and self._has(parse_address(address[0]))

    def client_of(self, request: Request) -> tuple[str, int] | None:
        """Return the address of the client that *request*, of a trusted proxy, comes from.

        Every proxy on the way adds whom it hears; so it is the last one added who is not trusted
        in turn, or the 32nd from the end. The port is 0 where it is not told. None where nobody was
        named.

        Raises:
            InvalidHandshake: the headers are malformed.
        """
        client = None
        for entry in reversed(_entries(request, "X-Forwarded-For")[-HOPS:]):
            text, port = _split_port(entry)
            address = parse_address(text)
            if address is None:  # "unknown", or worse
                break
            client = str(address), port
            if not self._has(address):
                break
        return client

    def is_secure(self, request: Request) -> bool | None:
        """Return whether the client of *request* sees TLS; None where nobody says.

        Raises:
            InvalidHandshake: the headers are malformed.
        """
        said = _entries(request, "X-Forwarded-Proto")
        return SECURE.get(said[-1].lower()) if said else None

    def _has(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that *text* says; an IPv4 one where it was mapped to IPv6."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def group_of(address: Any) -> str:
    """Return what counts as one address with *address*, a socket's: of IPv6 its /64.

    Empty for a unix socket's.
    """
    if not isinstance(address, tuple):
        return ""
    parsed = parse_address(address[0])
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), SITE), strict=False))
    return str(parsed or address[0])


def _network(given: object) -> IPv4Network | IPv6Network:
    if not isinstance(given, (str, IPv4Network, IPv6Network)):
        raise TypeError("trusted_proxies: a network is a str")
    try:
        return ip_network(given)
    except ValueError as error:
        raise ValueError('trusted_proxies: no network, as "10.0.0.0/8" is one') from error


def _entries(request: Request, name: str) -> list[str]:
    listed = ",".join(request.headers.get_all(name)).split(",")
    return [entry.strip() for entry in listed if entry.strip()]


def _split_port(entry: str) -> tuple[str, int]:
    found = _match_port(entry)
    if found is None:
        return entry, 0
    return found[1] or found[3] or "", int(found[2] or found[4] or 0)
