"""The program in a process of its own, as other programs and as people run it."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import gevent
from gevent.os import make_nonblocking, nb_read
from gevent.subprocess import PIPE, Popen

IN_TIME = 20.0  # seconds; what takes longer hangs
GEVENTWS = [sys.executable, "-W", "error", "-m", "geventws"]
PIPES: dict[str, Any] = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
CTRL_C, CTRL_D, UP, LEFT = b"\x03", b"\x04", b"\x1b[A", b"\x1b[D"


class Done(NamedTuple):
    """What a program did."""

    status: int
    out: bytes
    err: bytes


def run(*arguments: str, given: bytes = b"") -> Done:
    """Run the program on pipes and return what it did."""
    process = Popen([*GEVENTWS, *arguments], **PIPES)
    with gevent.Timeout(IN_TIME):
        out, err = process.communicate(given)
    return Done(process.returncode, out, err)


@contextmanager
def running(*arguments: str, **how: Any) -> Iterator[Any]:
    """Have the program run on pipes; it is killed at the end if it has not ended."""
    process = Popen([*GEVENTWS, *arguments], **{**PIPES, **how})
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def server(*arguments: str, **how: Any) -> Iterator[Any]:
    """Have `geventws serve` run; its .uri says where."""
    with running("serve", "--port", "0", *arguments, **how) as process:
        with gevent.Timeout(IN_TIME):
            said = process.stdout.readline().decode()
        assert said.startswith("listening on http"), said + process.stderr.read().decode()
        process.uri = said.split()[2].replace("http", "ws") + "/"
        yield process


def ended(process: Any) -> Done:
    """Wait for *process* and return what it did."""
    with gevent.Timeout(IN_TIME):
        out, err = process.communicate()
    return Done(process.returncode, out, err)


class Person:
    """Someone at a terminal of 60 by 20, where the program runs in the foreground."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm"
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored by what runs in the background
            os.execv(GEVENTWS[0], [*GEVENTWS, *arguments])
        make_nonblocking(self._terminal)
        self.seen = b""
        self._past = 0

    def type(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def see(self, text: bytes) -> None:
        """Wait until *text* is shown after what was waited for before."""
        with gevent.Timeout(IN_TIME, AssertionError(f"{text!r} is not seen")):
            while (found := self.seen.find(text, self._past)) < 0:
                assert self._look(), self.seen
        self._past = found + len(text)

    def leave(self) -> int:
        """Wait until the program has ended and return its status."""
        with gevent.Timeout(IN_TIME):
            while self._look():
                pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _look(self) -> bytes:
        """Wait for something new and return it; nothing when the program has gone."""
        try:
            data: bytes = nb_read(self._terminal, 65536)
        except OSError:  # EIO: nobody has the other end any more
            return b""
        self.seen += data
        return data

    def close(self) -> None:
        os.close(self._terminal)


@contextmanager
def person(*arguments: str) -> Iterator[Person]:
    """Have someone run the program at a terminal."""
    someone = Person(*arguments)
    try:
        yield someone
    except BaseException:
        os.kill(someone.pid, signal.SIGKILL)
        os.waitpid(someone.pid, 0)
        raise
    finally:
        someone.close()
