"""A chat in one room per path: what one says, all in the room hear.

python examples/chat.py          then open two terminals:
geventws connect ws://127.0.0.1:9000/tea
"""

from __future__ import annotations

import signal
import sys

import gevent

import geventws

people = geventws.Manager()


def chat(ws: geventws.WebSocket) -> None:
    """Serve one person: the first message is the name, each other one goes to the room."""
    assert ws.request is not None
    room = ws.request.path
    ws.send("who are you?")
    name = ws.receive(timeout=60)
    people.add(ws)
    people.join_room(ws, room)
    people.broadcast(f"{name} has come in", room=room, exclude=[ws])
    try:
        for message in ws:
            people.broadcast(f"{name}: {message}", room=room, exclude=[ws])
    finally:
        people.broadcast(f"{name} has left", room=room, exclude=[ws])


def main(port: int = 9000) -> None:
    """Serve until Ctrl-C."""
    server = geventws.serve(chat, ("127.0.0.1", port))
    server.start()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    gevent.signal_handler(signal.SIGINT, server.drain)
    server.serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
