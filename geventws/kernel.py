"""recv(2) and send(2) on a socket that never blocks: the two calls that every message costs.

The C twin is kernel.pxd, whose functions are compiled into the modules that call them: there no
Python stands between the kernel and the bytes.
"""

from __future__ import annotations

from typing import Any


def receive(stream: Any, size: int) -> bytes | None:
    """Return at most *size* bytes that are here, b"" at the end, None where none have come yet.

    Raises:
        OSError: the stream is lost.
    """
    try:
        data: bytes = stream.recv(size)
    except BlockingIOError:
        return None
    return data


def send(stream: Any, buffers: list[bytes]) -> int:
    """Return how many bytes of *buffers*, of which there is one at least, the kernel takes now.

    Raises:
        OSError: the stream is lost.
    """
    try:
        sent: int = stream.send(buffers[0]) if len(buffers) == 1 else stream.sendmsg(buffers)
    except BlockingIOError:
        return 0
    return sent
