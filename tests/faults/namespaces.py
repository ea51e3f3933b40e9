"""A peer that vanishes without a FIN, over a wire between two namespaces: `make faults-net`.

    python -m tests.faults.namespaces    as root, or under `unshare -Urn`

A veth pair joins this namespace to another one. The server runs here, its clients run there. When
the wire goes down, nobody is told: no FIN, no RST, and no ICMP. The server must drop its peers in
ping_interval + ping_timeout, and reconnect() must bring them back once the wire is up again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import gevent
from gevent.subprocess import PIPE, Popen

import geventws
from setup import ROOT

HERE, THERE = "10.213.7.1", "10.213.7.2"
WIRE, END = "gws-here", "gws-there"
INTERVAL, TIMEOUT = 1.0, 1.0  # of pings, in seconds
PATIENCE: Final = 30.0
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


def ip(*words: str) -> None:
    """Run ip(8).

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run(["ip", *words], check=True)


@contextmanager
def wire() -> Iterator[int]:
    """Have a wire to another namespace; give the process that keeps that one."""
    ip("link", "set", "lo", "up")
    keeper: Any = Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=PIPE, stdout=PIPE)
    try:
        keeper.stdout.readline()
        ip("link", "add", WIRE, "type", "veth", "peer", "name", END, "netns", str(keeper.pid))
        ip("addr", "add", f"{HERE}/24", "dev", WIRE)
        ip("link", "set", WIRE, "up")
        inside(keeper.pid, "ip", "addr", "add", f"{THERE}/24", "dev", END)
        inside(keeper.pid, "ip", "link", "set", END, "up")
        yield keeper.pid
    finally:
        keeper.stdin.close()
        keeper.wait()
        keeper.stdout.close()
        subprocess.run(["ip", "link", "delete", WIRE], check=False, stderr=subprocess.DEVNULL)


def inside(namespace: int, *command: str) -> None:
    """Run *command* in the namespace of a process."""
    subprocess.run(["nsenter", "-t", str(namespace), "-n", *command], check=True)


@contextmanager
def clients(namespace: int, uri: str, count: int) -> Iterator[None]:
    """Have clients run in the namespace of a process."""
    command = ["nsenter", "-t", str(namespace), "-n", sys.executable, "-c", CLIENT, uri, str(count)]
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


def seconds_until(true: Any) -> float:
    """Return how long it takes until something is *true*."""
    begin = monotonic()
    with gevent.Timeout(PATIENCE, TimeoutError("it never came to that")):
        while not true():
            gevent.sleep(0.02)
    return monotonic() - begin


def vanish_and_return(server: geventws.WebSocketServer, door: Doorman, namespace: int) -> None:
    """Take the wire down and up again, and check what becomes of everybody."""
    seconds_until(lambda: server.connections == CLIENTS)
    gevent.sleep(2 * INTERVAL)  # pings and pongs
    assert not door.codes, "connections end while the wire is up"
    inside(namespace, "ip", "link", "set", END, "down")
    dropped = seconds_until(lambda: not server.connections)
    print(f"{CLIENTS} peers vanished without a FIN: dropped after {dropped:.2f} s")
    # the caretaker looks every quarter second, and the machine may be busy
    assert dropped < INTERVAL + TIMEOUT + 1.0, "it took longer than two pings"
    assert door.codes == [1006] * CLIENTS, door.codes
    inside(namespace, "ip", "link", "set", END, "up")
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
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
