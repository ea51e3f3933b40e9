"""What is asked of the library: ratios within one run, bytes, and seconds."""

from __future__ import annotations

from typing import Final

from loadtests.bench import contenders
from loadtests.bench.contenders import (
    CALLBACK,
    INTERPRETED_RECEIVE,
    OUR_CLIENT,
    PICOWS,
    RAW_GEVENT,
    RECEIVE,
    WSGI,
)
from loadtests.bench.report import Bound, Target
from loadtests.bench.scenarios import FLOOD, HANDSHAKE, IDLE, MIB, broadcast, client, echo

WEBSOCKETS: Final = "websockets, asyncio"
GEVENT_WEBSOCKET: Final = "gevent-websocket"
# Those that decode text and put fragments together.
DECODING: Final = ("aiohttp, uvloop", "picows.websockets, uvloop")
COMPRESSING: Final = tuple(
    each.name for each in contenders.PEERS if "compressed" in each.can and "Node" not in each.name
)
# Clients that never came near the best of the others; the complete run has them too.
FAR: Final = {
    *("websockets, asyncio", "websockets, gevent", "Tornado"),
    *("ws4py, gevent", "simple-websocket, gevent"),
}
PYTHON_CLIENTS: Final = tuple(
    each.name
    for each in contenders.CLIENTS
    if not each.raw and not each.name.startswith(OUR_CLIENT) and each.name not in FAR
)


def _target(scenario: str, ours: str, *others: str, limit: float) -> Target:
    return Target(scenario, ours, others, limit)


KIB16: Final = 16 * 1024
RATIOS: Final = [
    *(
        _target(echo(32, many).title, ours, other, limit=limit)
        for many in (64, 1000)
        for ours, other, limit in (
            (RECEIVE, PICOWS, 1.0),
            (RECEIVE, RAW_GEVENT, 0.45),
            (CALLBACK, PICOWS, 0.85),
        )
    ),
    _target(echo(32, 64, 16).title, RECEIVE, PICOWS, limit=0.2),
    _target(echo(1024, 64, 16).title, RECEIVE, PICOWS, limit=0.2),
    _target(echo(KIB16, 64).title, RECEIVE, PICOWS, limit=0.65),
    *(_target(echo(MIB, many).title, RECEIVE, PICOWS, limit=0.95) for many in (1, 64)),
    _target(echo(1024, 64, 1, "fragmented").title, RECEIVE, *DECODING, limit=1.0),
    _target(echo(KIB16, 64, 1, "text").title, RECEIVE, *DECODING, limit=1.0),
    *(
        _target(echo(size, 64, 1, "compressed").title, RECEIVE, *COMPRESSING, limit=1.0)
        for size in (128, 4096)
    ),
    _target(broadcast(128, 1000).title, RECEIVE, PICOWS, limit=0.95),
    _target(HANDSHAKE.title, RECEIVE, PICOWS, limit=0.7),
    _target(HANDSHAKE.title, WSGI, GEVENT_WEBSOCKET, limit=1.0),
    *(
        _target(client(size, many).title, OUR_CLIENT, *PYTHON_CLIENTS, limit=1.1)
        for size in (32, KIB16)
        for many in (1, 100)
    ),
    _target(echo(32, 64).title, INTERPRETED_RECEIVE, WEBSOCKETS, limit=1.0),
]
# These need nobody to compare with.
BOUNDS: Final = [
    Bound(IDLE[0].title, RECEIVE, 9500, "bytes each"),
    Bound(IDLE[0].title, CALLBACK, 2000, "bytes each"),
    Bound(IDLE[0].title, WSGI, 12000, "bytes each"),
    *(Bound(FLOOD.title, ours, 2.0, "s, the slowest", slowest=True) for ours in (RECEIVE, WSGI)),
]


def _compared() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for target in RATIOS:
        found.setdefault(target.scenario, set()).update({target.ours, *target.others})
    for bound in BOUNDS:
        found.setdefault(bound.scenario, set()).add(bound.ours)
    return found


COMPARED: Final = _compared()  # who is in a target of a scenario, by its title
