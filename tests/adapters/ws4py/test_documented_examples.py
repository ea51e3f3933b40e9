"""Every code example of ws4py's documentation runs; only its imports and ports were changed.

Printing became taking note. The server programs are in documented.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import MagicMock

import gevent
import pytest
from tornado import ioloop

from geventws.adapters.threaded import connect
from geventws.adapters.ws4py import configure_logger, format_addresses
from geventws.adapters.ws4py.client import WebSocketBaseClient, geventclient, threadedclient
from geventws.adapters.ws4py.client.tornadoclient import TornadoWebSocketClient
from geventws.adapters.ws4py.framing import OPCODE_TEXT, Frame
from geventws.adapters.ws4py.manager import WebSocketManager
from geventws.adapters.ws4py.messaging import TextMessage
from geventws.adapters.ws4py.streaming import Stream
from geventws.adapters.ws4py.websocket import WebSocket
from geventws.server import serve
from setup import ROOT
from tests.adapters.ws4py.documented import SERVERS
from tests.serving import LOCAL, echo, running
from tests.threads import PATIENCE, joined_threads, serving

CLIENTS = 100  # where the documentation has 2000


# Basics


class EchoWebSocket(WebSocket):
    def received_message(self, message: Any) -> None:
        self.send(message.data, message.is_binary)


def test_basics() -> None:
    def data_source() -> Iterator[TextMessage]:
        yield TextMessage("hello world")

    source = MagicMock(side_effect=data_source)
    ws = EchoWebSocket(sock=source)
    ws.send("hello there")
    source.sendall.assert_called_once_with(b"\x81\x0bhello there")


# Clients


class DummyClient(threadedclient.WebSocketClient):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.printed: list[Any] = []

    def opened(self) -> None:
        def data_provider() -> Iterator[str]:
            for i in range(1, 200, 25):
                yield "#" * i

        self.send(data_provider())

        for i in range(0, 200, 25):
            self.printed.append(i)
            self.send("*" * i)

    def closed(self, code: int, reason: str | None = None) -> None:
        self.printed.append(("Closed down", code, reason))

    def received_message(self, m: Any) -> None:
        self.printed.append(str(m))
        if len(m) == 175:
            self.close(reason="Bye bye")


@contextmanager
def echoing() -> Iterator[str]:
    """Give the address of a server that sends messages back."""
    with serving() as server:
        yield f"ws://127.0.0.1:{server.address[1]}/"


def test_built_in_client() -> None:
    with echoing() as url:
        ws = DummyClient(url, protocols=["http-only", "chat"])
        try:
            ws.connect()
            ws.run_forever()
        except KeyboardInterrupt:
            ws.close()
    sizes = range(0, 200, 25)
    assert ws.printed[:8] == list(sizes)
    assert ws.printed[8:-1] == ["#" * sum(range(1, 200, 25)), *("*" * size for size in sizes)]
    assert ws.printed[-1] == ("Closed down", 1000, "")


def test_built_in_client_of_the_reference() -> None:
    printed: list[str] = []

    class EchoClient(threadedclient.WebSocketClient):
        def opened(self) -> None:
            for i in range(0, 200, 25):
                self.send("*" * i)

        def closed(self, code: int, reason: str | None = None) -> None:
            printed.append(f"Closed down {code}")

        def received_message(self, m: Any) -> None:
            printed.append(f"=> {len(m)} {m}")
            if len(m) == 175:
                self.close()

    with echoing() as url:
        ws = EchoClient(f"{url}echo", protocols=["http-only", "chat"])
        ws.connect()
        ws.run_forever()
    assert printed[1] == f"=> 25 {'*' * 25}"
    assert printed[-1] == "Closed down 1000"


def test_base_client() -> None:
    for url in ("ws://localhost/ws", "wss://localhost/ws", "ws+unix:///tmp/my.sock"):
        assert WebSocketBaseClient(url).resource == ("/" if "unix" in url else "/ws")


def test_base_client_with_another_resource(tmp_path: Any) -> None:
    path = str(tmp_path / "my.sock")
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def refuse() -> None:
            sock, _ = listener.accept()
            with sock:
                asked.append(sock.recv(65536).decode().partition("\r\n")[0])

        thread = threading.Thread(target=refuse)
        thread.start()
        ws = WebSocketBaseClient(f"ws+unix://{path}")
        ws.resource = "/ws"
        with pytest.raises(Exception, match=r"stream|reset"):
            ws.connect()
        thread.join(PATIENCE)
    assert asked == ["GET /ws HTTP/1.1"]


def test_tornado_client() -> None:
    printed: list[str] = []

    class MyClient(TornadoWebSocketClient):
        def opened(self) -> None:
            for i in range(0, 200, 25):
                self.send("*" * i)

        def received_message(self, m: Any) -> None:
            printed.append(str(m))
            if len(m) == 175:
                self.close(reason="Bye bye")

        def closed(self, code: int, reason: str | None = None) -> None:
            ioloop.IOLoop.instance().stop()

    asyncio.set_event_loop(asyncio.new_event_loop())  # which the first instance() used to make
    try:
        with echoing() as url:
            ws = MyClient(f"{url}echo", protocols=["http-only", "chat"])
            ws.connect()
            ioloop.IOLoop.instance().start()
    finally:
        ioloop.IOLoop.instance().close(all_fds=True)
        asyncio.set_event_loop(None)
    assert printed == ["*" * i for i in range(0, 200, 25)]


@pytest.mark.usefixtures("leaks_nothing")
def test_gevent_client() -> None:
    printed: list[str] = []
    with running(serve(echo, LOCAL)) as server:
        url = f"ws://localhost:{server.address[1]}/echo"
        ws = geventclient.WebSocketClient(url, protocols=["http-only", "chat"])
        ws.connect()

        def incoming() -> None:
            while True:
                m = ws.receive()
                if m is not None:
                    printed.append(str(m))
                else:
                    break

        def send_a_bunch() -> None:
            for i in range(0, 40, 5):
                ws.send("*" * i)
            gevent.spawn_later(0.05, ws.close)  # or the example would go on for ever

        greenlets = [gevent.spawn(incoming), gevent.spawn(send_a_bunch)]
        gevent.joinall(greenlets, timeout=PATIENCE, raise_error=True)
        ws._th.join(PATIENCE)
    assert printed == ["*" * i for i in range(0, 40, 5)]


# Servers


@contextmanager
def program(text: str) -> Iterator[int]:
    """Have a program run that listens at port 9000, and give the port that stands for it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-W", "error", "-c", text.replace("9000", str(port))]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            await_listener(running, port)
            yield port
        finally:
            running.kill()


