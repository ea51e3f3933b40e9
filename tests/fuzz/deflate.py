"""Fuzzing deflate: any DEFLATE data, any messages there and back, any offers and answers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from geventws.core.deflate import Deflate, Deflater, Inflater
from geventws.core.errors import InvalidHandshake, ProtocolError
from geventws.core.headers import parse_extensions
from tests.fuzz.given import failure, is_beyond_judging, parts, split

TAIL: Final = b"\x00\x00\xff\xff"


class Window(NamedTuple):
    """What an Inflater and a Deflater have in common."""

    bits: int
    takeover: bool


def check(data: bytes) -> object:
    """Inflate, deflate or agree.

    Options: a byte of window bits, takeover and which of the three; one whose square is the limit
    of a message, or level and mem_level; and the length of the first of two messages, 0 for one.
    """
    options, steps, payload = split(data, 3)
    window, which = Window(8 + (options[0] & 7), bool(options[0] & 8)), options[0] >> 4 & 3
    first = options[2]
    messages = [payload[:first], payload[first:]] if first else [payload]
    if which == 3:
        return _agree(payload.decode("latin-1"), options)
    if which == 2:
        deflater = Deflater(*window, options[1] % 10, 1 + options[1] // 10 % 9)
        return _there_and_back(window, deflater, messages, steps)
    limit = (options[1] - 1) ** 2 if options[1] else None
    return _inflate(window, limit, messages, steps)


def _inflate(window: Window, limit: int | None, messages: list[bytes], steps: bytes) -> object:
    whole = _inflated(Inflater(*window), limit, [[message] for message in messages])
    cut = _inflated(Inflater(*window), limit, [parts(each, steps) for each in messages])
    errors = [each for each in (*whole, *cut) if isinstance(each, str)]
    if not is_beyond_judging(window.bits, errors):
        assert _comparable(whole) == _comparable(cut)
    if not errors:
        assert whole == _by_zlib(max(window.bits, 9), window.takeover, messages)
    return cut


def _comparable(found: list[bytes | str]) -> list[bytes | None]:
    """Return what may not depend on the cuts: which error is seen first of several may."""
    return [None if isinstance(each, str) else each for each in found]


def _inflated(
    inflater: Inflater, limit: int | None, messages: Sequence[Sequence[bytes]]
) -> list[bytes | str]:
    """Return what the messages are, the last one may be an error."""
    found: list[bytes | str] = []
    try:
        for message in messages:
            found.append(_in_pieces(inflater, limit, message))
    except ProtocolError as error:
        found.append(failure(error))
    return found


def _in_pieces(inflater: Inflater, limit: int | None, pieces: Sequence[bytes]) -> bytes:
    made = b""
    for number, piece in enumerate(pieces, 1):
        room = None if limit is None else limit - len(made)
        made += inflater.inflate(piece, room, number == len(pieces), number == 1)
        assert limit is None or len(made) <= limit
        assert len(inflater._context or b"") <= 2 * inflater._window
    return made


def _by_zlib(bits: int, takeover: bool, messages: Sequence[bytes]) -> list[bytes]:
    """Return what plain zlib makes of the messages."""
    context = b""
    found = []
    for message in messages:
        made, data = b"", message + TAIL
        while data:
            inflater = zlib.decompressobj(-bits, context)
            piece = inflater.decompress(data)
            made += piece
            context = (context + piece)[-(1 << bits) :]
            data = inflater.unused_data
        found.append(made)
        if not takeover:
            context = b""
    return found


def _there_and_back(
    window: Window, deflater: Deflater, messages: list[bytes], steps: bytes
) -> object:
    inflater = Inflater(*window)
    wire = []
    for message in messages:
        sent, left = b"", len(message)
        fragments = parts(message, steps)
        for number, fragment in enumerate(fragments, 1):
            fin = number == len(fragments)
            sent += (payload := deflater.deflate(fragment, fin))
            assert inflater.inflate(payload, left, fin) == fragment
            left -= len(fragment)
        wire.append(sent)
    # a window of 8 bits is agreed as such, whatever zlib makes of it
    assert _by_zlib(*window, wire) == messages
    return wire


def _agree(text: str, options: bytes) -> object:
    ours = Deflate(
        server_max_window_bits=9 + options[1] % 7,
        client_max_window_bits=9 + options[2] % 7,
        server_no_context_takeover=bool(options[1] & 128),
        client_no_context_takeover=bool(options[2] & 128),
    )
    try:
        offers = parse_extensions(text)
        chosen = ours.accept(offers)
    except InvalidHandshake as error:
        return failure(error)
    if chosen is not None:
        ((name, _),) = parse_extensions(chosen[0])
        assert name == "permessage-deflate"
    return chosen, [_confirmed(ours, parameters) for _, parameters in offers]


def _confirmed(ours: Deflate, parameters: list[tuple[str, str | None]]) -> object:
    try:
        agreed = ours.confirm(parameters)
    except InvalidHandshake as error:
        return failure(error)
    assert agreed.client_max_window_bits <= ours.client_max_window_bits
    return agreed
