"""The server of most scenarios, in a process of its own, and the handlers of all.

python -m loadtests.soak.serving '{"handler": "echo", "max_connections": 12000, ...}'
"""

from __future__ import annotations

import gc
import json
import os
import sys
from time import monotonic
from typing import Any, Final

import gevent
from gevent import socket

import geventws
from geventws.limits import Limits
from geventws.server import WebSocketServer
from loadtests.soak.processes import allow_files, say, told

SERVING: Final = 0.02  # seconds that a message takes which is counted


def echo(ws: geventws.WebSocket) -> None:
    """Send every message back."""
    for message in ws:
        ws.send(message)


def listen(ws: geventws.WebSocket) -> None:
    """Take what comes."""
    for _ in ws:
        pass


def tell_worker(ws: geventws.WebSocket) -> None:
    """Tell which process this is, then send every message back."""
    ws.send(str(os.getpid()))
    echo(ws)


def note(ws: geventws.WebSocket) -> None:
    """Write down each message once it is accepted, take a while for it, then send it back."""
    for message in ws:
        os.write(1, f"{message!s}\n".encode())
        gevent.sleep(SERVING)
        ws.send(message)


HANDLERS: Final = {each.__name__: each for each in (echo, listen, tell_worker, note)}


def broadcast(server: WebSocketServer, count: int, size: int, pause: float) -> dict[str, Any]:
    """Broadcast *count* messages of *size* bytes: a number, the time, and nothing."""
    begin = monotonic()
    for number in range(count):
        message = f"{number} {monotonic()!r} ".ljust(size, ".")
        server.manager.broadcast(message)
        gevent.sleep(max(0, begin + (number + 1) * pause - monotonic()))
    return {"seconds": monotonic() - begin}


def numbers(server: WebSocketServer) -> dict[str, Any]:
    """Return what the server has counted."""
    gc.collect()
    manager = server.manager
    return {
        "open": server.connections,
        "opened": manager.counts.opened,
        "closes": manager.counts.closes,
        "refused": manager.counts.refused,
        "not_sent": manager.counts.not_sent,
        "greenlets": sum(issubclass(type(each), gevent.Greenlet) for each in gc.get_objects()),
        **manager.counts.total(manager)._asdict(),
    }


def serve(given: dict[str, Any]) -> None:
    """Serve as *given* until standard input ends, answering what is asked there."""
    allow_files()
    limits = Limits(max_connections=given.pop("max_connections", None))
    handler, buffer = HANDLERS[given.pop("handler")], given.pop("send_buffer", None)
    with geventws.serve(handler, ("127.0.0.1", 0), limits=limits, **given) as server:
        if buffer is not None:  # of those that will be accepted
            server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        say(uri=f"ws://127.0.0.1:{server.server_port}/")
        while (asked := told()) is not None:
            say(**(broadcast(server, **asked["broadcast"]) if asked else numbers(server)))


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
