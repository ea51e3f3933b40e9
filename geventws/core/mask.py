"""XOR a payload with its masking key, and make such keys (RFC 6455 5.3, 10.3)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from geventws.core import growing

try:
    from wsaccel.xormask import XorMaskerSimple
except ImportError:  # the interpreted twin then makes do with big integers
    XorMaskerSimple = None

COMPILED = not __file__.endswith(".py")

# Keys are cut from a page of random bytes: no easier to foretell than from a call for each, at a
# tenth of the cost.
PAGE = 4096
# Below this many bytes one big-integer XOR is as fast as wsaccel's set-up.
ACCELERATED = 64


def mask(data: bytes | bytearray, key: bytes, start: int, end: int, before: bytes = b"") -> bytes:
    """Return data[start:end] with *key*, of four bytes, laid over it; twice is the original.

    The bytes *before* are put before that as they are.

    Raises:
        ValueError: *data* has no such part, or *key* is of another size.
    """
    size = end - start
    if size == 0:
        return before
    # compiled, nothing else would keep the loop from memory that is not data's
    if size < 0 or start < 0 or end > len(data) or len(key) != 4:
        raise ValueError("data: without such a part, or key: not of four bytes (RFC 6455 5.3)")
    if _LOOPS:
        return _xor(data, key, start, size, before)
    part = data[start:end]
    if XorMaskerSimple is not None and size >= ACCELERATED:
        masked: bytes = XorMaskerSimple(key).process(part)
        return before + masked
    keys = key * (size // 4) + key[: size % 4]
    xored = int.from_bytes(part, "little") ^ int.from_bytes(keys, "little")
    return before + xored.to_bytes(size, "little")


def _xor(data: Any, key: bytes, start: int, size: int, before: bytes) -> bytes:
    """The same byte by byte: a loop that a C compiler turns into wide XORs.

    Compiled, source and target are pointers. Nobody knows the target yet, unless it is of one
    byte, which Python makes but once.
    """
    source = data
    if size == 1:
        return before + bytes((source[start] ^ key[0],))
    front = len(before)
    part = growing.begun(before, front + size)
    target = part
    keys = key
    first, second, third, fourth = keys[0], keys[1], keys[2], keys[3]
    whole = size & ~3
    for at in range(0, whole, 4):
        target[front + at] = source[start + at] ^ first
        target[front + at + 1] = source[start + at + 1] ^ second
        target[front + at + 2] = source[start + at + 2] ^ third
        target[front + at + 3] = source[start + at + 3] ^ fourth
    for at in range(whole, size):
        target[front + at] = source[start + at] ^ keys[at & 3]
    return growing.take(part, front + size)


_LOOPS = COMPILED  # as C has it


def rotate(key: bytes, by: int) -> bytes:
    """Return *key* as it stands for the bytes after the first *by* of a payload."""
    by &= 3
    return key[by:] + key[:by] if by else key


def _page() -> Iterator[bytes]:
    random = os.urandom(PAGE)
    return iter([random[at : at + 4] for at in range(0, PAGE, 4)])


def masking_key() -> bytes:
    """Return four bytes that no one can foretell; safe to call from several threads.

    RFC 6455 10.3: the key must be unpredictable, so that nobody chooses what stands on the wire.
    """
    global _keys
    key = next(_keys, None)
    if key is None:
        _keys = _page()
        key = next(_keys)
    return key


def _forget() -> None:
    global _keys
    _keys = iter(())


_keys: Iterator[bytes] = iter(())
os.register_at_fork(after_in_child=_forget)  # parent and child must not mask with the same keys
