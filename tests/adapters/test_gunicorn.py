"""gunicorn, as real processes: ours is a worker of it, and upgrade() works under its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path
from time import monotonic

import gevent
import pytest
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader
from zope.interface.verify import verifyObject

from geventws.core.errors import ConnectionClosed
from geventws.interfaces import IUpgradable
from geventws.upgradable import upgradable_of
from tests.adapters.gunicorns import IN_TIME, LARGE, OURS, gunicorn
from tests.crowds import crowd, each
from tests.rawpeer import TEXT, RawPeer, close_frame, frame, head
from tests.servers import authority, refusing_port, trusting

pytestmark = pytest.mark.timeout(180)  # each waits for several processes


def test_worker_closes_500_connections_and_ends_long_before_its_graceful_timeout() -> None:
    def opened(peer: RawPeer) -> None:
        peer.socket.settimeout(IN_TIME)
        peer.upgrade("GET /echo HTTP/1.1")

    def ended(peer: RawPeer) -> int:
        code, _ = peer.read_close()
        peer.send(close_frame(code))
        assert peer.read_to_end() == b""
        peer.close()
        return code

    with gunicorn(OURS) as server, crowd(("127.0.0.1", server.port), 500) as peers:
        each(peers, opened)
        start = monotonic()
        ending = gevent.spawn(server.end)
        assert each(peers, ended) == [1001] * 500
        assert "Traceback" not in ending.get()
        took = monotonic() - start
        print(f"500 connections closed and gunicorn ended in {took:.2f} s")
        assert took < 30


@pytest.mark.parametrize("worker", [OURS, "gevent", "gevent_pywsgi", "gthread"])
def test_views_talk_under_every_worker(worker: str) -> None:
    with gunicorn(worker, "--threads", "4") as server:
        with server.connect() as ws:
            for message in ("x" * LARGE, os.urandom(LARGE), "é", b""):
                ws.send(message)
                assert ws.receive(IN_TIME) == message
        assert ws.close_code == 1000
        with server.peer() as peer:
            peer.send(head("GET /echo HTTP/1.1"), frame(TEXT, b"early"), frame(TEXT, b"y" * 9000))
            assert peer.read_head().status == 101
            assert peer.read_frame() == (TEXT, b"early")
            assert peer.read_frame() == (TEXT, b"y" * 9000)
            peer.end()
        for path, said in (("/forget", "left"), ("/fail", "open")):
            with server.connect(path) as ws:
                assert ws.receive(IN_TIME) == said
                with pytest.raises(ConnectionClosed) as closed:
                    ws.receive(IN_TIME)
            # Flask deals with the error, so that ours does not hear of it
            assert closed.value.code == (1000 if worker == OURS else 1011)
        assert int(server.page())
        log = server.end()
    assert log.count("ValueError: the view fails") == log.count("Traceback") == 1, log
    assert "Warning" not in log


def test_worker_is_replaced_after_max_requests_and_on_reload() -> None:
    with gunicorn(OURS, "--preload", "--max-requests", "3", "--access-logfile", "-") as server:
        first = server.page()
        for told in (server.page, lambda: server.process.send_signal(signal.SIGHUP)):
            with server.connect() as ws:
                ws.send("hi")
                assert ws.receive(IN_TIME) == "hi"
                told()
                with pytest.raises(ConnectionClosed) as closed:
                    ws.receive(IN_TIME)
                assert closed.value.code == 1001
            server.line("Worker exiting")
            second = server.page()
            assert second != first
            first = second
        with server.peer() as peer:
            peer.send(b"GET /bad HTTP/1.1\r\n\r\n")
            assert peer.read_response().status == 400
        log = server.end()
    assert log.count("Autorestarting worker after current request.") == 1
    assert log.count('"GET /echo HTTP/1.1" 101 ') == 2
    assert log.count('"GET /bad HTTP/1.1" 400 ') == 1
    assert "Traceback" not in log


def agreed_with(port: int) -> str | None:
    """Return what the server at *port* agrees on with a client that would rather speak HTTP/2."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return secured.selected_alpn_protocol()


@pytest.mark.parametrize("worker", [OURS, "gevent"])
def test_workers_share_a_port_each_with_a_socket_of_its_own_over_tls(
    worker: str, tmp_path: Path
) -> None:
    issued = authority().issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "chain"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key"))
    files = ("--certfile", str(tmp_path / "chain"), "--keyfile", str(tmp_path / "key"))
    with gunicorn(worker, "--reuse-port", *files, workers=2, port=refusing_port()) as server:
        seen: set[str] = set()
        with gevent.Timeout(IN_TIME):
            while len(seen) < 2:  # the kernel chooses
                with server.connect("/echo", "wss", ssl=trusting()) as ws:
                    ws.send(os.urandom(100_000))
                    assert len(ws.receive(IN_TIME)) == 100_000
                with server.connect("/pid", "wss", ssl=trusting()) as ws:
                    seen.add(ws.receive(IN_TIME))
        assert worker != OURS or agreed_with(server.port) == "http/1.1"
        assert "Traceback" not in server.end()


def test_subclass_of_the_worker_says_its_arguments() -> None:
    with gunicorn("tests.adapters.gunicorn_app.Small") as server:
        with server.connect("/lazy") as ws:
            ws.send("too long for it")
            with pytest.raises(ConnectionClosed) as closed:
                ws.receive(IN_TIME)
        assert closed.value.code == 1009
        assert server.end()


def test_gthread_says_that_it_cannot_upgrade_over_tls() -> None:
    near, far = socket.socketpair()
    with near, far:
        body = Body(LengthReader(SocketUnreader(near), 0))
        assert verifyObject(
            IUpgradable, upgradable_of({"wsgi.input": body, "gunicorn.socket": near})
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    near, far = socket.socketpair()
    with near, far, context.wrap_socket(near, True, do_handshake_on_connect=False) as secured:
        body = Body(LengthReader(SocketUnreader(secured), 0))
        assert upgradable_of({"wsgi.input": body, "gunicorn.socket": secured}) is None
