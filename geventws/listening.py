"""Where a server listens: a TCP address, or a unix socket.

address -> bind -> listen -> a socket for serve(), or several for prefork()
"""

from __future__ import annotations

import errno
import os
import socket as constants
import stat
import sys
from contextlib import suppress
from typing import Any, Final

from gevent.baseserver import parse_address  # type: ignore[attr-defined]
from gevent.monkey import get_original

BACKLOG: Final = 1024
UNIX: Final = "unix:"
SPREADS: Final = sys.platform == "linux"  # elsewhere the latest of them gets everything
SOCKET: Final = get_original("socket", "socket")  # one that belongs to no hub


def listen(address: Any, *, backlog: int | None = BACKLOG, reuse_port: bool = False) -> Any:
    """Return a non-blocking socket that listens at *address*, which is as for serve().

    A unix socket that a server before has left behind is removed; the new one is its caller's to
    remove.

    Args:
        backlog: connections that the kernel holds until they are accepted; None binds the socket
            and does not listen.
        reuse_port: whether others may listen there too, each with a queue of its own.

    Raises:
        OSError: it cannot listen there.
        ValueError: *address* makes no sense, or *reuse_port* is asked of a unix socket.
    """
    family, where = _parse(address, reuse_port)
    listener = SOCKET(family, constants.SOCK_STREAM)
    try:
        if family == constants.AF_UNIX:
            _remove_stale(where)
        else:
            listener.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(constants.SOL_SOCKET, constants.SO_REUSEPORT, 1)
        listener.bind(where)
        if backlog is not None:
            listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def listen_for(
    workers: int, address: Any, *, backlog: int = BACKLOG, reuse_port: bool = False
) -> list[Any]:
    """Return listeners at *address* for prefork(): one for each of *workers*, or one for all.

    Where the kernel spreads connections evenly over those that share a port (SO_REUSEPORT on
    Linux), each worker gets its own.

    Args:
        reuse_port: whether other programs may listen there too.

    Raises:
        OSError, ValueError: as for listen().
    """
    if workers == 1 or not SPREADS or unix_path(address) is not None:
        return [listen(address, backlog=backlog, reuse_port=reuse_port)]
    with listen(address, backlog=None, reuse_port=reuse_port) as bound:  # refused where others are
        where = bound.getsockname()[:2]
    listeners: list[Any] = []
    try:
        for _ in range(workers):
            listeners.append(listen(where, backlog=backlog, reuse_port=True))
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def unix_path(address: Any) -> str | None:
    """Return the path in an *address* of the form "unix:/path"; None where it is another one."""
    if isinstance(address, str) and address.startswith(UNIX):
        return address[len(UNIX) :]
    return None


def _parse(address: Any, reuse_port: bool) -> tuple[Any, Any]:
    path = unix_path(address)
    if path is None:
        parsed: tuple[Any, Any] = parse_address(address)
        return parsed
    if reuse_port:
        raise ValueError("reuse_port: a unix socket has no port")
    return constants.AF_UNIX, path


def _remove_stale(path: str) -> None:
    """Remove a unix socket that a server before has left behind."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with SOCKET(constants.AF_UNIX) as probe:
            probe.setblocking(False)
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)
