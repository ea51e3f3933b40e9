"""What travels in a channel, and what a history keeps: a message with who published it.

Publication -> pack() -> Redis, which appends where it stands -> unpack() -> Publication

A body is a head, the ids that are excluded, each with its length, and the payload::

    version 1 | flags 1 | node 8 | number 8 | [ how many 2 | ( length 2 | id )... ] | payload

In a channel the position follows, in a stream it is the entry's id::

    body | epoch 8 | offset 8

Without history the position is all zeros.
"""

from __future__ import annotations

import struct
from typing import Final

from geventws.broker import Position, Publication

VERSION: Final = 1
NODE: Final = 8  # bytes that name a broker
TEXT: Final = 1
EXCLUDES: Final = 2
_HEAD: Final = struct.Struct("!BB8sQ")
_LENGTH: Final = struct.Struct("!H")
_TAIL: Final = struct.Struct("!8sQ")
NOWHERE: Final = bytes(_TAIL.size)


def pack(message: str | bytes, exclude: frozenset[str], node: bytes, number: int) -> bytes:
    """Return the body of *message*, the broker *node*'s publication *number*.

    Raises:
        ValueError: an id in *exclude*, or *exclude* itself, is longer than 65,535.
    """
    payload = message.encode() if isinstance(message, str) else message
    flags = (TEXT if isinstance(message, str) else 0) | (EXCLUDES if exclude else 0)
    head = _HEAD.pack(VERSION, flags, node, number)
    return b"".join([head, _pack_ids(exclude), payload]) if exclude else head + payload


def _pack_ids(exclude: frozenset[str]) -> bytes:
    ids = [each.encode() for each in exclude]
    if len(ids) > 0xFFFF or any(len(each) > 0xFFFF for each in ids):
        raise ValueError("exclude: more than 65535 ids, or an id of more bytes")
    return _LENGTH.pack(len(ids)) + b"".join(_LENGTH.pack(len(each)) + each for each in ids)


def unpack(room: str, data: bytes) -> Publication:
    """Return the publication that came in the channel of *room*.

    Raises:
        ValueError: no broker of this version has sent it.
    """
    if len(data) < _HEAD.size + _TAIL.size:
        raise ValueError("shorter than an envelope")
    epoch, offset = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    position = Position(offset, epoch.decode("ascii")) if offset else None
    return unpack_body(room, data[: -_TAIL.size], position)


def unpack_body(room: str, body: bytes, position: Position | None) -> Publication:
    """Return the publication of *body*, which stands at *position*.

    Raises:
        ValueError: no broker of this version has packed it.
    """
    if len(body) < _HEAD.size:
        raise ValueError("shorter than a head")
    version, flags, _, _ = _HEAD.unpack_from(body)
    if version != VERSION or flags & ~(TEXT | EXCLUDES):
        raise ValueError(f"version {version}, flags {flags}")
    exclude, start = _unpack_ids(body) if flags & EXCLUDES else (frozenset[str](), _HEAD.size)
    payload = body[start:]
    return Publication(room, payload.decode() if flags & TEXT else payload, position, exclude)


def _unpack_ids(body: bytes) -> tuple[frozenset[str], int]:
    try:
        return _read_ids(body)
    except struct.error as error:
        raise ValueError("cut off in what it excludes") from error


def _read_ids(body: bytes) -> tuple[frozenset[str], int]:
    ids = []
    start = _HEAD.size + _LENGTH.size
    for _ in range(_LENGTH.unpack_from(body, _HEAD.size)[0]):
        (length,) = _LENGTH.unpack_from(body, start)
        end = start + _LENGTH.size + length
        if end > len(body):
            raise ValueError("cut off in an id")
        ids.append(body[start + _LENGTH.size : end].decode())
        start = end
    return frozenset(ids), start
