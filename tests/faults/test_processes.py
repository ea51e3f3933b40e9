"""Processes that fork with open connections, or stop existing without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.subprocess import PIPE, Popen

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.server import serve
from setup import ROOT
from tests.crowds import until
from tests.serving import LOCAL, running

PATIENCE = 20.0
SOON = 0.3  # seconds, as a deadline
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}
CLIENT = """
import sys, gevent, geventws
ws = geventws.connect(sys.argv[1], ping_interval=None)
print("open", flush=True)
for _ in ws:
    gevent.sleep(0)
"""
FORKING = """
import os
import gevent
import geventws
from gevent.os import fork, waitpid
from geventws.server import serve

def echo(ws):
    for message in ws:
        ws.send(message)

def talk(port):
    with geventws.connect(f"ws://127.0.0.1:{port}/") as ws:
        ws.send("hi")
        assert ws.receive(timeout=10) == "hi"

with serve(echo, ("127.0.0.1", 0), ping_interval=0.1, ping_timeout=10) as server:
    with geventws.connect(f"ws://127.0.0.1:{server.server_port}/") as ws:
        child = fork()
        if not child:  # with a hub, a server and connections of its own, then gone
            with serve(echo, ("127.0.0.1", 0)) as another:
                talk(another.server_port)
            os._exit(7)
        with gevent.Timeout(20):
            _, status = waitpid(child, 0)
        print("child", os.waitstatus_to_exitcode(status))
        ws.send("still there?")
        print(ws.receive(timeout=10))
        talk(server.server_port)
"""


@contextmanager
def client(uri: str) -> Iterator[Any]:
    """Have a client in a process of its own."""
    process: Any = Popen([sys.executable, "-c", CLIENT, uri], stdout=PIPE, env=ENVIRON)
    try:
        with gevent.Timeout(PATIENCE):
            assert process.stdout.readline() == b"open\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_client_that_is_stopped_is_found_by_who_waits_and_who_sends() -> None:
    ends: list[int] = []

    def handle(ws: geventws.WebSocket) -> None:
        receiving = gevent.spawn(end_of, ws.receive)
        try:
            ends.append(end_of(lambda: ws.send(os.urandom(100_000))))
            ends.append(receiving.get(timeout=PATIENCE))
        finally:
            receiving.kill()

    options: dict[str, Any] = {"ping_interval": SOON, "ping_timeout": SOON}
    with (
        running(serve(handle, LOCAL, **options)) as server,
        client(f"ws://127.0.0.1:{server.server_port}/") as process,
    ):
        process.send_signal(signal.SIGSTOP)
        until(lambda: not server.connections)
    assert ends == [1006, 1006]


def end_of(do: Any) -> int:
    """Do something over and over, and return the code that it ends with."""
    try:
        while True:
            do()
    except ConnectionClosed as closed:
        return closed.code


def test_client_that_is_killed_is_1006() -> None:
    ends: list[int] = []
    with (
        running(serve(lambda ws: ends.append(end_of(ws.receive)), LOCAL)) as server,
        client(f"ws://127.0.0.1:{server.server_port}/") as process,
    ):
        process.kill()
        until(lambda: ends)
    assert ends == [1006]


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()\n"])
def test_fork_with_open_connections_leaves_them_to_the_parent(patch: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", patch + FORKING],
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.stdout, done.stderr) == ("child 7\nstill there?\n", "")
