"""What is measured, as data."""

from __future__ import annotations

from typing import Final, NamedTuple

SIZES: Final = (32, 1024, 16 * 1024)
MIB: Final = 1024 * 1024
LARGE: Final = 100 * MIB  # under way at once: only the nearest are measured with more
UNITS: Final = {
    "echo": "CPU us per message",
    "broadcast": "CPU us per delivery",
    "handshake": "CPU us per handshake",
    "idle": "bytes per connection",
    "client": "CPU us per round trip",
}
GROWING_SIZE: Final = "growing size"
GROWING_NUMBER: Final = "growing number"
GROWING_MEMORY: Final = "growing memory"

# Who is measured: the nearest alone, other people's servers too, or our other doors as well.
NEAREST, PEERS_TOO, EVERYBODY = range(3)
EVERY_DOOR: Final = {
    ("binary", 32, 64, 1),
    ("binary", 32, 64, 16),
    ("binary", 16 * 1024, 64, 1),
}


class Scenario(NamedTuple):
    """One thing to measure.

    Attributes:
        title: what the tables call it.
        mode: what wsload is to do; "client" measures clients, against the fixed server.
        kind: of message, as messages.KINDS names them.
        size: of its payload; 0 sends nothing.
        connections: how many are open, or at once in the opening handshake.
        flight: messages on their way on each of them.
        late: connections that are opened one after another while the others flood.
        plot: the plot that it is a point of.
        crowd: who takes part, if they can.
        most: rounds are enough; 0 is as many as are asked for.
    """

    title: str
    mode: str = "echo"
    kind: str = "binary"
    size: int = 32
    connections: int = 64
    flight: int = 1
    late: int = 0
    plot: str = ""
    crowd: int = PEERS_TOO
    most: int = 0

    @property
    def unit(self) -> str:
        """What the value of a sample is."""
        return UNITS[self.mode]

    @property
    def needs(self) -> frozenset[str]:
        """What a contender must be able to do, to take part."""
        if self.late:
            return frozenset({"handshake"})
        what = self.kind if self.mode == "echo" else self.mode
        return frozenset({what, "large"} if self.size >= MIB else {what})

    def rounds(self, asked: int) -> int:
        """Return how many rounds of it there are where so many are *asked* for."""
        return min(asked, self.most or asked)


def sized(size: int) -> str:
    """Return *size* as people write it: "16 KiB"."""
    for unit in ("B", "KiB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} MiB"


def _together(connections: int) -> str:
    return "1 connection" if connections == 1 else f"{connections} connections"


def echo(size: int, connections: int, flight: int = 1, kind: str = "binary") -> Scenario:
    """Return an echo scenario by its figures."""
    what = "" if kind == "binary" else f"{kind} "
    title = f"echo {what}{sized(size)}, {_together(connections)}, {flight} in flight"
    found = Scenario(title, "echo", kind, size, connections, flight)
    if (kind, size, connections, flight) in EVERY_DOOR:
        return found._replace(crowd=EVERYBODY)
    return found._replace(crowd=NEAREST, most=3) if size * connections > LARGE else found


def broadcast(size: int, connections: int) -> Scenario:
    """Return a broadcast, whose messages are counted as they are delivered."""
    title = f"broadcast {sized(size)} to {connections}"
    return Scenario(title, "broadcast", "binary", size, connections)


def client(size: int, connections: int) -> Scenario:
    """Return round trips of clients."""
    title = f"client {sized(size)}, {_together(connections)}"
    return Scenario(title, "client", "binary", size, connections)


def _idle(title: str, connections: int, size: int = 0, crowd: int = PEERS_TOO) -> Scenario:
    # what is resident hardly differs from round to round, and opening thousands takes long
    return Scenario(title, "idle", "binary", size, connections, crowd=crowd, most=3)


def _point(plot: str, size: int, connections: int) -> Scenario:
    title = f"{plot}: {sized(size)}, {_together(connections)}"
    return Scenario(title, "echo", "binary", size, connections, plot=plot, crowd=NEAREST)


def _memory(connections: int) -> Scenario:
    title = f"{GROWING_MEMORY}: {connections} connections"
    return _idle(title, connections, crowd=NEAREST)._replace(plot=GROWING_MEMORY)


ECHOES: Final = [
    *(
        echo(size, many, flight)
        for size in (*SIZES, MIB)
        for many in (1, 64, 1000)
        for flight in (1, 16)
    ),
    echo(1024, 64, 1, "fragmented"),
    echo(16 * 1024, 64, 1, "text"),
    *(echo(size, 64, 1, "compressed") for size in (128, 4096)),
]
BROADCASTS: Final = [broadcast(128, 100), broadcast(128, 1000), broadcast(16 * 1024, 100)]
HANDSHAKE: Final = Scenario(
    "handshake and close, 32 at once", "handshake", size=0, connections=32, crowd=EVERYBODY
)
FLOOD: Final = Scenario(
    "20 handshakes, one by one, while 64 connections flood", flight=16, late=20, most=3
)
IDLE: Final = [
    _idle("5,000 idle connections", 5000, crowd=EVERYBODY),
    _idle("5,000 idle connections after an echo of 32 B", 5000, 32),
]
CLIENTS: Final = [client(size, many) for size in (32, 16 * 1024) for many in (1, 100)]
GROWTH: Final = [
    *(_point(GROWING_SIZE, 32 * 8**power, 1) for power in range(8)),
    *(_point(GROWING_NUMBER, 32, 10**power) for power in range(5)),
    *(_memory(10**power) for power in range(1, 5)),
]
ALL: Final = [*ECHOES, *BROADCASTS, HANDSHAKE, FLOOD, *IDLE, *CLIENTS, *GROWTH]

QUICK: Final = [
    echo(32, 64),
    echo(32, 64, 16),
    echo(16 * 1024, 64),
    echo(128, 64, 1, "compressed"),
    broadcast(128, 1000),
    HANDSHAKE,
    _idle("1,000 idle connections", 1000)._replace(most=1),
    client(32, 100),
]
