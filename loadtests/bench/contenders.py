"""Who takes part, as data: how each is started, and what it can do.

{python} is the peers' venv, {port} where to serve; clients are told more than the port.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from loadtests.bench.scenarios import EVERYBODY, NEAREST, PEERS_TOO, Scenario
from setup import ROOT

COMPILED: Final = "compiled"
INTERPRETED: Final = "interpreted"

ECHO: Final = frozenset({"binary", "text", "fragmented", "handshake", "idle"})
RAW: Final = frozenset({"binary", "large"})
CLIENT: Final = frozenset({"client"})

PICOWS: Final = "picows, uvloop"
RAW_GEVENT: Final = "raw gevent"
RECEIVE: Final = "geventws, receive()"
CALLBACK: Final = "geventws, callbacks"
WSGI: Final = "geventws, pywsgi"
INTERPRETED_RECEIVE: Final = f"{RECEIVE}, interpreted"
OUR_CLIENT: Final = "geventws"
ENGINE: Final = "/engine.io/?EIO=4&transport=websocket"


class Contender(NamedTuple):
    """One server or client.

    Attributes:
        name: what the tables call it.
        command: how it is started.
        can: what it can do: kinds of messages, and modes of wsload; who is "large" masks in C.
        tree: which copy of the checkout it runs from.
        raw: whether it speaks no WebSocket.
        crowd: the smallest crowd that it is of, as scenarios name them.
        path: where its WebSocket is.
        greetings: messages that it sends of itself when it is connected to.
    """

    name: str
    command: tuple[str, ...]
    can: frozenset[str] = ECHO
    tree: str = COMPILED
    raw: bool = False
    crowd: int = PEERS_TOO
    path: str = "/"
    greetings: int = 0


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
    return Contender(f"geventws, {name}", command, ECHO | {"compressed"}, crowd=EVERYBODY)


def _framework(name: str) -> Contender:
    return server(f"geventws, {name}", f"geventws_{name}", crowd=EVERYBODY)


ALL_KINDS: Final = ("compressed", "large")
OURS: Final = [
    server(RECEIVE, "geventws_receive", *ALL_KINDS, "broadcast", crowd=NEAREST),
    server(CALLBACK, "geventws_callback", *ALL_KINDS, "broadcast", crowd=NEAREST),
    server(WSGI, "geventws_pywsgi", *ALL_KINDS, crowd=NEAREST),
    *map(_door, doors()),
    *map(_framework, ("gunicorn", "flask", "django", "gevent_websocket")),
    _framework("engineio")._replace(can=frozenset({"binary", "idle"}), path=ENGINE, greetings=1),
    server(
        INTERPRETED_RECEIVE,
        "geventws_receive",
        *ALL_KINDS,
        "broadcast",
        tree=INTERPRETED,
        crowd=NEAREST,
    ),
    server(
        f"{CALLBACK}, interpreted",
        "geventws_callback",
        *ALL_KINDS,
        "broadcast",
        tree=INTERPRETED,
        crowd=EVERYBODY,
    ),
    server(
        f"{WSGI}, interpreted",
        "geventws_pywsgi",
        *ALL_KINDS,
        tree=INTERPRETED,
        crowd=EVERYBODY,
    ),
]
NODE: Final = ("node", "loadtests/bench/servers/node.js", "{port}")
PEERS: Final = [
    server(PICOWS, "picows", "large", "broadcast", crowd=NEAREST),
    server("picows.websockets, uvloop", "picows_websockets", *ALL_KINDS),
    server("websockets, asyncio", "websockets_asyncio", *ALL_KINDS, "broadcast", crowd=NEAREST),
    server("websockets, gevent", "websockets_gevent", *ALL_KINDS, patched=True),
    server("aiohttp, uvloop", "aiohttp", *ALL_KINDS, "broadcast"),
    server("Tornado", "tornado", *ALL_KINDS, "broadcast"),
    server("gevent-websocket", "gevent_websocket", "broadcast", crowd=NEAREST),
    server("ws4py, gevent", "ws4py", patched=True),
    server("simple-websocket, gevent", "simple_websocket", patched=True),
    Contender("ws, Node", NODE, ECHO | {*ALL_KINDS, "broadcast"}),
]
RAW_SERVER: Final = (*PYTHON, "loadtests.bench.servers", "raw_gevent", "{port}")
LIMITS: Final = [
    Contender(RAW_GEVENT, RAW_SERVER, RAW, raw=True, crowd=NEAREST),
    Contender("raw C", ("{wsecho}", "{port}", "raw"), RAW, raw=True, crowd=NEAREST),
    Contender("C", ("{wsecho}", "{port}"), ECHO | {"large"}),
]
CLIENTS: Final = [
    client(OUR_CLIENT, "geventws_receive", crowd=NEAREST),
    client(f"{OUR_CLIENT}, interpreted", "geventws_receive", tree=INTERPRETED, crowd=NEAREST),
    client("geventws, asyncio", "geventws_asyncio"),
    client(PICOWS, "picows", crowd=NEAREST),
    client("picows.websockets, uvloop", "picows_websockets"),
    client("websockets, asyncio", "websockets_asyncio", crowd=NEAREST),
    client("websockets, gevent", "websockets_gevent", patched=True),
    client("aiohttp, uvloop", "aiohttp"),
    client("Tornado", "tornado"),
    client("websocket-client, gevent", "websocket_client", patched=True),
    client("ws4py, gevent", "ws4py", patched=True),
    client("simple-websocket, gevent", "simple_websocket", patched=True),
    client(RAW_GEVENT, "raw_gevent", raw=True, crowd=NEAREST),
]
ALL: Final = [*OURS, *PEERS, *LIMITS, *CLIENTS]


def taking_part(scenario: Scenario, crowd: int = EVERYBODY) -> list[Contender]:
    """Return who can do what *scenario* needs, of the smaller of its own crowd and *crowd*."""
    most = min(scenario.crowd, crowd)
    return [each for each in ALL if scenario.needs <= each.can and each.crowd <= most]
