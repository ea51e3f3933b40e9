"""A worker of prefork: one server in a process of its own, which ends when its parent says so.

fork -> work() -> make() -> "listens" -> serve -> a code, or the end of the pipe -> drain -> exit
"""

from __future__ import annotations

import logging
import os
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

import gevent
from gevent.socket import wait_read

from geventws.core.codes import GOING_AWAY, SERVICE_RESTART
from geventws.ending import Ending

logger = logging.getLogger("geventws")

LISTENS: Final = b"\0"  # what a worker says once it does; anything else is why it cannot
CODE: Final = struct.Struct("!H")  # what it hears: the close code to drain with


class Link(NamedTuple):
    """The two pipes of a worker, its own ends of them."""

    hears: int
    says: int


def work(make: Callable[[], Ending], link: Link, drain_timeout: float) -> int:
    """Serve until the parent says to end, or is gone, or SIGTERM comes; return the exit status.

    Args:
        make: returns the server.
        link: what connects this process with its parent.
        drain_timeout: how long a drain may take.
    """
    try:
        server = make()
        server.start()
    except Exception as error:
        logger.debug("a worker cannot serve", exc_info=error)
        os.write(link.says, _explain(error).encode()[:4096])
        return 1
    os.write(link.says, LISTENS)
    _serve(server, link, drain_timeout)
    return 0


def _serve(server: Ending, link: Link, drain_timeout: float) -> None:
    told: list[int] = []

    def end(code: int) -> None:
        told.append(code)
        if len(told) > 1:  # who stops a whole group of processes tells each of them and the parent
            return
        if code == SERVICE_RESTART:
            server.close()  # who waits there is left to the successor
        server.drain(drain_timeout, code=code)

    handler = gevent.signal_handler(signal.SIGTERM, end, GOING_AWAY)
    hearing = gevent.spawn(lambda: end(_hear(link)))
    try:
        server.serve_forever()
    finally:
        handler.cancel()
        hearing.kill()


def _hear(link: Link) -> int:
    """Wait for what the parent says and return the code in it."""
    wait_read(link.hears)
    said = os.read(link.hears, CODE.size)
    code: int = CODE.unpack(said)[0] if said else GOING_AWAY
    return code


def _explain(error: Exception) -> str:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said or type(error).__name__


def flush() -> None:
    """Write what print() holds back: nobody else will, or two processes would."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or there is none
            stream.flush()
