"""Frames to messages, and back: fragments, compression, text, limits (RFC 6455 5.4, 5.6, 8.1).

Frame -> MessageReader.add -> str | bytes          str | bytes -> MessageWriter.message -> bytes
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Any, Final

from geventws.core import growing
from geventws.core.codes import BINARY, CONTINUATION, POLICY_VIOLATION, TEXT
from geventws.core.deflate import Deflater, Inflater
from geventws.core.errors import ConcurrencyError, InvalidText, MessageTooBig, ProtocolError
from geventws.core.frame import Frame, frame_head
from geventws.core.mask import mask, masking_key

# An unmasked payload this large leaves as it is, beside its head; copying a smaller one is cheaper.
GATHER: Final = 8 * 1024
_GATHER: Final = GATHER  # as C has it


def fragment_limit(max_size: int | None) -> int:
    """Return how many continuation frames a message of at most *max_size* bytes may have.

    Generous to peers that send a frame per 256 bytes, and a bound on what a flood of tiny frames
    costs: without one they outweigh any limit on bytes.
    """
    return max(1024, (max_size or 0) // 256)


class MessageReader:
    """Puts one peer's data frames together again, and undoes compression and UTF-8.

    Every limit holds before memory is spent: a length is believed as soon as it is declared.
    *max_size* None is no limit on bytes, *max_fragments* None none on frames.
    """

    __slots__ = (
        "_buffer",
        "_compressed",
        "_fragments",
        "_held",
        "_inflater",
        "_max_fragments",
        "_max_size",
        "_opcode",
        "_size",
        "_skip",
        "_tail",
        "bytes",
        "streaming",
    )

    def __init__(
        self, max_size: int | None, max_fragments: int | None, inflater: Inflater | None = None
    ) -> None:
        self._max_size = -1 if max_size is None else max_size
        self._max_fragments = -1 if max_fragments is None else max_fragments
        self._inflater = inflater
        self.bytes = 0  # of payloads so far, inflated
        self.streaming = False  # hand on what is here of a message, before it is whole
        # the message that is arriving
        self._opcode = 0
        self._compressed = False
        self._fragments = 0
        self._size = 0
        self._buffer: Any = None  # see growing
        self._held = 0  # bytes in it
        self._tail = b""  # the beginning of a UTF-8 character, with which these end
        self._skip = False

    def add(self, frame: Frame) -> str | bytes | None:
        """Return the message that *frame* completes; None when there is more to come.

        While *streaming* is set, what is not whole yet is returned as well.

        Raises:
            ProtocolError: a frame out of order, or more than max_fragments continuations (1008).
            MessageTooBig: the message is, or says that it will be, larger than max_size.
            InvalidText: a text is not UTF-8; raised at its first impossible byte.
        """
        if frame.opcode != CONTINUATION:
            if self._opcode:
                raise ProtocolError("a new message inside a fragmented one (RFC 6455 5.4)")
            if frame.fin and not frame.rsv1:
                return self._whole(frame)
            self._begin(frame)
        elif not self._opcode:
            raise ProtocolError("a continuation of no message (RFC 6455 5.4)")
        elif frame.starts:
            self._count()
        self._append(frame)
        if frame.fin:
            return self._finish()
        return self.take() if self.streaming else None

    def arriving(self) -> bool:
        """Return whether a message has begun and not ended."""
        return self._opcode != 0

    def take(self) -> str | bytes | None:
        """Return what is here of an unfinished message and forget it; None when that is nothing."""
        if not self._held:
            return None
        piece = self._take_all()
        if self._opcode != TEXT:
            return piece
        self._hold(self._tail, 0)
        return piece[: len(piece) - len(self._tail)].decode() or None

    def skip(self) -> None:
        """Let the rest of the message that is arriving pass unseen; its rules still hold."""
        self._skip = self._opcode != 0
        self.take()

    def forget(self) -> None:
        """Let go of what is held of an unfinished message; nothing is read after that."""
        self._buffer = None
        self._held = 0

    def buffered(self) -> int:
        """Return how many bytes of an unfinished message are held."""
        return self._held

    def _whole(self, frame: Frame) -> str | bytes:
        payload = frame.payload
        if len(payload) > self._max_size >= 0:
            raise self._too_big()
        self.bytes += len(payload)
        if frame.opcode != TEXT:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise _not_utf8() from None

    def _hold(self, data: bytes, more: int) -> None:
        self._buffer = growing.add(self._buffer, self._held, data, more)
        self._held += len(data)

    def _take_all(self) -> bytes:
        buffer, held = self._buffer, self._held
        self._buffer = None
        self._held = 0
        return growing.take(buffer, held)

    def _begin(self, frame: Frame) -> None:
        self._opcode = frame.opcode
        self._compressed = frame.rsv1  # RFC 7692 6: of the message, not of each frame
        self._fragments = 0
        self._size = 0
        self._tail = b""

    def _count(self) -> None:
        self._fragments += 1
        if self._fragments > self._max_fragments >= 0:
            raise ProtocolError(
                f"a message of more than {self._max_fragments} continuations", POLICY_VIOLATION
            )

    def _append(self, frame: Frame) -> None:
        data = frame.payload
        limit = self._max_size
        if limit >= 0 and frame.starts:  # its later pieces declare nothing new
            self._check_declared(len(data) + frame.left)
        if self._compressed:
            assert self._inflater is not None
            room = None if limit < 0 else limit - self._size
            data = self._inflater.inflate(data, room, frame.fin, frame.starts)
        self._size += len(data)
        self.bytes += len(data)
        if self._opcode == TEXT:
            self._validate(data)
        self._hold(data, 0 if self._compressed else frame.left)
        if self._skip:
            self.take()

    def _check_declared(self, more: int) -> None:
        """Raise when *more* bytes, which the frame has or will have, cannot be within max_size."""
        if self._compressed:  # what does not shrink grows, by less than this (zlib's deflateBound)
            more -= (more >> 2) + 512
        if more > self._max_size - self._size:  # a sum could overflow where this is compiled
            raise self._too_big()

    def _too_big(self) -> MessageTooBig:
        return MessageTooBig(f"a message over {self._max_size} bytes")

    def _validate(self, data: bytes) -> None:
        """Raise at the first byte that cannot be UTF-8, without waiting for the message's end."""
        data = self._tail + data
        try:
            valid = utf_8_decode(data, "strict", False)[1]
        except UnicodeDecodeError:
            raise _not_utf8() from None
        self._tail = tail = data[valid:]
        # the decoder waits for the third byte of what already is a surrogate (RFC 3629 3)
        if len(tail) > 1 and tail[0] == 0xED and tail[1] >= 0xA0:
            raise _not_utf8()

    def _finish(self) -> str | bytes | None:
        message = self._take_all()
        text = self._opcode == TEXT
        if text and self._tail:
            raise _not_utf8()
        self._opcode = 0
        if self._skip:
            self._skip = False
            return None
        return message.decode() if text else message


