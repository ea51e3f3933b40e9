"""TLS over gevent's sockets, with the context of the standard library that everybody has."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import gevent.ssl
from gevent.monkey import get_original

# gevent's context, which patching puts in ssl, is one of these; theirs is not one of gevent's. A
# module that has the class itself, and not a tuple of it, gevent warns of when it patches later.
_CONTEXTS: tuple[type[ssl.SSLContext]] = (get_original("ssl", "SSLContext"),)


@cache
def default_context() -> ssl.SSLContext:
    """Return the context for clients: certificate and host name are verified."""
    return ssl.create_default_context()


def wrap(socket: Any, context: ssl.SSLContext, *, server_hostname: str | None = None) -> Any:
    """Return gevent's TLS socket over *socket*, for a client of *server_hostname* or else a server.

    The handshake is yet to be done. *context* may be of the standard library or of gevent: only
    the socket has to be gevent's for the handshake not to block the hub.
    """
    return gevent.ssl.SSLSocket(
        sock=socket,
        server_side=server_hostname is None,
        do_handshake_on_connect=False,
        server_hostname=server_hostname,
        _context=context,
    )


def check_context(context: object) -> None:
    """Raise TypeError where *context*, an argument named ssl, is no SSLContext."""
    if context is not None and not isinstance(context, _CONTEXTS):
        raise TypeError(f"ssl: an ssl.SSLContext or None, not {type(context).__name__}")


def _is_host(name: str) -> bool:
    """Return whether TLS would take *name*, which it would only tell once it is connected."""
    try:
        encoded = name.encode("idna")
    except UnicodeError:
        return False
    return bool(encoded) and not encoded.startswith(b".") and b"\0" not in encoded


def check_server_hostname(name: object, secure: bool) -> None:
    """Raise TypeError or ValueError where *name*, an argument server_hostname, cannot be used.

    Args:
        secure: whether there is TLS at all.
    """
    if name is None:
        return
    if not isinstance(name, str):
        raise TypeError(f"server_hostname: a str or None, not {type(name).__name__}")
    if not _is_host(name):
        raise ValueError("server_hostname: not a host")
    if not secure:
        raise ValueError("server_hostname: only wss has TLS, and this address is not wss")