def await_listener(running: Any, port: int) -> None:
    """Wait until somebody listens at *port*."""
    over = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < over:
        assert running.poll() is None, running.stdout.read()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    pytest.fail("the program does not listen")


@pytest.mark.parametrize("name", SERVERS)
def test_server(name: str) -> None:
    with program(SERVERS[name]) as port, connect(f"ws://127.0.0.1:{port}/ws") as ws:
        for message in ("hello", b"bytes", "*" * 70_000):
            ws.send(message)
            assert ws.receive(PATIENCE) == message


# The manager


def test_manager_of_many_clients(capsys: Any) -> None:
    level = logging.getLogger("geventws").level
    logger = configure_logger()

    m = WebSocketManager()

    class EchoClient(WebSocketBaseClient):
        def handshake_ok(self) -> None:
            logger.info("Opening %s", format_addresses(self))
            m.add(self)

        def received_message(self, msg: Any) -> None:
            logger.info(str(msg))
            self.close()

    try:
        with echoing() as url:
            m.start()
            for i in range(CLIENTS):
                client = EchoClient(f"{url}ws")
                client.connect()
                client.send(f"number {i}")
            logger.info("%d clients are connected", i)

            while any(not ws.terminated for ws in m.websockets.values()):
                m.join(1)
            m.close_all()
            m.stop()
            m.join()
    finally:
        logger.removeHandler(logger.handlers[-1])
        logger.setLevel(level)
    out = capsys.readouterr().out
    assert f"{CLIENTS - 1} clients are connected" in out
    assert all(f"INFO number {i}\n" in out for i in range(CLIENTS))
    assert out.count("Opening [Local => 127.0.0.1:") == CLIENTS


def test_manager_of_the_reference() -> None:
    printed = threading.Event()

    m = WebSocketManager()

    class EchoClient(WebSocketBaseClient):
        def handshake_ok(self) -> None:
            m.add(self)  # register the client once the handshake is done

        def received_message(self, msg: Any) -> None:
            assert str(msg) == "hello"
            printed.set()

    m.start()
    with echoing() as url:
        client = EchoClient(f"{url}ws")
        client.connect()
        client.send("hello")
        assert printed.wait(PATIENCE)
        client.close()
        with joined_threads() as threads:
            joining = threads.start(m.join)  # blocks forever
            with pytest.raises(TimeoutError):
                joining.result(0.05)
            m.stop()
            joining.result(PATIENCE)


# Frames and streams


def test_frame() -> None:
    test_mask = bytes.fromhex("be04e66a")  # perhaps from os.urandom(4)
    f = Frame(OPCODE_TEXT, b"hello world", masking_key=test_mask, fin=1)
    built = f.build()
    assert built.hex() == "818bbe04e66ad6618a06d1249105cc6882"
    f = Frame()
    assert f.parser.send(built[:1]) == 1
    assert f.parser.send(built[1:2]) == 4


def test_stream() -> None:
    built = TextMessage("hello").single(mask=True)
    s = Stream()
    s.parser.send(built[:4])
    assert s.has_messages is False
    s.parser.send(built[4:])
    assert s.has_messages is True
    assert repr(s.message) == "<TextMessage b'hello'>"
