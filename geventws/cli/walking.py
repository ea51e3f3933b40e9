"""The way to a server, a step at a time, with what each step finds out (RFC 6455 4.1).

url -> Walk.reach -> a socket -> Walk.ask -> Accepted
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import gevent
import gevent.ssl
from gevent.socket import AF_INET

from geventws.asking import Asking
from geventws.cli.diagnosis import ADDRESS, HANDSHAKE, LOOK_UP, PROXY, TCP, TLS
from geventws.cli.findings import Fact, without_secrets
from geventws.cli.refusals import by_server
from geventws.cli.terminal import printable
from geventws.core.errors import HandshakeError, InvalidHandshake
from geventws.core.handshake import Accepted, Opening, parse_response
from geventws.core.headers import Headers
from geventws.dial import dial, look_up, unix_address
from geventws.opening import read_response
from geventws.options import Options, options_of
from geventws.proxy import Proxy, proxy_for, read_tunnel, tunnel_request
from geventws.relay import secure
from geventws.socks import pass_socks
from geventws.tls import default_context
from geventws.uri import URI

T = TypeVar("T")

CHUNK: Final = 4096
KEPT: Final = 65536  # bytes of the answer; its head is shorter
SECOND_LOOK: Final = 3.0  # seconds that each step of a further try may take
CLOSE_TIMEOUT: Final = 2.0
FAILURES: Final = (OSError, HandshakeError, ValueError, ImportError)  # which a step ends with


class Walk:
    """One way to a server, a step at a time.

    Attributes:
        step: what it is busy with.
        facts: what each step that went well found out.
        url: what was given.
        where: the address, once it is read.
        socket: what leads to the server, once it is reached.
        proxy: the proxy on the way, once the address is read; None where there is none.
        received: the first KEPT bytes, or a CHUNK more, of what came after the request.
        asked: subprotocols, headers, origin, ssl and compression, as connect() takes them.
        patience: how many seconds each step may take.
    """

    def __init__(self, url: str, asked: dict[str, Any], patience: float) -> None:
        self.step = ADDRESS
        self.facts: list[Fact] = []
        self.where: URI | None = None
        self.socket: Any = None
        self.received = bytearray()
        self.url = url
        self.asked = asked
        self.patience = patience
        self.proxy: Proxy | None = None
        self._opening: Opening

    def again(self, url: str | None = None, **changes: Any) -> Walk:
        """Return the same walk from its beginning, but for these *changes*."""
        patience = min(self.patience, SECOND_LOOK)
        return Walk(url or self.url, {**self.asked, **changes}, patience)

    def close(self) -> None:
        """Close what is open. Closing twice is no error."""
        if self.socket is not None:
            self.socket.close()

    def reach(self) -> None:
        """Go as far as a socket to ask on.

        Raises:
            OSError, HandshakeError, ValueError, ImportError: as connect(), in the step that it is.
        """
        where = self.where = self._do(ADDRESS, self._read_address, _place)
        self.socket = self._connect(where)
        proxy = self.proxy
        if proxy is not None:
            led = f"leads to {where.authority}"
            self._do(PROXY, lambda: self._pass_proxy(proxy, where), lambda _: led)
        if where.secure:
            self._do(TLS, lambda: self._secure(where), lambda _: _agreed(self.socket))

    def ask(self) -> tuple[Accepted, bytes]:
        """Make the opening handshake; return what is agreed on, and what came behind it.

        Raises:
            OSError, HandshakeError: as connect().
        """
        return self._do(HANDSHAKE, self._shake_hands, lambda _: self._answered())

    @property
    def headers(self) -> Headers | None:
        """The headers of the answer; None where there is none, or it is malformed."""
        *heads, _ = bytes(self.received).split(b"\r\n\r\n")
        with suppress(InvalidHandshake):
            for head in heads:
                status, _, headers = parse_response(head)
                if status == 101 or status >= 200:  # others, as 103 Early Hints, are in front of it
                    return headers
        return None

    def _do(self, step: str, work: Callable[[], T], say: Callable[[T], str]) -> T:
        """Return what *work* returns in time, and have a fact *say* that of this *step*."""
        self.step = step
        began = time.perf_counter()
        late = TimeoutError(f"nothing came of it within {self.patience:g} s")
        with gevent.Timeout(self.patience, late):
            result = work()
        taken = None if step == ADDRESS else time.perf_counter() - began
        self.facts.append(Fact(step, printable(say(result)), seconds=taken))
        return result

    def _read_address(self) -> URI:
        asked = self.asked
        asking = Asking(
            self.url, options_for(asked), asked["subprotocols"], asked["headers"], asked["origin"]
        )
        self._opening = asking.opening()
        self.proxy = proxy_for(asking.where, True)
        return asking.where

    def _connect(self, where: URI) -> Any:
        proxy = self.proxy
        if where.path is not None:
            found = [unix_address(where.path)]
        else:
            host, port = (where.host, where.port) if proxy is None else (proxy.host, proxy.port)
            found = self._do(LOOK_UP, lambda: look_up(host, port), _listed)
        return self._do(TCP, lambda: dial(found), lambda dialled: str(_peer(dialled, where)))

    def _pass_proxy(self, proxy: Proxy, where: URI) -> None:
        if proxy.scheme.startswith("socks"):
            host = where.host if proxy.looks_up else _number(where, proxy)
            pass_socks(self.socket, proxy, host, where.port)
            return
        if proxy.scheme == "https":
            self.socket = secure(self.socket, default_context(), proxy.host)
        self.socket.sendall(tunnel_request(proxy, where.host, where.port))
        answer = read_tunnel()
        next(answer)
        with suppress(StopIteration):
            while True:
                answer.send(self.socket.recv(CHUNK))

    def _secure(self, where: URI) -> None:
        context = self.asked["ssl"] or default_context()
        self.socket = secure(self.socket, context, where.certified)

    def _shake_hands(self) -> tuple[Accepted, bytes]:
        self.socket.sendall(self._opening.request())
        reading = read_response(self._opening)
        next(reading)
        try:
            while True:
                try:
                    gevent.sleep(0)  # what is always ready never lets the hub see that time is up
                    data = self.socket.recv(CHUNK)
                except OSError as error:
                    reading.throw(error)
                else:
                    if len(self.received) < KEPT:
                        self.received += data
                    reading.send(data)
        except StopIteration as done:
            result: tuple[Accepted, bytes] = done.value
            return result

    def _answered(self) -> str:
        return f"101{by_server(self.headers or Headers())}"


def options_for(asked: dict[str, Any]) -> Options:
    """Return the options of a connection that is asked for so, and then soon closed."""
    return options_of(
        {
            "compression": asked["compression"],
            "ping_interval": None,
            "close_timeout": CLOSE_TIMEOUT,
        }
    )


def _number(where: URI, proxy: Proxy) -> str:
    """Return an address to tell a *proxy* that looks up no names; socks4 knows IPv4 alone."""
    found = look_up(where.host, where.port)
    fit = [each for each in found if each[0] == AF_INET or proxy.scheme != "socks4"]
    return str((fit or found)[0][4][0])


def _place(where: URI) -> str:
    scheme = "wss" if where.secure else "ws"
    unix = "" if where.path is None else f" over {where.path}"
    return f"{scheme}://{where.authority}{without_secrets(where.target)}{unix}"


def _listed(addresses: list[Any]) -> str:
    return " ".join(dict.fromkeys(str(address[4][0]) for address in addresses))


def _peer(dialled: Any, where: URI) -> str:
    if where.path is not None:
        return where.path
    host, port = dialled.getpeername()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _agreed(secured: Any) -> str:
    """Return what TLS agreed on, as far as the socket knows."""
    if not isinstance(secured, gevent.ssl.SSLSocket):
        return "within TLS, by way of memory"
    certificate: Any = secured.getpeercert()
    until = f"until {certificate['notAfter']}" if certificate else "not verified"
    return f"{secured.version()}, {(secured.cipher() or ('?',))[0]}; certificate {until}"
