"""A buffer that a message grows in: growing.add() behind what is there, growing.take() once.

The C twin is growing.pxd, whose functions are compiled into the modules that call them: there the
buffer is the very bytes object that take() returns, made for all that is announced, so that nothing
is copied again. Memory that no byte has come for is not touched, and so is none yet.
"""

from __future__ import annotations


def begun(data: bytes, size: int) -> bytearray:
    """Return a buffer of *size* bytes that begins with *data*; the others are to be written."""
    return bytearray(data) + bytearray(size - len(data))


def add(buffer: bytearray | None, size: int, data: bytes, more: int) -> bytearray:
    """Return *buffer*, of which *size* bytes are used, with *data* behind these.

    *more* bytes are announced to follow. None is a buffer of nothing.
    """
    if buffer is None:
        return bytearray(data)
    buffer += data
    return buffer


def take(buffer: bytearray | None, size: int) -> bytes:
    """Return the *size* bytes of *buffer*, which must not be used any more."""
    return bytes(buffer or b"")
