"""A wire to another network namespace, which can go down; as root, or under `unshare -Urn`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import gevent
from gevent.subprocess import PIPE, Popen

HERE, THERE = "10.213.7.1", "10.213.7.2"
WIRE, END = "gws-here", "gws-there"
PATIENCE: Final = 30.0


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
        inside(keeper.pid, "ip", "link", "set", "lo", "up")
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
    subprocess.run(entering(namespace, *command), check=True)


def entering(namespace: int, *command: str) -> list[str]:
    """Return the command that runs *command* in the namespace of a process."""
    return ["nsenter", "-t", str(namespace), "-n", *command]


def turn(namespace: int, state: str) -> None:
    """Turn the wire "down" or "up", at the end that is in the namespace of a process."""
    inside(namespace, "ip", "link", "set", END, state)


def seconds_until(true: Any) -> float:
    """Return how long it takes until something is *true*."""
    begin = monotonic()
    with gevent.Timeout(PATIENCE, TimeoutError("it never came to that")):
        while not true():
            gevent.sleep(0.02)
    return monotonic() - begin
