from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cherrypy.process.wspbus import Bus

from geventws.adapters.ws4py.server.cherrypyserver import WebSocketPlugin
from setup import ROOT
from tests.adapters.ws4py.scene import met
from tests.rawpeer import PING, TEXT, RawPeer, close_frame, frame

ENDING = 30.0  # seconds that a busy machine may take to end the program


@contextmanager
def running() -> Iterator[tuple[Any, int]]:
    """Have the program run; give it and its port."""
    command = [sys.executable, "-W", "error", "-m", "tests.adapters.ws4py.cherrypy_program"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            assert line.strip().isdecimal(), line + program.stdout.read()
            yield program, int(line)
        finally:
            program.kill()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Have the program run for all tests."""
    with running() as (_, port):
        yield port


@contextmanager
def visiting(port: int, path: str, **headers: str) -> Iterator[RawPeer]:
    """Open a websocket at *path*."""
    with RawPeer.to(("127.0.0.1", port)) as peer:
        peer.upgrade(f"GET {path} HTTP/1.1", **headers)
        yield peer


def test_page_handler_finds_the_websocket_and_may_send(port: int) -> None:
    with visiting(port, "/ws", sec_websocket_protocol="no, chat") as peer:
        assert peer.read_frame() == (TEXT, b"Echo ['chat'] /ws")
        peer.send(frame(TEXT, b"hello"))
        frames = [peer.read_frame(), peer.read_frame()]
        assert (TEXT, b"hello") in frames
        assert PING in [opcode for opcode, _ in [*frames, peer.read_frame()]]


def test_websocket_has_no_subprotocol_where_none_of_ours_was_offered(port: int) -> None:
    with RawPeer.to(("127.0.0.1", port)) as peer:
        reply = peer.upgrade("GET /ws HTTP/1.1", sec_websocket_protocol="no")
        assert "sec-websocket-protocol" not in reply.headers
        assert peer.read_frame() == (TEXT, b"Echo [] /ws")


def test_origin_of_old_clients_is_understood(port: int) -> None:
    address = f"127.0.0.1:{port}"
    with visiting(port, "/chat", host=address, origin=f"ws://{address}") as peer:
        peer.send(frame(TEXT, b"hello"))
        assert peer.read_frame() == (TEXT, b"hello")


def test_page_that_is_no_websocket_is_a_page(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as reply:
        assert b"websocket javascript" in reply.read()


def test_plain_request_for_a_websocket_is_answered_426(port: int) -> None:
    with RawPeer.to(("127.0.0.1", port)) as peer:
        peer.send(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert peer.read_head().status == 426


def test_broadcast_on_the_bus_reaches_every_websocket(port: int) -> None:
    with visiting(port, "/chat") as one:
        one.send(frame(TEXT, b"alone"))  # the plugin has a client a little later than its 101
        assert one.read_frame() == (TEXT, b"alone")
        with visiting(port, "/chat") as two:
            for peer in (two, one):
                peer.send(frame(TEXT, b"hello"))
                assert one.read_frame() == (TEXT, b"hello")
                assert two.read_frame() == (TEXT, b"hello")


def test_engine_closes_every_websocket_when_it_stops() -> None:
    with running() as (program, port), visiting(port, "/ws") as peer:
        assert peer.read_frame()[0] == TEXT
        program.send_signal(signal.SIGTERM)
        received = peer.read_frame()
        while received[0] == PING:
            received = peer.read_frame()
        assert received == (8, b"\x03\xe9Server is shutting down")
        peer.send(close_frame(1001))
        peer.close()
        said, _ = program.communicate(timeout=ENDING)
        assert program.returncode == 0
        assert said.startswith("['Echo'] [")


def test_plugin_takes_websockets_of_others_while_its_engine_runs() -> None:
    bus = Bus()
    plugin = WebSocketPlugin(bus)
    plugin.subscribe()
    with met() as (ws, peer):
        plugin.broadcast("to nobody")
        plugin.handle(ws)
        assert peer.read_to_end() == b""
    bus.start()
    try:
        with met() as (ws, peer):
            bus.publish("handle-websocket", ws, ("127.0.0.1", 1))
            assert list(plugin.manager) == [ws]
            bus.publish("websocket-broadcast", "hello")
            assert peer.read_frame() == (TEXT, b"hello")
            peer.close()
    finally:
        bus.exit()
    assert plugin.manager is None
