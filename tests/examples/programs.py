"""The programs in examples/, run as people run them."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
from gevent.subprocess import PIPE, Popen

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
PYTHON = [sys.executable, "-W", "error", "-u"]
IN_TIME = 30.0  # seconds; what takes longer hangs


class Example:
    """A program that runs, and what it says."""

    def __init__(self, process: Any) -> None:
        self.process = process

    def line(self) -> str:
        """Wait for the next line that it prints, and return it."""
        with gevent.Timeout(IN_TIME):
            return str(self.process.stdout.readline().decode().rstrip())

    @property
    def port(self) -> int:
        """Where it listens: its next line has to be about that."""
        said = self.line()
        assert said.startswith("listening on "), said + self.process.stderr.read().decode()
        return int(said.rpartition(":")[2])

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""
        with gevent.Timeout(IN_TIME):
            return int(self.process.wait())


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which shells have background jobs ignore


@contextmanager
def running(name: str, *arguments: object) -> Iterator[Example]:
    """Have an example run; in the end it is killed, and may have logged requests but no error."""
    command = [*PYTHON, str(EXAMPLES / name), *map(str, arguments)]
    process = Popen(command, stdout=PIPE, stderr=PIPE, preexec_fn=_hear_ctrl_c)
    try:
        yield Example(process)
    finally:
        process.kill()
        logged = process.communicate()[1].decode()
    assert not re.search("Traceback|Error|Warning", logged), logged


@contextmanager
def serving(name: str, *arguments: object) -> Iterator[int]:
    """Have an example listen, and give its port."""
    with running(name, *arguments) as example:
        yield example.port
