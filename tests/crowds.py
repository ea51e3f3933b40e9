"""Many raw peers at once, and what they hear."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gevent

from setup import ROOT
from tests.rawpeer import TEXT, RawPeer, frame

T = TypeVar("T")
PATIENCE = 30.0  # seconds that a whole crowd may take

PROGRAM = """
import ast, sys
import gevent
from geventws.server import serve

def echo(ws):
    for message in ws:
        ws.send(message)

server = serve(echo, ("127.0.0.1", 0), **ast.literal_eval(sys.argv[1]))
server.start()
print(server.server_port, flush=True)
gevent.get_hub().threadpool.apply(sys.stdin.readline)
server.stop(timeout=1)
"""


@contextmanager
def crowd(address: Any, count: int) -> Iterator[list[RawPeer]]:
    """Connect *count* peers to *address*, and close them at the end."""
    with ExitStack() as stack:
        yield [stack.enter_context(RawPeer.to(address)) for _ in range(count)]


def each(peers: list[RawPeer], do: Callable[[RawPeer], T]) -> list[T]:
    """Have all *peers* do the same at once, and return what each of them got."""
    greenlets = [gevent.spawn(do, peer) for peer in peers]
    try:
        gevent.joinall(greenlets, timeout=PATIENCE, raise_error=True)
        return [greenlet.get(block=False) for greenlet in greenlets]
    finally:
        gevent.killall(greenlets)


def until(true: Callable[[], Any]) -> None:
    """Let the hub run until something is *true*."""
    with gevent.Timeout(PATIENCE):
        while not true():
            gevent.sleep(0.01)


class Elsewhere:
    """An echo server in a process of its own, whose memory is only its own.

    Args:
        **options: what serve() is given, as literals.
    """

    def __init__(self, **options: Any) -> None:
        command = [sys.executable, "-c", PROGRAM, repr(options)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        assert self._process.stdout is not None
        self.address = ("127.0.0.1", int(self._process.stdout.readline()))

    def peak(self) -> int:
        """Return the most KiB of memory that it ever had."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        return next(int(ln.split()[1]) for ln in status.splitlines() if ln.startswith("VmHWM"))

    def check(self) -> None:
        """See to it that it still serves."""
        with RawPeer.to(self.address) as peer:
            peer.upgrade()
            peer.send(frame(TEXT, b"still there?"))
            assert peer.read_frame() == (TEXT, b"still there?")
            peer.end()

    @contextmanager
    def growing_less_than(self, mebibytes: int) -> Iterator[None]:
        """Assert that its memory does not grow by more, however it went meanwhile."""
        self.check()
        before = self.peak()
        yield
        self.check()
        grown = (self.peak() - before) / 1024
        assert grown < mebibytes, f"grown by {grown} MiB"

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._process.communicate(b"\n", timeout=PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
        assert self._process.returncode == 0
