"""The servers that the frameworks are tried on, each a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

import gevent
from gevent.subprocess import PIPE, STDOUT, Popen

from geventws.client import connect
from setup import ROOT
from tests.adapters.gunicorns import IN_TIME, OURS, QUIET, gunicorn
from tests.rawpeer import HANDSHAKE

APP = "tests.frameworks.site:application"
WORKERS = {"gunicorn geventws": OURS, "gunicorn gevent": "gevent"}
SERVERS = ["geventws", "gevent", *WORKERS]


class Answer(NamedTuple):
    """What a request was answered."""

    status: int
    body: str


class Server:
    """A server with every framework's application."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self, path: str, **arguments: Any) -> Any:
        """Open a WebSocket."""
        uri = f"ws://127.0.0.1:{self.port}/{path}"
        return connect(uri, **{**QUIET, **arguments})

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page as for a WebSocket, with Upgrade only where *headers* have it."""
        left = {name: value for name, value in HANDSHAKE.items() if name != "Upgrade"}
        visit = HTTPConnection("127.0.0.1", self.port, timeout=IN_TIME)
        with closing(visit):
            visit.request("GET", f"/{path}", headers={**left, "Connection": "close", **headers})
            reply = visit.getresponse()
            return Answer(reply.status, reply.read().decode())


@contextmanager
def serving(name: str) -> Iterator[Server]:
    """Have the server of SERVERS run; in the end it may have logged no error."""
    if name in WORKERS:
        with gunicorn(WORKERS[name], app=APP) as running:
            yield Server(running.port)
            log = running.end()
    else:
        command = [sys.executable, "-m", "tests.frameworks.serve", name]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        process: Any = Popen(command, cwd=ROOT, env=environ, stdout=PIPE, stderr=STDOUT)
        try:
            yield Server(_port(process))
            process.terminate()
            log = process.communicate(timeout=IN_TIME)[0].decode()
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log, log


def _port(process: Any) -> int:
    said = ""
    with gevent.Timeout(IN_TIME):
        while line := process.stdout.readline().decode():
            if line.startswith("Listening at: "):
                return int(line.rpartition(" ")[2])
            said += line
    raise AssertionError(said)
