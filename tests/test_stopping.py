"""Programs that serve until a signal tells them to stop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.subprocess import PIPE, Popen

import geventws
from geventws.core.errors import ConnectionClosed
from geventws.server import serve
from geventws.stopping import serve_until_stopped
from geventws.websocket import WebSocket
from setup import ROOT
from tests.rawpeer import RawPeer
from tests.serving import LOCAL, echo, in_time

PROGRAM = """
import sys
import gevent
import geventws
from geventws.stopping import serve_until_stopped

def stay(ws):
    for message in ws:
        ws.send(message)
    gevent.sleep(ws.request.path == "/stay" and 600)

def view(environ, start_response):
    stay(geventws.upgrade(environ))
    return []

def tell():
    print(server.server_port, flush=True)

address = ("127.0.0.1", 0)
servers = {
    "native": lambda: geventws.serve(stay, address),
    "pywsgi": lambda: geventws.WSGIServer(address, view, log=None),
}
server = servers[sys.argv[1]]()
print(serve_until_stopped(server, 60, listening=tell))
"""
each_server = pytest.mark.parametrize("kind", ["native", "pywsgi"])


@contextmanager
def program(kind: str) -> Iterator[tuple[Any, str]]:
    """Have the program run; give it and where it serves."""
    process: Any = Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, kind],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process, f"ws://127.0.0.1:{int(in_time(process.stdout.readline))}"
    finally:
        process.kill()
        process.communicate()


@each_server
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_a_server(kind: str, number: signal.Signals) -> None:
    with program(kind) as (process, uri):
        with geventws.connect(f"{uri}/") as ws:
            ws.send("hello")
            assert ws.receive(timeout=10) == "hello"
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as caught:
                ws.receive(timeout=10)
            assert (caught.value.code, caught.value.clean) == (1001, True)
        out, err = in_time(process.communicate)
    assert (process.returncode, out, err) == (0, b"True\n", b"")


@each_server
def test_second_signal_hurries_the_drain(kind: str) -> None:
    with program(kind) as (process, uri), geventws.connect(f"{uri}/stay") as ws:
        process.terminate()
        with pytest.raises(ConnectionClosed):
            ws.receive(timeout=10)
        process.terminate()
        out, err = in_time(process.communicate)
    assert (process.returncode, out, err) == (0, b"False\n", b"")


def test_serving_ends_too_when_somebody_else_stops_the_server() -> None:
    listening = Event()
    server = serve(echo, LOCAL)
    serving = gevent.spawn(serve_until_stopped, server, listening=listening.set)
    assert listening.wait(10)
    with RawPeer.to(server.address) as peer:
        peer.upgrade()
        server.stop(timeout=0.1)
        assert peer.read_close()[0] == 1001
    assert in_time(serving.get) is True


def test_serving_leaves_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def end(ws: WebSocket) -> None:
        server.stop(timeout=0)

    server = serve(end, LOCAL)
    server.start()
    serving = gevent.spawn(serve_until_stopped, server)
    with RawPeer.to(server.address) as peer:
        peer.upgrade()
        in_time(serving.get)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("timeout", [None, "1", True])
def test_drain_timeout_is_a_number(timeout: Any) -> None:
    with pytest.raises(TypeError, match=r"^drain_timeout: a number of seconds$"):
        serve_until_stopped(serve(echo, LOCAL), timeout)
