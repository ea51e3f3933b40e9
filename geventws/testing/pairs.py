"""Two ends that are joined in memory: connections, or protocol cores.

pair() -> two WebSockets        join(): two Protocols
"""

from __future__ import annotations

from typing import Any, TypeVar, Unpack, overload

from geventws.care import caretaker
from geventws.core.codes import Side
from geventws.core.handshake import Opening, Request, negotiate
from geventws.core.headers import HeadReader
from geventws.core.protocol import Protocol
from geventws.memory import CAPACITY, MemoryTransport, transports
from geventws.options import OptionArguments, Options, options_of
from geventws.websocket import WebSocket, establish
from geventws.workers import workers

C = TypeVar("C", bound=WebSocket)
S = TypeVar("S", bound=WebSocket)
W = TypeVar("W", bound=WebSocket)


class PairArguments(OptionArguments, total=False):
    """The keywords of pair(): its own, and those of Options."""

    target: str
    capacity: int | None


@overload
def pair(**options: Unpack[PairArguments]) -> tuple[WebSocket, WebSocket]: ...
@overload
def pair(client: type[C], **options: Unpack[PairArguments]) -> tuple[C, WebSocket]: ...
@overload
def pair(*, server: type[S], **options: Unpack[PairArguments]) -> tuple[WebSocket, S]: ...
@overload
def pair(client: type[C], server: type[S], **options: Unpack[PairArguments]) -> tuple[C, S]: ...
def pair(
    client: type[WebSocket] = WebSocket,
    server: type[WebSocket] = WebSocket,
    *,
    target: str = "/",
    capacity: int | None = CAPACITY,
    **options: Unpack[OptionArguments],
) -> tuple[WebSocket, WebSocket]:
    """Return two connections that are joined in memory, open and looked after.

    Args:
        client: the client's class; the callbacks of a subclass of WebSocket begin to run.
        server: the server's class.
        target: what the client asks for: the path and query of the server's request.
        capacity: how many bytes an end takes before it reads any; None is no limit.
        **options: of both, see Options.
    """
    return pair_over(transports(capacity), client, server, target, options_of(options))


def pair_over(
    ends: tuple[MemoryTransport, MemoryTransport],
    client: type[C],
    server: type[S],
    target: str,
    options: Options,
) -> tuple[C, S]:
    """Do what pair() says over *ends*, the client's and the server's."""
    opening = Opening("memory", target, compression=options.compression)
    request = Request(_head(opening.request()))
    theirs = negotiate(request, compression=options.compression)
    ours = opening.check(_head(theirs.response))
    near, far = ends
    return (
        begin(establish(client, near, options, Side.CLIENT, ours), near),
        begin(establish(server, far, options, Side.SERVER, theirs, request=request), far),
    )


def _head(data: bytes) -> bytes:
    reader = HeadReader()
    reader.feed(data)
    return reader.next_head() or b""


def begin(connection: W, transport: Any) -> W:
    """Have *connection* looked after, and the callbacks of a subclass of WebSocket run."""
    caretaker().watch(connection, transport)
    if type(connection) is not WebSocket:
        workers().drive(connection, transport)
    return connection


def join(client: Protocol, server: Protocol) -> None:
    """Bring over what each of two cores has to say to the other, until neither has more.

    Pings are answered and close frames echoed; messages wait for next_message().
    """
    while client.has_data() or server.has_data():
        for source, target in ((client, server), (server, client)):
            target.receive_data(b"".join(source.data_to_send()))
            target.frames_this_turn = 0
            target.read_ahead()
