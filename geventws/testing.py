"""An in-memory network, for the tests of this library and of those who use it.

pair() -> two WebSockets        transports() -> two ITransports        join(): two Protocols

    client, server = pair(server=EchoWebSocket)
    client.send("hello")
    assert client.receive() == "hello"

No sockets, no ports, no threads: bytes go from one end into a buffer of the other one, and a writer
waits when that is full. All else is the real thing, deadlines, keepalive and callbacks included.
"""

from __future__ import annotations

from typing import Any, TypeVar, Unpack, overload

from geventws.care import caretaker
from geventws.core.codes import Side
from geventws.core.handshake import Accepted, Opening, Request, negotiate
from geventws.core.headers import HeadReader
from geventws.core.protocol import Protocol
from geventws.memory import CAPACITY
from geventws.memory import MemoryTransport as MemoryTransport
from geventws.memory import transports as transports
from geventws.options import OptionArguments, Options, options_of
from geventws.websocket import WebSocket, establish
from geventws.workers import workers

C = TypeVar("C", bound=WebSocket)
S = TypeVar("S", bound=WebSocket)


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
    settings = options_of(options)
    opening = Opening("memory", target, compression=settings.compression)
    request = Request(_head(opening.request()))
    theirs = negotiate(request, compression=settings.compression)
    ours = opening.check(_head(theirs.response))
    near, far = transports(capacity)
    return (
        _begin(client, near, settings, Side.CLIENT, ours, None),
        _begin(server, far, settings, Side.SERVER, theirs, request),
    )


def _head(data: bytes) -> bytes:
    reader = HeadReader()
    reader.feed(data)
    return reader.next_head() or b""


def _begin(
    kind: type[WebSocket],
    transport: Any,
    options: Options,
    side: Side,
    accepted: Accepted,
    request: Request | None,
) -> WebSocket:
    connection = establish(kind, transport, options, side, accepted, request=request)
    caretaker().watch(connection, transport)
    if kind is not WebSocket:
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
