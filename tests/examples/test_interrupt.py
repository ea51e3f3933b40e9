"""Every example that runs until Ctrl-C ends with that: its peers hear 1001, and it has no error."""

from __future__ import annotations

import signal

import gevent.queue
import pytest

import geventws
from tests import serving
from tests.examples.programs import EXAMPLES, Example, running

SERVERS = {
    "chat.py": "/tea",
    "cherrypy_chat.py": "/ws",
    "echo/with_asyncio.py": "/",
    "echo/with_cherrypy.py": "/ws",
    "echo/with_gevent.py": "/",
    "echo/with_threads.py": "/",
    "echo/with_tornado.py": "/",
    "echo/with_wsgiref.py": "/",
    "echo_server.py": "/",
    "sensors/__main__.py": "/watch",
    "wsgi.py": "/clock",
}
CLIENTS = {"two_thousand_clients.py"}


def close_code(ws: geventws.WebSocket) -> int:
    """Wait for the end of *ws*, whatever is said before."""
    try:
        while True:
            ws.receive(timeout=20)
    except geventws.ConnectionClosed as closed:
        return closed.code


def interrupt(program: Example) -> None:
    """Do what Ctrl-C does."""
    program.process.send_signal(signal.SIGINT)


def test_every_example_that_speaks_of_ctrl_c_is_tested_here() -> None:
    speaking = [path for path in EXAMPLES.rglob("*.py") if "Ctrl-C" in path.read_text()]
    assert {str(path.relative_to(EXAMPLES)) for path in speaking} == SERVERS.keys() | CLIENTS


@pytest.mark.parametrize("name", SERVERS)
def test_server_ends_at_ctrl_c(name: str) -> None:
    arguments = ["--port", 0] if name.startswith("sensors") else [0]
    with running(name, *arguments) as server:
        with geventws.connect(f"ws://127.0.0.1:{server.port}{SERVERS[name]}") as ws:
            assert ws.ping(timeout=20) > 0
            interrupt(server)
            assert close_code(ws) == 1001
        assert server.wait() == 0


def test_clients_end_at_ctrl_c() -> None:
    codes: gevent.queue.Queue[int] = gevent.queue.Queue()
    server = geventws.serve(lambda ws: codes.put(close_code(ws)), serving.LOCAL)
    with (
        serving.running(server),
        running("two_thousand_clients.py", f"ws://127.0.0.1:{server.server_port}/", 3) as clients,
    ):
        assert clients.line() == "3 clients are connected"
        interrupt(clients)
        assert [codes.get(timeout=20) for _ in "123"] == [1001] * 3
        assert clients.wait() == 0
