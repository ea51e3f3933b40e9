"""Who takes part, as data: how each is started, and what it can do.

{python} is the peers' venv, {port} where to serve; clients are told more than the port.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from setup import ROOT

COMPILED: Final = "compiled"
INTERPRETED: Final = "interpreted"

ECHO: Final = frozenset({"binary", "text", "fragmented", "handshake", "idle"})
SHARING: Final = ECHO | {"broadcast"}
RAW: Final = frozenset({"binary"})
CLIENT: Final = frozenset({"client"})

PICOWS: Final = "picows, uvloop"
RAW_GEVENT: Final = "raw gevent"
RECEIVE: Final = "geventws, receive()"
CALLBACK: Final = "geventws, callbacks"
WSGI: Final = "geventws, pywsgi"
INTERPRETED_RECEIVE: Final = f"{RECEIVE}, interpreted"
OUR_CLIENT: Final = "geventws"


class Contender(NamedTuple):
    """One server or client.

    Attributes:
        name: what the tables call it.
        command: how it is started.
        can: what it can do: kinds of messages, and modes of wsload.
        tree: which copy of the checkout it runs from.
        raw: whether it speaks no WebSocket.
        shown: whether it is in the plots of growth, and in the short variant.
    """

    name: str
    command: tuple[str, ...]
    can: frozenset[str] = ECHO
    tree: str = COMPILED
    raw: bool = False
    shown: bool = False


PYTHON: Final = ("{python}", "-m")
PATCHED: Final = ("{python}", "-m", "gevent.monkey", "--module")


def server(name: str, module: str, *more: str, patched: bool = False, **facts: object) -> Contender:
    """Return a server of servers/; *more* is what it can do, beyond an echo."""
    command = (*(PATCHED if patched else PYTHON), "loadtests.bench.servers", module, "{port}")
    return Contender(name, command, ECHO | set(more), **facts)  # type: ignore[arg-type]


def client(name: str, module: str, patched: bool = False, **facts: object) -> Contender:
    """Return a client of clients/."""
    command = (*(PATCHED if patched else PYTHON), "loadtests.bench.clients", module, "{port}")
    return Contender(name, command, CLIENT, **facts)  # type: ignore[arg-type]


def doors() -> list[str]:
    """Return the doors with an echo server among the tests, but for those measured elsewhere."""
    found = (ROOT / "tests" / "conformance" / "doors").glob("*.py")
    return sorted({path.stem for path in found} - {"__init__", "__main__", "native", "pywsgi"})


def _door(name: str) -> Contender:
    command = (*PYTHON, "tests.conformance.doors", name, "serve", "{port}")
    return Contender(f"geventws, {name}", command, ECHO | {"compressed"})


OURS: Final = [
    server(RECEIVE, "geventws_receive", "compressed", "broadcast", shown=True),
    server(CALLBACK, "geventws_callback", "compressed", "broadcast", shown=True),
    server(WSGI, "geventws_pywsgi", "compressed", shown=True),
    *map(_door, doors()),
    server(
        INTERPRETED_RECEIVE,
        "geventws_receive",
        *("compressed", "broadcast"),
        tree=INTERPRETED,
        shown=True,
    ),
    server(
        f"{CALLBACK}, interpreted",
        "geventws_callback",
        *("compressed", "broadcast"),
        tree=INTERPRETED,
    ),
    server(f"{WSGI}, interpreted", "geventws_pywsgi", "compressed", tree=INTERPRETED),
]
NODE: Final = ("node", "loadtests/bench/servers/node.js", "{port}")
PEERS: Final = [
    server(PICOWS, "picows", "broadcast", shown=True),
    server("picows.websockets, uvloop", "picows_websockets", "compressed"),
    server("websockets, asyncio", "websockets_asyncio", "compressed", "broadcast", shown=True),
    server("websockets, gevent", "websockets_gevent", "compressed", patched=True),
    server("aiohttp, uvloop", "aiohttp", "compressed", "broadcast"),
    server("Tornado", "tornado", "compressed", "broadcast"),
    server("gevent-websocket", "gevent_websocket", "broadcast", shown=True),
    server("ws4py, gevent", "ws4py", patched=True),
    server("simple-websocket, gevent", "simple_websocket", patched=True),
    Contender("ws, Node", NODE, SHARING | {"compressed"}),
]
LIMITS: Final = [
    Contender(
        RAW_GEVENT,
        (*PYTHON, "loadtests.bench.servers", "raw_gevent", "{port}"),
        RAW,
        raw=True,
        shown=True,
    ),
    Contender("raw C", ("{wsecho}", "{port}", "raw"), RAW, raw=True, shown=True),
    Contender("C", ("{wsecho}", "{port}"), RAW | {"text", "fragmented", "handshake", "idle"}),
]
CLIENTS: Final = [
    client(OUR_CLIENT, "geventws_receive", shown=True),
    client(f"{OUR_CLIENT}, interpreted", "geventws_receive", tree=INTERPRETED, shown=True),
    client("geventws, asyncio", "geventws_asyncio"),
    client(PICOWS, "picows", shown=True),
    client("picows.websockets, uvloop", "picows_websockets"),
    client("websockets, asyncio", "websockets_asyncio", shown=True),
    client("websockets, gevent", "websockets_gevent", patched=True),
    client("aiohttp, uvloop", "aiohttp"),
    client("Tornado", "tornado"),
    client("websocket-client, gevent", "websocket_client", patched=True),
    client("ws4py, gevent", "ws4py", patched=True),
    client("simple-websocket, gevent", "simple_websocket", patched=True),
    client(RAW_GEVENT, "raw_gevent", raw=True, shown=True),
]
ALL: Final = [*OURS, *PEERS, *LIMITS, *CLIENTS]


def taking_part(needs: str, few: bool) -> Iterable[Contender]:
    """Return who can do what a scenario *needs*; only those shown where *few* are wanted."""
    return [each for each in ALL if needs in each.can and (each.shown or not few)]
