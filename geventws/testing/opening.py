"""The client's opening over streams in memory: what connect() does, but for sockets.

url -> reach() -> a transport -> the opening handshake -> WebSocket, or a redirect to a url
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar, Unpack

from geventws.asking import REDIRECTS, Asking
from geventws.cookies import Jar
from geventws.core.codes import Side
from geventws.core.errors import Rejected
from geventws.core.headers import HeaderItems
from geventws.credentials import Auth
from geventws.memory import MemoryTransport
from geventws.opening import deadline_of, open_client
from geventws.options import OptionArguments, options_of
from geventws.uri import URI
from geventws.websocket import WebSocket, establish

W = TypeVar("W", bound=WebSocket)
# Given where to, and until when on the monotonic clock; raises OSError where there is no way.
Reach: TypeAlias = Callable[[URI, float | None], MemoryTransport]


class OpeningArguments(OptionArguments, total=False):
    """The keywords of geventws.connect() that mean something in memory, but handler."""

    subprotocols: Sequence[str]
    headers: HeaderItems
    origin: str | None
    redirects: int
    auth: Auth
    cookies: Jar | None


def open_over(
    reach: Reach,
    url: str,
    make: type[W],
    *,
    subprotocols: Sequence[str] = (),
    headers: HeaderItems = (),
    origin: str | None = None,
    redirects: int = REDIRECTS,
    auth: Auth = None,
    cookies: Jar | None = None,
    **options: Unpack[OptionArguments],
) -> tuple[W, MemoryTransport]:
    """Return a connection of class *make* to *url*, and the transport it is over.

    Args:
        reach: makes the transports.
        **options: these and the others: see geventws.connect().

    Raises: as geventws.connect().
    """
    settings = options_of(options)
    asking = Asking(url, settings, subprotocols, headers, origin, redirects, auth, cookies)
    deadline = deadline_of(settings)
    while True:
        opening = asking.opening()
        transport = reach(asking.where, deadline)
        try:
            accepted, rest = open_client(transport, opening, deadline, asking.note)
            connection = establish(make, transport, settings, Side.CLIENT, accepted, rest)
            return connection, transport
        except Rejected as rejected:
            transport.close()
            asking.follow(rejected)
        except BaseException:
            transport.close()
            raise
