"""What becomes of people behind a wire that goes down: `make faults-net`.

    python -m tests.faults.namespaces    as root, or under `unshare -Urn`

A veth pair joins this namespace to another one. The server runs here, its clients run there. When
the wire goes down, nobody is told: no FIN, no RST, and no ICMP. The server must drop its peers in
ping_interval + ping_timeout, and reconnect() must bring them back once the wire is up again. Then
partition.py has two servers share a Redis over such a wire.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import gevent
from gevent.subprocess import Popen

import geventws
from setup import ROOT
from tests.faults.partition import separate_and_rejoin
from tests.faults.wires import HERE, entering, seconds_until, turn, wire

INTERVAL, TIMEOUT = 1.0, 1.0  # of pings, in seconds
CLIENTS: Final = 20
CLIENT: Final = """
import sys
from contextlib import suppress
import gevent
import geventws

def talk(number):
    options = dict(ping_interval=1.0, ping_timeout=1.0, first_delay=0.2, max_delay=1.0)
    for ws in geventws.reconnect(sys.argv[1], open_timeout=2.0, **options):
        with suppress(geventws.ConnectionClosed), ws:
            for message in ws:
                pass

gevent.joinall([gevent.spawn(talk, number) for number in range(int(sys.argv[2]))])
"""


@contextmanager
def clients(namespace: int, uri: str, count: int) -> Iterator[None]:
    """Have clients run in the namespace of a process."""
    command = entering(namespace, sys.executable, "-c", CLIENT, uri, str(count))
    process = Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Doorman:
    """Notes who comes and how they end.

    Attributes:
        codes: of the connections that have ended.
        opened: how many came.
    """

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.opened = 0

    def __call__(self, ws: geventws.WebSocket) -> None:
        self.opened += 1
        try:
            ws.receive()
        except geventws.ConnectionClosed as closed:
            self.codes.append(closed.code)


def vanish_and_return(server: geventws.WebSocketServer, door: Doorman, namespace: int) -> None:
    """Take the wire down and up again, and check what becomes of everybody."""
    seconds_until(lambda: server.connections == CLIENTS)
    gevent.sleep(2 * INTERVAL)  # pings and pongs
    assert not door.codes, "connections end while the wire is up"
    turn(namespace, "down")
    dropped = seconds_until(lambda: not server.connections and len(door.codes) >= CLIENTS)
    print(f"{CLIENTS} peers vanished without a FIN: dropped after {dropped:.2f} s")
    # the caretaker looks every quarter second, and the machine may be busy
    assert dropped < INTERVAL + TIMEOUT + 1.0, "it took longer than two pings"
    assert door.codes == [1006] * CLIENTS, door.codes
    turn(namespace, "up")
    back = seconds_until(lambda: server.connections == CLIENTS)
    print(f"the wire is up: all {CLIENTS} are back after {back:.2f} s")
    assert door.opened == 2 * CLIENTS, door.opened


def main() -> int:
    """Do all of it; return 0 where everything held."""
    door = Doorman()
    options: dict[str, Any] = {"ping_interval": INTERVAL, "ping_timeout": TIMEOUT}
    with wire() as namespace:
        server = geventws.serve(door, (HERE, 0), **options)
        with server:
            uri = f"ws://{HERE}:{server.server_port}/"
            with clients(namespace, uri, CLIENTS):
                vanish_and_return(server, door, namespace)
        separate_and_rejoin(namespace)
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
