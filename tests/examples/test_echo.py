"""examples/echo: each server echoes, and each client hears of it all."""

from __future__ import annotations

import pytest

import geventws
from tests.examples.programs import EXAMPLES, running, serving

BOTH = ["gevent", "threads", "asyncio", "tornado"]
SERVERS = {**dict.fromkeys(BOTH, "/"), "wsgiref": "/", "cherrypy": "/ws"}
HEARD = ["700", "0", "25", "50", "75", "100", "125", "150", "175", "closed 1000"]


def test_every_backend_is_tested_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("echo/*.py")} == {f"with_{s}" for s in SERVERS}


@pytest.mark.parametrize("name", SERVERS)
def test_server_sends_every_message_back(name: str) -> None:
    with serving(f"echo/with_{name}.py", 0) as port:
        url = f"ws://127.0.0.1:{port}{SERVERS[name]}"
        with geventws.connect(url) as one, geventws.connect(url) as two:
            for ws in (one, two, one):
                ws.send("hello")
                ws.send(b"\x00\xff")
                assert (ws.receive(timeout=20), ws.receive(timeout=20)) == ("hello", b"\x00\xff")


@pytest.mark.parametrize("name", BOTH)
def test_client_hears_what_it_sends(name: str) -> None:
    with (
        serving("echo/with_gevent.py", 0) as port,
        running(f"echo/with_{name}.py", f"ws://127.0.0.1:{port}/") as client,
    ):
        assert [client.line() for _ in HEARD] == HEARD
        assert client.wait() == 0
