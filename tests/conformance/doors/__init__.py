"""The ends that are held to the protocol: an echo server and an echo client behind each door.

    python -m tests.conformance.doors native serve 9001
    python -m tests.conformance.doors native visit ws://127.0.0.1:9001/
    python -m tests.conformance.doors native visits <urls
    python -m tests.conformance.doors native cases ws://127.0.0.1:9001

Each door is a module here with serve(port), which returns only when it is stopped and echoes every
message, and with visit(url, echo), which connects, sends every message back where *echo* is true,
and returns them when the server is done. Both take messages of 16 MiB; all else is the default. A
new door is a module, and its name in the lists below. They run in processes of their own, so that a
door without gevent is seen to live without it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from geventws.core.errors import ConnectionClosed
from setup import ROOT
from tests.ports import free_port

_BOTH: Final = ["native", "threaded", "asyncio", "tornado", "ws4py_threads"]
SERVERS: Final = [*_BOTH, "pywsgi", "wsgiref", "cherrypy", "ws4py_gevent"]
# ws4py's gevent client has a queue, where a close frame overtakes messages (migrate-from-ws4py.md)
CLIENTS: Final = [*_BOTH]
MAX_SIZE: Final = 16 * 1024 * 1024  # and so 65,536 fragments


def command(door: str, *arguments: str) -> list[str]:
    """Return how to run one end behind *door* as a program."""
    return [sys.executable, "-m", "tests.conformance.doors", door, *arguments]


@contextmanager
def running(door: str) -> Iterator[int]:
    """Have the echo server behind *door* run, and give its port of 127.0.0.1."""
    port = free_port()
    with subprocess.Popen(
        command(door, "serve", str(port)), cwd=ROOT, stdout=subprocess.PIPE
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == b"listening\n"
            yield port
        finally:
            program.kill()


@contextmanager
def visiting(door: str) -> Iterator[Callable[[str], None]]:
    """Have the echo client behind *door* run, and give what names it the next URL to visit."""
    with subprocess.Popen(
        command(door, "visits"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        lines = program.stdin

        def visit(url: str) -> None:
            lines.write(f"{url}\n".encode())

        try:
            assert program.stdout.readline() == b"ready\n"
            yield visit
        finally:
            program.kill()


def heard_from(ws: Any, echo: bool) -> list[str | bytes]:
    """Return all that comes until *ws* is closed, having sent it back where *echo* is true."""
    heard = []
    with suppress(ConnectionClosed):
        for message in ws:
            heard.append(message)
            if echo:
                ws.send(message)
    return heard


async def heard_by_task(ws: Any, echo: bool) -> list[str | bytes]:
    """Return what heard_from() does, of a connection that is awaited."""
    heard = []
    with suppress(ConnectionClosed):
        async for message in ws:
            heard.append(message)
            if echo:
                await ws.send(message)
    return heard