def _not_utf8() -> InvalidText:
    return InvalidText("a text that is not UTF-8 (RFC 6455 8.1)")


class MessageWriter:
    """Makes this side's frames and keeps them until they are taken to be written.

    *deflater* is None where compression was not agreed on; messages under *threshold* bytes are
    left alone, fragmented ones are not, for nobody knows how long they will be.
    """

    __slots__ = (
        "_deflater",
        "_masks",
        "_opcode",
        "_out",
        "_threshold",
        "bytes",
        "messages",
        "wire",
    )

    def __init__(self, masks: bool, deflater: Deflater | None = None, threshold: int = 0) -> None:
        self._masks = masks
        self._deflater = deflater
        self._threshold = threshold
        self._opcode = 0  # of the fragmented message that is not finished
        self._out: list[bytes] | None = None
        # counters
        self.messages = 0
        self.bytes = 0
        self.wire = 0

    def message(self, message: str | bytes | bytearray | memoryview) -> None:
        """Make a whole message: text of str, binary of anything else.

        Raises:
            TypeError: *message* is neither str nor bytes-like.
            UnicodeEncodeError: a str with lone surrogates, which UTF-8 has no bytes for.
            ConcurrencyError: another message is not finished, of which fragments were made.
        """
        self._check_between()
        payload = payload_of(message)
        opcode = opcode_of(message)
        self.messages += 1
        self.bytes += len(payload)
        if self._deflater is None or len(payload) < self._threshold:
            self.frame(opcode, payload, True, False)
        else:
            self.frame(opcode, self._deflater.deflate(payload, True), True, True)

    def fragment(self, data: str | bytes | bytearray | memoryview, fin: bool) -> None:
        """Make the next fragment of a message; its first one says whether it is text or binary.

        Raises:
            TypeError: as for message(), or text and binary in one message.
        """
        payload = payload_of(data)
        opcode = opcode_of(data)
        first = not self._opcode
        if not first and opcode != self._opcode:
            raise TypeError("message: its items are all str or all bytes")
        self._opcode = 0 if fin else opcode
        self.messages += fin
        self.bytes += len(payload)
        if self._deflater is not None:
            payload = self._deflater.deflate(payload, fin)
        rsv1 = first and self._deflater is not None  # RFC 7692 6.1: on the first fragment only
        self.frame(opcode if first else CONTINUATION, payload, fin, rsv1)

    def encoded(self, encoded: Encoded) -> None:
        """Take over the frame of a message; compressed where message() would compress it.

        Raises:
            ConcurrencyError: as for message().
        """
        self._check_between()
        self.messages += 1
        self.bytes += encoded.size
        if self._deflater is None or encoded.size < self._threshold:
            self._put(encoded.plain)
        else:
            self._put(encoded.deflated(self._deflater))
            self._deflater.reset()  # the peer's window has what ours has not (RFC 7692 7.2.3.2)

    def frame(self, opcode: int, payload: bytes, fin: bool, rsv1: bool) -> None:
        """Make one frame."""
        size = len(payload)
        if self._masks:
            key = masking_key()
            self._put(mask(payload, key, 0, size, frame_head(opcode, size, fin, rsv1, key)))
            return
        head = frame_head(opcode, size, fin, rsv1, b"")
        if size < _GATHER:
            self._put(head + payload)
        else:
            self._put(head)
            self._put(payload)

    def forget(self) -> None:
        """Make sure that nothing to come builds on what was taken last, which never left.

        RFC 7692 7.2.3.2 lets the sender start its window anew at any message.
        """
        if self._deflater is not None:
            self._deflater.reset()

    def pending(self) -> bool:
        """Return whether take() has something."""
        return self._out is not None

    def take(self) -> list[bytes]:
        """Return, once, the buffers to write, in order."""
        out, self._out = self._out, None
        return [] if out is None else out

    def _check_between(self) -> None:
        if self._opcode:
            raise ConcurrencyError("a message inside a fragmented one (RFC 6455 5.4)")

    def _put(self, data: bytes) -> None:
        self.wire += len(data)
        if self._out is None:
            self._out = [data]
        else:
            self._out.append(data)


