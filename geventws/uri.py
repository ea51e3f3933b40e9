"""The addresses of WebSocket servers: ws, wss, and both over a unix socket (RFC 6455 3)."""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from geventws.core.errors import InvalidURI

PORTS: Final = {"ws": 80, "wss": 443}
_SURROGATE: Final = "url: a lone surrogate, which UTF-8 has no bytes for"
_BAD_HOST: Final = "url: no valid host and port (RFC 3986 3.2)"
# RFC 3986 3.3 and 3.4, and the percent sign, which a caller has used for its own encoding
_SAFE: Final = "/?!$&'()*+,;=:@-._~%"
_unfit = re.compile(r"[\x00-\x20\x7f]").search
# RFC 3986 3.2.2 and RFC 6874 2: an IPv6 address with or without a zone, or else a name
_match_authority = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)(?:%25([0-9A-Za-z.~_-]+))?\]|([^\[\]:%]+))(?::([0-9]{0,5}))?"
).fullmatch
# with the underscore that DNS lets pass, and as long as RFC 1035 2.3.4 has it, dot included
_match_name = re.compile(r"[0-9a-z._-]{1,254}").fullmatch


class URI(NamedTuple):
    """Where a server is and what to ask it for."""

    secure: bool
    host: str  # a name in ASCII or an IP address, no brackets; for a unix socket "localhost"
    port: int
    target: str
    path: str | None  # of the unix socket

    @property
    def authority(self) -> str:
        """What the Host header says: the host, with its port where that is not the default."""
        host = self.host.partition("%")[0]  # RFC 6874 1: a zone means nothing to others
        if ":" in host:
            host = f"[{host}]"
        default = self.path is not None or self.port == PORTS["wss" if self.secure else "ws"]
        return host if default else f"{host}:{self.port}"

    @property
    def certified(self) -> str:
        """What the server's certificate has to name, and what SNI asks it for."""
        # RFC 6066 3: a name without the dot that may end it
        return self.host.partition("%")[0].removesuffix(".")


def parse_uri(uri: str) -> URI:
    """Parse ws://host[:port]/path?query, wss://..., ws+unix:///socket[:/path?query], wss+unix.

    What the path of a unix socket cannot have as it is, a colon say, is percent-encoded.

    Raises:
        InvalidURI: *uri* is none of those, has a fragment (RFC 6455 3) or credentials.
        TypeError: *uri* is no str.
    """
    if not isinstance(uri, str):
        raise TypeError(f"url: a str, not {type(uri).__name__}")
    if _unfit(uri):
        raise InvalidURI("url: a space or control character (RFC 3986 2)")
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise InvalidURI(_BAD_HOST) from None
    scheme, plus, family = parts.scheme.partition("+")
    if scheme not in PORTS or plus + family not in ("", "+unix"):
        raise InvalidURI("url: a scheme other than ws, wss, ws+unix, wss+unix (RFC 6455 3)")
    if "#" in uri:
        raise InvalidURI("url: a fragment, which WebSocket addresses cannot have (RFC 6455 3)")
    return _unix(parts, scheme) if family else _tcp(parts, scheme)


def _tcp(parts: SplitResult, scheme: str) -> URI:
    if "@" in parts.netloc:
        raise InvalidURI("url: credentials; give them in an Authorization header instead")
    host, port = split_authority(parts.netloc, PORTS[scheme])
    target = _target(parts.path or "/", parts.query)
    return URI(scheme == "wss", host, port, target, None)


def split_authority(authority: str, default: int) -> tuple[str, int]:
    """Return the host of *authority*, a name in ASCII or an IP address, and its port.

    Raises:
        InvalidURI: there is no valid host, or no such port.
    """
    found = _match_authority(authority)
    if found is None:
        raise InvalidURI(_BAD_HOST)
    address, zone, name, digits = found.groups()
    port = int(digits) if digits else default
    if not 0 < port < 65536:
        raise InvalidURI(_BAD_HOST)
    host = _ascii(name) if name else address.lower()
    return f"{host}%{zone}" if zone else host, port


def _unix(parts: SplitResult, scheme: str) -> URI:
    encoded, _, target = parts.path.partition(":")
    try:
        path = unquote_to_bytes(os.fsencode(encoded))
    except UnicodeEncodeError:
        raise InvalidURI(_SURROGATE) from None
    if parts.netloc or not path.startswith(b"/") or b"\0" in path:
        raise InvalidURI("url: a unix socket's is ws+unix:///path/of/socket[:/path]")
    target = _target(target or "/", parts.query)
    return URI(scheme == "wss", "localhost", PORTS[scheme], target, os.fsdecode(path))


def _target(path: str, query: str) -> str:
    if not path.startswith("/"):
        raise InvalidURI("url: a path that does not begin with a slash (RFC 3986 3.3)")
    try:
        return quote(f"{path}?{query}" if query else path, safe=_SAFE)
    except UnicodeEncodeError:
        raise InvalidURI(_SURROGATE) from None


def _ascii(name: str) -> str:
    """Return *name* as DNS has it; the codec also refuses empty and overlong labels."""
    try:
        host = name.encode("idna").decode().lower()
    except UnicodeError:
        raise InvalidURI(_BAD_HOST) from None
    if not _match_name(host):
        raise InvalidURI(_BAD_HOST)
    return host
