"""permessage-deflate: agree on it, then deflate and inflate messages (RFC 7692).

parameters -> Deflate.offer / .accept / .confirm -> Agreed -> Deflater (sends), Inflater (receives)
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from geventws.core.codes import INVALID_DATA, Side
from geventws.core.errors import InvalidHandshake, MessageTooBig, ProtocolError

_NAME: Final = "permessage-deflate"
_SERVER_ALONE: Final = "server_no_context_takeover"
_CLIENT_ALONE: Final = "client_no_context_takeover"
_SERVER_BITS: Final = "server_max_window_bits"
_CLIENT_BITS: Final = "client_max_window_bits"

_Values = Mapping["str | None", int]
# RFC 7692 7.1.2: 8 to 15 without leading zeros; a table, as int() takes "+9" and "1_0" too
_BARE: Final[_Values] = {None: 0}
_BITS: Final[_Values] = {str(bits): bits for bits in range(8, 16)}
_ANSWER: Final[Mapping[str, _Values]] = {
    _SERVER_ALONE: _BARE,
    _CLIENT_ALONE: _BARE,
    _SERVER_BITS: _BITS,
    _CLIENT_BITS: _BITS,
}
_OFFER: Final[Mapping[str, _Values]] = {
    **_ANSWER,
    # zlib cannot deflate with a window of 8 bits: better the client's next offer, or none
    _SERVER_BITS: {str(bits): bits for bits in range(9, 16)},
    # RFC 7692 7.1.2.2: without a value it says that the server may set any
    _CLIENT_BITS: {**_BITS, None: 15},
}

# RFC 7692 7.2.2: what is appended to a message; then an empty block that is marked as the last
_END: Final = b"\x00\x00\xff\xff" + b"\x01\x00\x00\xff\xff"
# at every final block zlib copies what it has not read yet: short steps keep that linear
_STEP: Final = 4096
_NO_LIMIT: Final = sys.maxsize - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """What this side, client or server, wants of permessage-deflate.

    Window bits are the base-2 logarithm of a window, 9 to 15; *level* and *mem_level* are zlib's;
    of JSON level 2 makes 11 to 20 % more bytes than zlib's own 6, in about 0.6 of the time.
    Messages under *threshold* bytes are not compressed.

    Raises:
        TypeError: a field is of the wrong type.
        ValueError: a field is out of its range.
    """

    server_max_window_bits: int = 12
    client_max_window_bits: int = 12
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    level: int = 2
    mem_level: int = 5
    threshold: int = 64

    def __post_init__(self) -> None:
        _check_int(_SERVER_BITS, self.server_max_window_bits, 9, 15)
        _check_int(_CLIENT_BITS, self.client_max_window_bits, 9, 15)
        _check_bool(_SERVER_ALONE, self.server_no_context_takeover)
        _check_bool(_CLIENT_ALONE, self.client_no_context_takeover)
        _check_int("level", self.level, 0, 9)
        _check_int("mem_level", self.mem_level, 1, 9)
        _check_int("threshold", self.threshold, 0, sys.maxsize)

    def offer(self) -> str:
        """Return the client's elements of Sec-WebSocket-Extensions, the preferred one first.

        The last one binds the server to no window: many know only that one, and pass over, or
        answer wrongly, an offer of windows.
        """
        bits = self.client_max_window_bits
        # RFC 7692 7.1.2.2: offered without a value, the server may still ask for a smaller window
        offers = [[_NAME, f"{_CLIENT_BITS}={bits}" if bits < 15 else _CLIENT_BITS]]
        if self.server_max_window_bits < 15:
            offers.insert(0, [*offers[0], f"{_SERVER_BITS}={self.server_max_window_bits}"])
        alone = self.server_no_context_takeover, self.client_no_context_takeover
        return ", ".join(_element(offer, *alone) for offer in offers)

    def accept(
        self, offers: Iterable[tuple[str, Iterable[tuple[str, str | None]]]]
    ) -> tuple[str, Agreed] | None:
        """Choose the first acceptable of a client's *offers*; None where there is none.

        Returns the server's element of Sec-WebSocket-Extensions and what it makes agreed. Offers
        of other extensions and ones that break RFC 7692 7.1 are passed over.
        """
        for name, params in offers:
            if name == _NAME:
                with suppress(InvalidHandshake):
                    return self._answer(_parse(params, _OFFER))
        return None

    def confirm(self, params: Iterable[tuple[str, str | None]]) -> Agreed:
        """Check the *params* a server answered our offer with, and return what is agreed.

        Raises:
            InvalidHandshake: they break a rule of RFC 7692 7.1, or do not fit what was offered.
        """
        answer = _parse(params, _ANSWER)
        # our last offer binds nobody to a window, so that any answer fits; ours is never larger
        client_bits = min(answer.get(_CLIENT_BITS, 15), self.client_max_window_bits)
        agreed = self._agree(answer, answer.get(_SERVER_BITS, 15), client_bits)
        if self.server_no_context_takeover and _SERVER_ALONE not in answer:
            raise InvalidHandshake(f"{_SERVER_ALONE} not answered (RFC 7692 7.1.1.1)")
        return agreed

    def _answer(self, offer: Mapping[str, int]) -> tuple[str, Agreed]:
        """Return the answer to an acceptable *offer*, and what is agreed by it."""
        server_bits = min(offer.get(_SERVER_BITS, 15), self.server_max_window_bits)
        client_bits = 15
        parts = [_NAME]
        # RFC 7692 7.1.2.2: MUST NOT be answered where it was not offered
        if _CLIENT_BITS in offer:
            client_bits = min(offer[_CLIENT_BITS], self.client_max_window_bits)
            parts.append(f"{_CLIENT_BITS}={client_bits}")
        # RFC 7692 7.1.2.1: accepted by answering it; allowed where it was not offered
        if _SERVER_BITS in offer or server_bits < 15:
            parts.append(f"{_SERVER_BITS}={server_bits}")
        agreed = self._agree(offer, server_bits, client_bits)
        element = _element(
            parts, agreed.server_no_context_takeover, agreed.client_no_context_takeover
        )
        return element, agreed

    def _agree(self, given: Mapping[str, int], server_bits: int, client_bits: int) -> Agreed:
        """Join what the peer has *given* with our own wishes."""
        return Agreed(
            server_bits,
            client_bits,
            self.server_no_context_takeover or _SERVER_ALONE in given,
            self.client_no_context_takeover or _CLIENT_ALONE in given,
            self.level,
            self.mem_level,
            self.threshold,
        )


class Agreed(NamedTuple):
    """What both sides agreed on in the opening handshake, and how this side compresses."""

    server_max_window_bits: int
    client_max_window_bits: int
    server_no_context_takeover: bool
    client_no_context_takeover: bool
    level: int
    mem_level: int
    threshold: int

    def inflater(self, side: Side) -> Inflater:
        """Return a new Inflater, for the messages that this *side* receives."""
        if side == Side.CLIENT:
            return Inflater(self.server_max_window_bits, not self.server_no_context_takeover)
        return Inflater(self.client_max_window_bits, not self.client_no_context_takeover)

    def deflater(self, side: Side) -> Deflater:
        """Return a new Deflater, for the messages that this *side* sends."""
        if side == Side.CLIENT:
            bits, alone = self.client_max_window_bits, self.client_no_context_takeover
        else:
            bits, alone = self.server_max_window_bits, self.server_no_context_takeover
        return Deflater(bits, not alone, self.level, self.mem_level)


class Inflater:
    """Inflates the messages of one direction, each in pieces.

    The context is the last window of inflated bytes; a zlib object lives no longer than a message.
    Only so can each message be brought to an end of its own, which alone shows whether it was
    whole, and can inflating go on behind a final block. It costs 0.4 us a message and spares a
    connection 4 KiB between two messages.
    """

    __slots__ = ("_context", "_finals", "_seen", "_takeover", "_wbits", "_window", "_zlib")

    def __init__(self, window_bits: int, takeover: bool) -> None:
        bits = max(window_bits, 9)  # old zlibs deflate with 9 bits where 8 were agreed
        self._wbits = -bits
        self._window = 1 << bits
        self._takeover = takeover
        self._context: bytearray | None = None  # an idle connection keeps none
        self._zlib: zlib._Decompress | None = None
        self._seen = 0  # bytes of this frame that were inflated
        self._finals = 0  # final blocks among them

    def inflate(
        self,
        data: bytes | bytearray | memoryview,
        limit: int | None,
        fin: bool,
        starts: bool = True,
    ) -> bytes:
        """Return what this piece of a message inflates to; *fin* tells that it is the last.

        No more can be inflated after an error.

        Args:
            limit: how many more bytes the message may inflate to; None for any number. Never
                more than one byte over it is made.
            starts: whether the piece is the first one of a frame; each may have its final blocks.

        Raises:
            MessageTooBig: the message inflates to more than *limit*.
            ProtocolError: it is not DEFLATE, is cut short, or has too many final blocks (1007).
        """
        limit = _NO_LIMIT if limit is None else min(limit, _NO_LIMIT)
        if starts:
            self._seen = self._finals = 0
        inflater = self._zlib or self._begin()
        try:
            out = self._read(inflater, data, limit)
            self._seen += len(data)
            if inflater.eof:
                out += self._go_on(inflater.unused_data, limit - len(out))
            if fin:
                self._finish()
        except zlib.error as error:
            raise ProtocolError("bad DEFLATE data (RFC 7692 7.2.2)", INVALID_DATA) from error
        return out

    def _begin(self) -> zlib._Decompress:
        """Return a new zlib object that knows the context."""
        inflater = self._zlib = zlib.decompressobj(self._wbits, self._context or b"")
        return inflater

    def _read(
        self, inflater: zlib._Decompress, data: bytes | bytearray | memoryview, limit: int
    ) -> bytes:
        """Inflate *data* up to its end or a final block, and keep the context."""
        out = inflater.decompress(data, limit + 1)
        if len(out) > limit:
            raise MessageTooBig("message inflates to over max_size (RFC 6455 10.4)")
        context, window = self._context, self._window
        if context is None:
            context = self._context = bytearray()
        context += out[-window:]
        if len(context) > 2 * window:
            del context[:-window]
        return out

    def _go_on(self, data: bytes, limit: int) -> bytes:
        """Inflate *data*, which stood behind a final block (RFC 7692 7.2.3.4)."""
        self._zlib = None
        rest = memoryview(data)
        pieces = []
        self._count_final(len(rest))
        while rest:
            step = rest[:_STEP]
            inflater = self._zlib or self._begin()
            out = self._read(inflater, step, limit)
            pieces.append(out)
            limit -= len(out)
            rest = rest[len(step) - len(inflater.unused_data) :]
            if inflater.eof:
                self._zlib = None
                self._count_final(len(rest))
        return b"".join(pieces)

    def _count_final(self, behind: int) -> None:
        """Count a final block of this frame, which has so many bytes *behind* it."""
        # each costs a zlib object, 3 us: unbounded, 64 KiB of empty ones would take 100 ms; counted
        # by frames, for a sender may end each with one (RFC 7692 7.2.3.4), wherever TCP cuts them
        self._finals += 1
        if self._finals > 16 + (self._seen - behind) // 256:
            raise ProtocolError("too many final blocks (RFC 7692 7.2.3.4)", INVALID_DATA)

    def _finish(self) -> None:
        """End the message, which must stand at the end of a block."""
        inflater = self._zlib or self._begin()
        # RFC 7692 7.2.2 appends the tail and leaves it there; zlib is then silent about data that
        # is cut short, and the next message would go on in its middle. A whole message inflates
        # to nothing more with the tail, and the final block behind it is read as one.
        if inflater.decompress(_END, 1) or not inflater.eof or inflater.unused_data:
            raise ProtocolError("DEFLATE data is cut short (RFC 7692 7.2.2)", INVALID_DATA)
        self._zlib = None
        if not self._takeover:
            self._context = None


class Deflater:
    """Deflates the messages of one direction, each in fragments."""

    __slots__ = ("_takeover", "_zlib", "settings")

    def __init__(self, window_bits: int, takeover: bool, level: int, mem_level: int) -> None:
        self.settings = _settings(window_bits, level, mem_level)
        self._takeover = takeover
        self._zlib: zlib._Compress | None = None

    def deflate(self, data: bytes | bytearray | memoryview, fin: bool) -> bytes:
        """Return the payload of the next frame of a message; *fin* tells that it is the last.

        All of *data* can be inflated from what was returned so far.
        """
        deflater = self._zlib
        if deflater is None:
            deflater = self._zlib = zlib.compressobj(*self.settings)
        # RFC 7692 7.2.3.6: an empty message is an empty block. A second flush() in a row would make
        # nothing, which the compress() in between prevents, even of nothing.
        out = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        if not fin:
            return out
        if not self._takeover:
            self._zlib = None
        return out[:-4]

    def deflate_alone(self, data: bytes) -> bytes:
        """Return the payload of a whole message in a context of its own, which no other knows."""
        deflater = zlib.compressobj(*self.settings)
        return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def reset(self) -> None:
        """End the context: the next message is deflated without it."""
        self._zlib = None


def _parse(
    params: Iterable[tuple[str, str | None]], allowed: Mapping[str, _Values]
) -> dict[str, int]:
    """Return the *params* by name with their values as numbers (RFC 7692 7.1)."""
    given: dict[str, int] = {}
    for name, value in params:
        values = allowed.get(name)
        if values is None:
            raise InvalidHandshake("unknown permessage-deflate parameter (RFC 7692 7.1)")
        if value not in values:
            raise InvalidHandshake(f"bad value of {name} (RFC 7692 7.1)")
        if name in given:
            raise InvalidHandshake(f"repeated {name} (RFC 7692 7.1)")
        given[name] = values[value]
    return given


def _element(parts: list[str], server_alone: bool, client_alone: bool) -> str:
    """Return the *parts* and the parameters that end contexts as one element of the header."""
    if server_alone:
        parts.append(_SERVER_ALONE)
    if client_alone:
        parts.append(_CLIENT_ALONE)
    return "; ".join(parts)


def _check_int(name: str, value: object, least: int, most: int) -> None:
    """Raise unless *value* is an int from *least* to *most*."""
    if type(value) is not int:
        raise TypeError(f"{name} must be an int")
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}")


def _check_bool(name: str, value: object) -> None:
    """Raise unless *value* is a bool."""
    if type(value) is not bool:
        raise TypeError(f"{name} must be a bool")


@lru_cache
def _settings(window_bits: int, level: int, mem_level: int) -> tuple[int, int, int, int, int]:
    """Return the arguments of zlib.compressobj(): one tuple for all that are set alike."""
    # A server may answer 8 bits, which zlib cannot do. With Z_RLE no match reaches further back
    # than one byte, so it keeps within any window.
    strategy = zlib.Z_RLE if window_bits == 8 else zlib.Z_DEFAULT_STRATEGY
    return level, zlib.DEFLATED, -max(window_bits, 9), mem_level, strategy
