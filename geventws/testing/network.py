"""A network in memory with delays, faults and virtual time, the same again for the same seed.

with Network(seed) -> serve(), connect(), pair() -> Link -> partition(), reset(), vanish(), ...
"""

from __future__ import annotations

import errno
from contextlib import ExitStack
from random import SystemRandom
from typing import Any, Final, Self, TypeVar, Unpack, overload

import gevent
from gevent.event import Event

from geventws.client import TCP
from geventws.memory import CAPACITY, MemoryTransport
from geventws.opening import late, left
from geventws.options import OptionArguments, options_of
from geventws.reconnecting import (
    FIRST_DELAY,
    MAX_DELAY,
    STABLE_AFTER,
    Reconnecting,
)
from geventws.returning import Returning
from geventws.testing.link import Conditions, Link
from geventws.testing.listening import Server
from geventws.testing.opening import OpeningArguments, open_over
from geventws.testing.pairs import begin, pair_over
from geventws.testing.virtual import START, VirtualLoop, virtual_time
from geventws.upgrader import Handler, UpgradeArguments
from geventws.uri import URI
from geventws.websocket import WebSocket

C = TypeVar("C", bound=WebSocket)
S = TypeVar("S", bound=WebSocket)
W = TypeVar("W", bound=WebSocket)

SEEDS: Final = 2**32
PORT: Final = 49152  # the first client's
LEAVING: Final = 1.0  # seconds for those who hear that all is over


class LinkOptions(OptionArguments, total=False):
    """The keywords of Network.pair(): its own, and those of Options."""

    target: str


