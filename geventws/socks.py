"""The way through a SOCKS proxy: python-socks knows the protocol, the socket is the caller's."""

from __future__ import annotations

from typing import Any

from geventws.extras import load
from geventws.proxy import Proxy


def pass_socks(socket: Any, proxy: Proxy, host: str, port: int) -> None:
    """Have *proxy*, at the other end of *socket*, lead on to *host* and *port*.

    A *host* that is a name is looked up by the proxy. Whoever the socket lets wait waits: nothing
    else is blocked by it.

    Raises:
        PermissionError: the proxy wants other credentials, or does not let us go there.
        ConnectionError: it cannot reach the server, is none of that version of SOCKS, or left.
        ImportError: python-socks is not installed.
    """
    module = load("python_socks", "socks")
    speaker = load("python_socks.sync", "socks").Proxy(
        module.ProxyType.SOCKS5 if "5" in proxy.scheme else module.ProxyType.SOCKS4,
        proxy.host,
        proxy.port,
        proxy.user,
        proxy.password,
        rdns=True,
        forward=_Connected(socket),
    )
    try:
        speaker.connect(host.partition("%")[0], port)  # a zone means nothing to others
    except module.ProxyError as error:
        raise _refusal(error) from None


class _Connected:
    """What python-socks takes for a proxy before the proxy: the way there, already open."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def connect(self, **_: object) -> Any:
        return self._socket


def _refusal(error: Any) -> OSError:
    text = f"the proxy: {error}".lower()
    # 2 is RFC 1928's "not allowed by ruleset", 93 SOCKS4's for another user
    if error.error_code in (2, 93) or "authentication" in text:
        return PermissionError(text)
    return ConnectionError(text)
