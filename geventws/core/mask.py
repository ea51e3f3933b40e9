"""XOR a payload with its masking key, and make such keys (RFC 6455 5.3, 10.3)."""

from __future__ import annotations

import os
from collections.abc import Iterator

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
# The compiled loop's key, repeated: long enough that wide XORs pay, short enough for small frames.
BLOCK = 256


def mask(data: bytes | bytearray, key: bytes, start: int, end: int) -> bytes:
    """Return data[start:end] with *key*, of four bytes, laid over it; twice is the original.

    Raises:
        ValueError: *data* has no such part, or *key* is of another size.
    """
    size = end - start
    if size == 0:
        return b""
    # compiled, nothing else would keep the loop from memory that is not data's
    if size < 0 or start < 0 or end > len(data) or len(key) != 4:
        raise ValueError("data: without such a part, or key: not of four bytes (RFC 6455 5.3)")
    if COMPILED:
        return _xor(data, key, start, size)
    part = data[start:end]
    if XorMaskerSimple is not None and size >= ACCELERATED:
        masked: bytes = XorMaskerSimple(key).process(part)
        return masked
    keys = key * (size // 4) + key[: size % 4]
    xored = int.from_bytes(part, "little") ^ int.from_bytes(keys, "little")
    return xored.to_bytes(size, "little")


def _xor(data: bytes | bytearray, key: bytes, start: int, size: int) -> bytes:
    """The same byte by byte: an inner loop that a C compiler turns into wide XORs."""
    result = bytearray(size)
    masks = key * (BLOCK // 4)
    source = data  # compiled, these three are pointers
    target = result
    keys = masks
    for block in range(0, size, BLOCK):
        for index in range(min(BLOCK, size - block)):
            target[block + index] = source[start + block + index] ^ keys[index]
    return bytes(result)


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
