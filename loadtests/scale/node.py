"""One node: a server whose rooms are shared over Redis, in a process of its own.

python -m loadtests.scale.node '{"redis": "redis://...", "history": 100, ...}'

/member?room=R&name=N joins R and says what it hears there; /publisher publishes as it is told.
"""

from __future__ import annotations

import json
import sys
from time import process_time
from typing import Any, Final
from urllib.parse import parse_qs

import geventws
from geventws.adapters.redis import RedisBroker
from geventws.resuming import RESUME
from loadtests.soak.processes import allow_files, say, told

JOINED: Final = "joined"


class Node:
    """What a node does.

    Args:
        given: the arguments of RedisBroker, with its URL as "redis".
    """

    def __init__(self, given: dict[str, Any]) -> None:
        self.broker = RedisBroker(given.pop("redis"), **given)
        self.manager = geventws.Manager(broker=self.broker)
        self._servers: list[geventws.WebSocketServer] = []

    def listen(self, port: int = 0) -> int:
        """Serve at a port of its own, or at one more; return it."""
        server = geventws.serve(self.handle, ("127.0.0.1", port), subprotocols=[RESUME])
        server.start()
        self._servers.append(server)
        return int(server.address[1])

    def handle(self, ws: geventws.WebSocket) -> None:
        """Serve a member, or a publisher."""
        request: Any = ws.request
        if request.path == "/publisher":
            for message in ws:
                ws.send(json.dumps(self.publish(**json.loads(message))))
            return
        asked = parse_qs(request.query)
        room, name = asked["room"][0], asked["name"][0]
        self.manager.join_room(ws, room, name)
        ws.send(JOINED)
        for message in ws:
            self.manager.broadcast(message, room=room)

    def publish(self, room: str, publisher: str, first: int, count: int, size: int) -> list[int]:
        """Publish *count* numbered messages; return those of which nobody knows the fate."""
        unsure = []
        for number in range(first, first + count):
            try:
                message = f"{publisher} {number} ".ljust(size, ".")
                self.manager.broadcast(message, room=room)
            except ConnectionError:
                unsure.append(number)
        return unsure

    def answer(self, listen: int = 0, drop: bool = False, room: str = "") -> dict[str, Any]:
        """Do what is asked: serve at one more port, cut off all members, say who is in a room."""
        if listen:
            self.listen(listen)
        if drop:
            for ws in self.manager:
                ws.drop()
        present = list(self.manager.presence(room).values()) if room else []
        counts = {
            name: getattr(self.broker.counts, name)
            for name in ("losses", "unrecovered", "lost", "foreign")
        }
        return {"processor": process_time(), "present": present, **counts}

    def stop(self) -> None:
        """End all."""
        for server in self._servers:
            server.stop(timeout=1)
        self.broker.close()


def serve(given: dict[str, Any]) -> None:
    """Serve as *given* until standard input ends, answering what is asked there."""
    allow_files()
    node = Node(given)
    try:
        say(port=node.listen(), compiled=geventws.compiled)
        while (asked := told()) is not None:
            say(**node.answer(**asked))
    finally:
        node.stop()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