class Encoded:
    """A message made into frames once, for any number of a server's connections.

    Raises:
        TypeError: *message* is neither str nor bytes-like.
        UnicodeEncodeError: a str with lone surrogates.
    """

    __slots__ = ("_deflated", "_opcode", "_payload", "message", "plain", "size")

    def __init__(self, message: str | bytes | bytearray | memoryview) -> None:
        payload = payload_of(message)
        self.message = message if isinstance(message, str) else payload
        self.size = len(payload)
        self._opcode = opcode_of(message)
        self._payload = payload
        self.plain = frame_head(self._opcode, self.size, True, False, b"") + payload
        self._deflated: dict[Any, bytes] = {}  # by the settings of a deflater

    def deflated(self, deflater: Deflater) -> bytes:
        """Return the frame for all whose deflater is set like *deflater*; it has no context."""
        frame = self._deflated.get(deflater.settings)
        if frame is None:
            payload = deflater.deflate_alone(self._payload)
            frame = frame_head(self._opcode, len(payload), True, True, b"") + payload
            self._deflated[deflater.settings] = frame
        return frame


def payload_of(message: str | bytes | bytearray | memoryview) -> bytes:
    """Return a message's payload; TypeError where it is neither str nor bytes-like."""
    if type(message) is bytes:
        return message
    if isinstance(message, str):
        return message.encode()
    if isinstance(message, (bytes, bytearray, memoryview)):  # compiled code takes no subclass
        return bytes(message)
    raise TypeError(f"message: str or bytes, not {type(message).__name__}")


def opcode_of(message: object) -> int:
    """Return a message's opcode."""
    return TEXT if isinstance(message, str) else BINARY
