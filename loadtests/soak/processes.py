"""Programs in processes of their own, which say and hear lines of JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.subprocess import PIPE, Popen, TimeoutExpired

from setup import ROOT

PATIENCE: Final = 60.0  # seconds; a program that says nothing for longer has failed
SOURCES: Final = tuple(f"127.0.0.{number}" for number in range(2, 10))


class Program:
    """A process, for the length of a with block.

    Args:
        command: what follows the name of the interpreter.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.process: Any = Popen(
            [sys.executable, *command],
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.pid: int = self.process.pid

    @classmethod
    def of(cls, module: str, **given: Any) -> Program:
        """Start a module of this package with what it is *given*."""
        return cls(["-m", f"loadtests.soak.{module}", json.dumps(given)])

    def line(self, patience: float = PATIENCE) -> str:
        """Wait for a line.

        Raises:
            RuntimeError: the program has ended.
            TimeoutError: it says nothing.
        """
        with gevent.Timeout(patience, TimeoutError("a program says nothing")):
            said: bytes = self.process.stdout.readline()
        if not said:
            raise RuntimeError("a program has ended")
        return said.decode().strip()

    def hear(self, patience: float = PATIENCE) -> Any:
        """Wait for what it says; errors as of line()."""
        return json.loads(self.line(patience))

    def tell(self, **said: Any) -> None:
        """Tell it something."""
        self.process.stdin.write(json.dumps(said).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, **said: Any) -> Any:
        """Tell it something and wait for its answer."""
        self.tell(**said)
        return self.hear()

    def memory(self) -> float:
        """Return the MiB of memory that it has now."""
        return _status(self.pid, "VmRSS") / 1024

    def processor(self) -> float:
        """Return the seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        """Return how many files it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=PATIENCE if exc_info[0] is None else 1)
        except TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            self.process.stdout.close()
        if exc_info[0] is None and self.process.returncode:
            raise RuntimeError("a program has failed")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def allow_files() -> None:
    """Let this process, and those it starts, open as many files as the system grants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# What the program itself does


def say(**said: Any) -> None:
    """Say something to who started this program."""
    os.write(1, json.dumps(said).encode() + b"\n")


def told() -> Any:
    """Wait, without the hub, for what who started this program tells it; None when it is gone."""
    line = gevent.get_hub().threadpool.apply(sys.stdin.readline)
    return json.loads(line) if line else None
