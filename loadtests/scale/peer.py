"""One node of python-socketio over its Redis manager, with our WebSockets underneath.

python -m gevent.monkey --module loadtests.scale.peer '{"redis": "redis://..."}'

Everything is as python-socketio has it by default. The client says in which room it wants to be.
"""

from __future__ import annotations

import json
import sys
from time import process_time
from typing import Any

import socketio

import geventws
from geventws.adapters.engineio import install
from loadtests.soak.processes import allow_files, say, told


def application(redis: str) -> Any:
    """Return a WSGI application whose members join one room each and say things there."""
    manager = socketio.RedisManager(redis)
    server = socketio.Server(async_mode="gevent", client_manager=manager)
    install(server)
    rooms: dict[str, str] = {}

    def join(sid: str, room: str) -> None:
        rooms[sid] = room
        server.enter_room(sid, room)
        server.emit("joined", to=sid)

    def publish(sid: str, message: str) -> None:
        server.emit("said", message, to=rooms[sid])

    server.on("join", join)
    server.on("say", publish)
    return socketio.WSGIApp(server)


def serve(redis: str) -> None:
    """Serve until standard input ends, saying what it has cost when asked."""
    allow_files()
    server = geventws.WSGIServer(("127.0.0.1", 0), application(redis), log=None)
    server.start()
    say(port=server.server_port, compiled=geventws.compiled)
    while told() is not None:
        say(processor=process_time())
    server.stop(timeout=1)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1])["redis"])
