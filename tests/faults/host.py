"""One host of several that share a Redis: a server, somebody in a room there, and what they hear.

    python -m tests.faults.host redis://... presence_ttl timeout room

A line of standard input is something to say; "?" asks what the broker has counted. Standard output
has lists in JSON: ["heard", text], ["failed", text] for what could not be published, and
["counts", losses, lost].
"""

from __future__ import annotations

import json
import sys

import gevent

import geventws
from geventws.adapters.redis import RedisBroker


class Host:
    """A server whose people meet those of other hosts in *room*."""

    def __init__(self, broker: RedisBroker, room: str) -> None:
        self._manager = geventws.Manager(broker=broker)
        self._room = room

    def __call__(self, ws: geventws.WebSocket) -> None:
        self._manager.join_room(ws, self._room, info="there")
        for message in ws:
            try:
                self._manager.broadcast(message, room=self._room)
            except ConnectionError:
                tell("failed", message)


def tell(*words: object) -> None:
    """Tell who has started this."""
    print(json.dumps(words), flush=True)


def hear(ws: geventws.WebSocket) -> None:
    """Tell of everything that comes."""
    for message in ws:
        tell("heard", message)


def main() -> None:
    """Do what is asked, until the input ends."""
    url, ttl, timeout, room = sys.argv[1:]
    broker = RedisBroker(url, presence_ttl=float(ttl), timeout=float(timeout))
    with (
        geventws.serve(Host(broker, room), ("127.0.0.1", 0)) as server,
        geventws.connect(f"ws://127.0.0.1:{server.server_port}/") as ws,
    ):
        hearing = gevent.spawn(hear, ws)
        while line := gevent.get_hub().threadpool.apply(sys.stdin.readline):
            if line == "?\n":
                tell("counts", broker.counts.losses, broker.counts.lost)
            else:
                ws.send(line.rstrip("\n"))
        hearing.kill()
    broker.close()


if __name__ == "__main__":
    main()
