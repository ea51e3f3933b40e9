"""gunicorn, as a process of its own for the length of a test."""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.subprocess import PIPE, STDOUT, Popen

from geventws.client import connect
from setup import ROOT
from tests.rawpeer import RawPeer

IN_TIME = 30.0  # seconds; what takes longer hangs
LARGE = 8 * 1024 * 1024  # bytes
OURS = "geventws.adapters.gunicorn.GeventWebSocketWorker"
APP = "tests.adapters.gunicorn_app:app"
CONFIG = "tests/adapters/gunicorn_config.py"
QUIET: Any = {
    **{"compression": None, "max_size": 2 * LARGE},
    **{"ping_interval": None, "open_timeout": IN_TIME},
}


class Gunicorn:
    """A gunicorn in a process of its own, and what it has written."""

    def __init__(self, process: Any, port: int) -> None:
        self.process = process
        self.log = ""
        line = self.line("Listening at: ")
        self.port = port or int(line.rpartition(" (")[0].rpartition(":")[2])

    def line(self, wanted: str) -> str:
        """Wait for a line with *wanted* in it."""
        with gevent.Timeout(IN_TIME):
            while said := self.process.stdout.readline().decode():
                self.log += said
                if wanted in said:
                    return str(said)
        raise AssertionError(self.log)

    def page(self) -> str:
        """Return the pid of the worker that answers."""
        request = (f"http://127.0.0.1:{self.port}/", None, IN_TIME)
        with gevent.get_hub().threadpool.apply(urllib.request.urlopen, request) as reply:
            said: str = reply.read().decode()
        return said

    def connect(self, path: str = "/echo", scheme: str = "ws", **arguments: Any) -> Any:
        """Open a WebSocket."""
        uri = f"{scheme}://localhost:{self.port}{path}"
        return connect(uri, **{**QUIET, **arguments})

    def peer(self) -> Any:
        """Connect a peer."""
        peer = RawPeer.to(("127.0.0.1", self.port))
        peer.socket.settimeout(IN_TIME)
        return peer

    def end(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Have it end and return all that it has written."""
        self.process.send_signal(number)
        with gevent.Timeout(IN_TIME):
            rest, _ = self.process.communicate()
        self.log += rest.decode()
        assert self.process.returncode == 0, self.log
        return self.log


@contextmanager
def gunicorn(
    worker: str, *arguments: str, workers: int = 1, port: int = 0, app: str = APP
) -> Iterator[Gunicorn]:
    """Have gunicorn run *app* with *workers* of a *worker* class."""
    program = "from gunicorn.app.wsgiapp import run; run()"
    options = ["-c", CONFIG, "-k", worker, "-w", str(workers), "-b", f"127.0.0.1:{port}"]
    command = [sys.executable, "-c", program, *options, *arguments, app]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = Popen(
        command, cwd=ROOT, env=environ, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        server = Gunicorn(process, port)
        for _ in range(workers):
            server.line("Worker is ready")
        yield server
    finally:
        process.terminate()  # which its workers hear too, as they do not of kill()
        try:
            with gevent.Timeout(IN_TIME / 3):  # by now it has ended, or a test has failed
                process.communicate()
        except gevent.Timeout:  # its workers are of its group, and hear of this
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