class Network(Conditions):
    """A network for the length of a with block, in which this thread's time is virtual.

    Within the block gevent's timers and the library's deadlines go by the clock of the network,
    which stands still while anything can run, and jumps to the next timer when nothing can. What
    waits for 20 seconds waits no time at all, and the same seed brings the same again. What neither
    gevent nor this library times is real: what the module time says, and other threads, which must
    not use the library meanwhile.

    Who has opened the block and waits, without a timeout, for what never comes gets gevent's
    LoopExit an hour of that time later. At its end every connection is closed, every handler
    killed.

    Args:
        seed: of all that is random here; None takes another one each time. repr() has it.
        latency, jitter, bandwidth, pieces: see Conditions, whose attributes a Network has.
        capacity: how many bytes, those on their way included, an end takes before it reads any;
            None is no limit.

    Attributes:
        seed: the seed.
        random: the Random of that seed, for tests that draw too.
        links: every connection that there was, as a Link, in the order of their openings.

    Raises:
        RuntimeError: within the block of another network.
        ValueError: latency, jitter, bandwidth or pieces are not what they have to be.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        latency: float = 0.0,
        jitter: float = 0.0,
        bandwidth: float | None = None,
        pieces: int | None = None,
        capacity: int | None = CAPACITY,
    ) -> None:
        self.seed = SystemRandom().randrange(SEEDS) if seed is None else seed
        super().__init__(latency, jitter, bandwidth, pieces, self.seed)
        self.links: list[Link] = []
        self._capacity = capacity
        self._connections: list[WebSocket] = []
        self._served: list[Server] = []
        self._servers: dict[tuple[str, int], Server] = {}
        self._whole = Event()  # not set while there is a partition
        self._whole.set()
        self._loop: VirtualLoop | None = None
        self._is_open = False
        self._stack = ExitStack()

    @property
    def now(self) -> float:
        """Seconds since the block began."""
        return 0.0 if self._loop is None else round(self._loop.time - START, 9)

    def __enter__(self) -> Self:
        self._loop = self._stack.enter_context(virtual_time())
        self._is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end()
        finally:
            self._stack.close()

    def _end(self) -> None:
        for ws in self._connections:
            ws.drop()
        for server in self._served:
            server.kill()
        for link in self.links:  # of openings that have come to nothing yet
            link.close()
        gevent.sleep(LEAVING)
        self._is_open = False

    def __repr__(self) -> str:
        return f"<Network seed={self.seed} now={self.now:.3f} links={len(self.links)}>"

    # Ways in

    @overload
    def pair(self, **options: Unpack[LinkOptions]) -> tuple[WebSocket, WebSocket]: ...
    @overload
    def pair(self, client: type[C], **options: Unpack[LinkOptions]) -> tuple[C, WebSocket]: ...
    @overload
    def pair(self, *, server: type[S], **options: Unpack[LinkOptions]) -> tuple[WebSocket, S]: ...
    @overload
    def pair(
        self, client: type[C], server: type[S], **options: Unpack[LinkOptions]
    ) -> tuple[C, S]: ...
    def pair(
        self,
        client: type[WebSocket] = WebSocket,
        server: type[WebSocket] = WebSocket,
        *,
        target: str = "/",
        **options: Unpack[OptionArguments],
    ) -> tuple[WebSocket, WebSocket]:
        """Return the two ends of an open connection over a new link; see testing.pair()."""
        link = self._join(("server", 80))
        ends = (link.client, link.server)
        joined = pair_over(ends, client, server, target, options_of(options))
        self._connections += joined
        return joined

    def serve(
        self, handler: Handler, name: str = "server", **arguments: Unpack[UpgradeArguments]
    ) -> Server:
        """Have *handler* serve what connects to ws://*name*, or ws://name:port, from now on.

        Args:
            handler: as for geventws.serve().
            name: the host that clients name; another server of that name is replaced.
            **arguments: see Upgrader and Options.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        host, _, port = name.partition(":")
        server = self._servers[host, int(port or 80)] = Server(handler, **arguments)
        self._served.append(server)
        return server

    @overload
    def connect(self, url: str = ..., **arguments: Unpack[OpeningArguments]) -> WebSocket: ...
    @overload
    def connect(
        self, url: str = ..., *, handler: type[W], **arguments: Unpack[OpeningArguments]
    ) -> W: ...
    def connect(
        self,
        url: str = "ws://server/",
        *,
        handler: type[WebSocket] = WebSocket,
        **arguments: Unpack[OpeningArguments],
    ) -> WebSocket:
        """Connect to a server of this network, and return the open connection.

        To connect takes a round trip, and the opening handshake another one.

        Args:
            url: ws://name[:port]/path; there is no TLS here.
            handler: a subclass of WebSocket in the callback style.
            **arguments: subprotocols, headers, origin, redirects, auth, cookies, and Options, as
                for geventws.connect().

        Raises:
            ConnectionRefusedError: nobody listens there.
            TimeoutError, Rejected, InvalidHandshake, OSError: as for geventws.connect().
            InvalidURI, TypeError, ValueError: an argument is wrong.
        """
        return self._open(url, handler, arguments)

    def _open(self, url: str, make: type[W], arguments: OpeningArguments) -> W:
        """Do what connect() says, for a connection of class *make*."""
        ws = begin(*open_over(self._reach, url, make, **arguments))
        self._connections.append(ws)
        return ws

    def reconnect(
        self,
        url: str = "ws://server/",
        *,
        first_delay: float = FIRST_DELAY,
        max_delay: float = MAX_DELAY,
        stable_after: float = STABLE_AFTER,
        attempts: int | None = None,
        **arguments: Unpack[OpeningArguments],
    ) -> Reconnecting:
        """Return an iterator over connections to a server of this network, one after the other.

        See geventws.reconnect(). The delays are drawn by the seed.
        """
        given: Any = arguments
        draw = self.random.uniform
        return _Reconnecting(self, url, first_delay, max_delay, stable_after, attempts, draw, given)

    def _reach(self, where: URI, deadline: float | None) -> MemoryTransport:
        if where.secure or where.path is not None:
            raise ValueError("url: only ws://, for this network has no TLS and no unix sockets")
        self._check_open()
        self._make_round_trip(deadline)
        server = self._servers.get((where.host, where.port))
        if server is None or not server.listening:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there")
        link = self._join((where.host, where.port))
        server.take(link.server)
        return link.client

    def _make_round_trip(self, deadline: float | None) -> None:
        for _ in range(2):
            rest = left(deadline, TCP)
            delay = self.delay()
            gevent.sleep(delay if rest is None else min(delay, rest))
            if not self._whole.wait(left(deadline, TCP)):
                raise late(TCP)

    def _join(self, address: tuple[str, int]) -> Link:
        self._check_open()
        client = ("client", PORT + len(self.links))
        link = Link(self, (client, address), self._capacity)
        self.links.append(link)
        if not self._whole.is_set():
            link.partition()
        return link

    def _check_open(self) -> None:
        if not self._is_open:
            raise RuntimeError("a network is there for the length of its with block")

    # What can go wrong

    def link_of(self, ws: WebSocket) -> Link:
        """Return the link that *ws* is an end of.

        Raises:
            LookupError: it is none of this network's.
        """
        for link in self.links:
            if ws._transport in (link.client, link.server):
                return link
        raise LookupError("ws: no connection of this network")

    def partition(self) -> None:
        """Have nothing arrive anywhere until heal(); to connect takes until then."""
        self._whole.clear()
        for link in self.links:
            link.partition()

    def heal(self) -> None:
        """End every partition; what was said meanwhile arrives now."""
        self._whole.set()
        for link in self.links:
            link.heal()


class _Reconnecting(Reconnecting):
    """Reconnects by the way of a network."""

    def __init__(self, network: Network, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._network = network

    def _open(self) -> Returning:
        given: Any = self._arguments
        return self._network._open(self._url, Returning, given)
