"""Frames in the log: what is said of them, and what is not."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import gevent
import pytest
from zope.interface.verify import verifyObject

import geventws
from geventws.adapters import threaded
from geventws.core.codes import CLOSE, PING, TEXT, Side
from geventws.core.deflate import Agreed
from geventws.frames import Tap, log_frames
from geventws.interfaces import ITransport
from geventws.logs import connection_id
from geventws.manager import Manager
from geventws.testing import pair
from geventws.websocket import WebSocket
from tests.pairs import QUIET, end_on, server_and_peer, tls, unix
from tests.rawpeer import PATIENCE
from tests.serving import echo, running

pytestmark = pytest.mark.usefixtures("leaks_nothing")

SECRET = "the secret"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the tap has said so far, as it says it."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("geventws.frames")
    caplog.set_level(logging.DEBUG, logger="geventws.frames")
    logger.addHandler(handler)
    yield said
    logger.removeHandler(handler)


def said(ws: WebSocket, *lines: str) -> list[str]:
    return [f"connection {connection_id(ws)} {line}" for line in lines]


def exchange(client: WebSocket, server: WebSocket) -> None:
    """Have a conversation of every kind of frame."""
    client.send(SECRET)
    assert server.receive(timeout=PATIENCE) == SECRET
    server.send([b"one", b"two"])
    assert client.receive(timeout=PATIENCE) == b"onetwo"
    closing = gevent.spawn(client.close, 4000, SECRET)
    with pytest.raises(geventws.ConnectionClosed):
        server.receive(timeout=PATIENCE)
    server.close()
    closing.get(timeout=PATIENCE)


@pytest.mark.parametrize("kind", [unix, tls])
def test_log_frames_logs_both_ways_and_no_payload(kind: type, lines: list[str]) -> None:
    theirs, ours = kind()
    client, server = end_on(theirs, Side.CLIENT), end_on(ours, Side.SERVER)
    log_frames(server)
    exchange(client, server)
    assert lines == said(
        server,
        "received text, 10 bytes",
        "sent binary, 3 bytes, more follows",
        "sent continuation, 3 bytes",
        "received close, 12 bytes, 4000",
        "sent close, 2 bytes, 4000",
    )


def test_log_frames_logs_a_client(lines: list[str]) -> None:
    client, server = pair()
    log_frames(client)
    exchange(client, server)
    assert lines[0] == said(client, "sent text, 10 bytes")[0]
    assert lines[-1] == said(client, "received close, 2 bytes, 4000")[0]
    assert SECRET not in "".join(lines)


def test_log_frames_shows_the_begin_of_payloads_when_asked(lines: list[str]) -> None:
    client, server = pair(compression=None)
    log_frames(server, payloads=True)
    client.send("x" * 100)
    server.receive(timeout=PATIENCE)
    assert lines == said(server, f"received text, 100 bytes, {b'x' * 80!r}")
    client.drop()
    server.drop()


def test_log_frames_says_what_is_compressed(lines: list[str]) -> None:
    agreed = Agreed(12, 12, False, False, 5, 5, 0)
    theirs, ours = unix()
    client, server = (
        end_on(theirs, Side.CLIENT, QUIET, agreed),
        end_on(ours, Side.SERVER, QUIET, agreed),
    )
    log_frames(server)
    client.send("x" * 1000)
    assert server.receive(timeout=PATIENCE) == "x" * 1000
    assert lines[0].endswith("bytes, compressed")
    client.drop()
    server.drop()


def test_log_frames_logs_a_large_frame_once(lines: list[str]) -> None:
    client, server = pair(compression=None)
    log_frames(server)
    sending = gevent.spawn(client.send, b"x" * 300_000)
    server.receive(timeout=PATIENCE)
    sending.get(timeout=PATIENCE)
    assert lines == said(server, "received binary, 300000 bytes")
    client.drop()
    server.drop()


def test_log_frames_follows_the_level_of_its_logger(lines: list[str]) -> None:
    client, server = pair(compression=None)
    log_frames(server)
    logger = logging.getLogger("geventws.frames")
    for level, message in ((logging.INFO, "unseen"), (logging.DEBUG, "seen")):
        logger.setLevel(level)
        client.send(message)
        assert server.receive(timeout=PATIENCE) == message
    assert lines == said(server, "received text, 4 bytes")
    client.drop()
    server.drop()


def test_log_frames_takes_up_where_a_frame_begins(lines: list[str]) -> None:
    server, peer = server_and_peer()
    whole = peer.frame(TEXT, b"before")
    server.begin(whole[:4])
    log_frames(server)
    peer.socket.sendall(whole[4:])
    assert server.receive(timeout=PATIENCE) == "before"
    peer.send(TEXT, b"after that")
    assert server.receive(timeout=PATIENCE) == "after that"
    assert lines == said(server, "received text, 10 bytes")
    peer.socket.close()
    server.drop()


def test_log_frames_takes_up_after_what_arrives_by_pieces(lines: list[str]) -> None:
    server, peer = server_and_peer()
    whole = peer.frame(TEXT, b"a" * 20_000)
    peer.socket.sendall(whole[:9_000])
    pieces = server.receive_pieces()
    with gevent.Timeout(PATIENCE):
        received = len(next(pieces))
        log_frames(server)
        peer.socket.sendall(whole[9_000:])
        received += sum(map(len, pieces))
    assert received == 20_000
    peer.send(TEXT, b"after that")
    assert server.receive(timeout=PATIENCE) == "after that"
    assert lines == said(server, "received text, 10 bytes")
    peer.socket.close()
    server.drop()


def test_frames_are_read_by_nobody_else_where_none_are_logged() -> None:
    script = "import geventws.server, geventws.pywsgi, geventws.client, sys; print(*sys.modules)"
    given = [sys.executable, "-c", script]
    modules = subprocess.run(given, capture_output=True, text=True, check=True).stdout.split()
    assert "geventws.websocket" in modules
    assert not {"geventws.frames", "geventws.logs", "geventws.dashboard"} & {*modules}


def test_log_frames_says_what_no_frame_is(lines: list[str]) -> None:
    server, peer = server_and_peer()
    log_frames(server)
    peer.socket.sendall(b"GET / HTTP/1.1\r\n")
    with pytest.raises(geventws.ConnectionClosed):
        server.receive(timeout=PATIENCE)
    assert "received what is no frame: a reserved" in lines[0]
    assert lines[1].endswith("1002")
    peer.socket.close()
    server.drop()


def test_log_frames_says_what_a_close_frame_of_one_byte_is(lines: list[str]) -> None:
    server, peer = server_and_peer()
    log_frames(server)
    peer.send(PING, b"1234")
    peer.send(CLOSE, b"\x03")
    with pytest.raises(geventws.ConnectionClosed):
        server.receive(timeout=PATIENCE)
    assert lines[0] == said(server, "received ping, 4 bytes")[0]
    assert "received what is no frame: a close code that may not be sent" in lines[1]
    peer.socket.close()
    server.drop()


def test_log_frames_logs_callback_connections_of_a_server(lines: list[str]) -> None:
    with running(geventws.serve(geventws.EchoWebSocket, ("127.0.0.1", 0))) as server:
        log_frames(server.manager)
        with geventws.connect(f"ws://127.0.0.1:{server.server_port}/") as ws:
            ws.send("hello")
            assert ws.receive(timeout=PATIENCE) == "hello"
    assert [line.split(" ", 2)[2] for line in lines[:2]] == [
        "received text, 5 bytes",
        "sent text, 5 bytes",
    ]


def test_log_frames_takes_a_share_of_a_manager_only(lines: list[str]) -> None:
    manager = Manager()
    log_frames(manager, share=0.0)
    with running(geventws.serve(echo, ("127.0.0.1", 0))) as server:
        log_frames(server.manager, share=0.0)
        with geventws.connect(f"ws://127.0.0.1:{server.server_port}/") as ws:
            ws.send("hello")
            assert ws.receive(timeout=PATIENCE) == "hello"
    assert lines == []


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_log_frames_refuses_a_share_that_is_none(share: float) -> None:
    with pytest.raises(ValueError, match="share: from 0 to 1"):
        log_frames(Manager(), share=share)


def test_broadcasts_are_logged_too(lines: list[str]) -> None:
    client, server = pair(capacity=64, compression=None)
    log_frames(server)
    manager = Manager()
    manager.add(server)
    manager.broadcast("x" * 1000)
    manager.broadcast("y" * 10)
    assert client.receive(timeout=PATIENCE) == "x" * 1000
    assert client.receive(timeout=PATIENCE) == "y" * 10
    assert lines == said(server, "sent text, 1000 bytes", "sent text, 10 bytes")
    client.drop()
    server.drop()


def test_tap_keeps_the_contract_of_a_transport() -> None:
    client, server = pair()
    tap = Tap(client, False)
    verifyObject(ITransport, tap)
    assert tap.local_address == client.local_address
    assert tap.peer_address == client.peer_address
    assert not tap.torn
    client.drop()
    server.drop()


def test_log_frames_logs_a_client_of_threads(lines: list[str]) -> None:
    def talk(port: int) -> str | bytes:
        with threaded.connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
            log_frames(ws)
            ws.send("hello")
            return ws.receive(timeout=PATIENCE)

    with running(geventws.serve(echo, ("127.0.0.1", 0))) as server:
        pool = gevent.get_hub().threadpool
        assert server.server_port is not None
        assert pool.spawn(talk, server.server_port).get(timeout=PATIENCE) == "hello"
    assert [line.split(" ", 2)[2] for line in lines] == [
        "sent text, 5 bytes",
        "received text, 5 bytes",
        "sent close, 2 bytes, 1000",
        "received close, 2 bytes, 1000",
    ]
